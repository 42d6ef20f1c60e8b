//! `aq hold` and `aq release`

use aq_manifest::{JobId, Stage};
use aq_runner::run;
use aq_runner::store::{QueueDir, StoreError};

use super::CliContext;
use super::cli_context::job_id;
use crate::exit::{CliExit, Outcome};
use crate::output;

/// The word for every job that waits.
const ALL: &str = "all";

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:  aq hold fix-login\n           aq hold all")]
pub(crate) struct HoldArgs {
    /// The job, or `all` that wait now
    #[arg(add = super::completions::jobs_in(&[Stage::Inbox]))]
    job: String,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:  aq release fix-login\n           aq release all")]
pub(crate) struct ReleaseArgs {
    /// The job, or `all` that are held
    #[arg(add = super::completions::jobs_in(&[Stage::Inbox]))]
    job: String,
}

pub(crate) fn hold(here: &CliContext, args: &HoldArgs) -> Outcome {
    each(here, &args.job, run::hold, ["is held", "is held already"])
}

pub(crate) fn release(here: &CliContext, args: &ReleaseArgs) -> Outcome {
    each(here, &args.job, run::release, ["waits for its turn", "was not held"])
}

fn each(
    here: &CliContext,
    job: &str,
    act: fn(&QueueDir, &JobId) -> Result<bool, StoreError>,
    [done, nothing]: [&str; 2],
) -> Outcome {
    let queue = here.trusted_queue()?;
    // A job may have this name, too; then it is meant.
    let id = job_id(job)?;
    if job != ALL || queue.find(&id).is_some() {
        let words = if act(&queue, &id)? { done } else { nothing };
        output::line(format_args!("{id} {words}"));
        return Ok(CliExit::Done);
    }
    let mut ids = queue.jobs(Stage::Inbox)?;
    ids.sort();
    let mut changed = 0;
    for id in ids {
        match act(&queue, &id) {
            Ok(true) => {
                changed += 1;
                output::line(format_args!("{id} {done}"));
            }
            Ok(false) => {}
            // It has started, or ended, since the folder was read.
            Err(StoreError::WrongStage { .. } | StoreError::NoSuchJob(_) | StoreError::Busy(_)) => {
            }
            Err(e) => return Err(e.into()),
        }
    }
    if changed == 0 {
        output::line("nothing to do");
    }
    Ok(CliExit::Done)
}
