//! `aq add`

use std::path::PathBuf;

use aq_runner::run::{Settings, add_context, without_engine};
use aq_runner::store::{AddContext, AddReport, Added, QueueDir, add};
use jiff::Timestamp;

use super::Here;
use super::files::drafts;
use crate::exit::{Exit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:  aq add fix-login.md\n           aq add jobs/\n           echo 'Fix the login.' | aq add - --name fix-login"
)]
pub(crate) struct Args {
    /// Job files, directories, or `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The id to give the job, instead of the file's name; for one job only
    #[arg(long, value_name = "ID")]
    name: Option<String>,
    /// Add files that were added before, under the same name and with the same text, once more
    #[arg(long)]
    again: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(here: &Here, args: &Args) -> Outcome {
    let drafts = drafts(&args.files, args.name.as_deref(), args.again)?;
    let queue = here.queue_or_new()?;
    let context = add_context(&queue, &here.environment, here.cwd()?, Timestamp::now());
    let context = AddContext { colour: output::errors_in_colour(), ..context };
    let report = add(&queue, &drafts, &context)?;
    // A bad config is for those to tell who need it: the jobs are in.
    tell_added(&queue, here.settings(&queue).ok().as_ref(), report, args.json);
    Ok(Exit::Done)
}

/// Says which jobs were added, and what a person should look at.
pub(super) fn tell_added(
    queue: &QueueDir,
    settings: Option<&Settings>,
    mut report: AddReport,
    json: bool,
) {
    if let Some(settings) = settings {
        let missing = without_engine(queue, settings, report.added.iter().map(Added::id));
        report.warnings.extend(missing.iter().map(output::human::no_engine));
    }
    for warning in &report.warnings {
        output::warning(warning);
    }
    if json {
        output::json::added(&report);
    } else {
        output::human::added(&report.added);
    }
}
