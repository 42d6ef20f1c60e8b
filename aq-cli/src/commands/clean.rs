//! `aq clean`

use aq_runner::run::clean;
use jiff::Timestamp;

use super::CliContext;
use crate::exit::{CliExit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq clean --keep 100")]
pub(crate) struct CleanArgs {
    /// How many finished jobs keep theirs
    #[arg(long, value_name = "N", default_value_t = 50)]
    keep: usize,
}

pub(crate) fn run(here: &CliContext, args: &CleanArgs) -> Outcome {
    let queue = here.trusted_queue()?;
    let (cleaned, left) = clean(&queue, args.keep, Timestamp::now())?;
    for problem in left {
        output::warning(&format!("warning: {problem}"));
    }
    match cleaned.archive {
        Some(archive) => output::line(format_args!(
            "moved the logs and records of {} finished jobs to {}",
            cleaned.jobs.len(),
            archive.display()
        )),
        None => output::line(format_args!(
            "nothing to put away: at most {} jobs have finished",
            args.keep
        )),
    }
    Ok(CliExit::Done)
}
