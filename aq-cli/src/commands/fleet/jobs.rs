//! `aq fleet jobs`

use aq_fleet::protocol::FactoryId;
use aq_manifest::Stage;
use aq_runner::run::{FleetJobFilter, fleet_jobs};

use super::CliContext;
use crate::exit::{CliExit, Outcome};
use crate::output;
use crate::output::json::JsonOption;

/// The stages of jobs that have not ended.
const LIVE: [Stage; 4] = [Stage::Building, Stage::Review, Stage::Testing, Stage::Inbox];

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:  aq fleet jobs\n           \
                  aq fleet jobs --state failed --host mill-1\n           \
                  aq fleet jobs --all --json | jq -r '.jobs[].jobId'")]
pub(crate) struct FleetJobsArgs {
    /// Only those in this stage, such as failed; may be repeated
    #[arg(long = "state", value_name = "STATE", value_parser = stage)]
    states: Vec<Stage>,
    /// Only those that this host has, or had last
    #[arg(long, value_name = "HOST")]
    host: Option<FactoryId>,
    /// Also those that have ended
    #[arg(long, conflicts_with = "states")]
    all: bool,
    #[command(flatten)]
    json: JsonOption,
}

/// A stage that jobs of a fleet come to.
fn stage(text: &str) -> Result<Stage, String> {
    let known = Stage::ALL.into_iter().filter(|stage| *stage != Stage::Quarantine);
    known.clone().find(|stage| stage.folder() == text).ok_or_else(|| {
        let words: Vec<&str> = known.map(Stage::folder).collect();
        format!("a job of a fleet is in {}", words.join(", "))
    })
}

pub(super) fn run(here: &CliContext, args: &FleetJobsArgs) -> Outcome {
    let settings = super::coordinator(here)?;
    let stages = match args.states.as_slice() {
        [] if args.all => Vec::new(),
        [] => LIVE.to_vec(),
        states => states.to_vec(),
    };
    let found = fleet_jobs(&settings, &FleetJobFilter { stages, host: args.host.clone() })?;
    match args.json.version {
        Some(version) => output::json::fleet_jobs(&found, version),
        None => output::fleet_jobs::list(&found),
    }
    Ok(CliExit::Done)
}
