//! `aq diff`

use std::io::Write;

use aq_runner::run::diff;
use aq_runner::store::JobRecord;

use super::cli_context::{CliContext, job_id};
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq diff fix-login | less -R")]
pub(crate) struct DiffArgs {
    /// The job
    #[arg(add = super::completions::jobs())]
    job: String,
}

pub(crate) fn run(here: &CliContext, args: &DiffArgs) -> Outcome {
    let queue = here.queue()?;
    // Without git's colours: what agents write goes through a filter on its way to a terminal.
    let mut screen = output::ScreenText::new();
    let id = job_id(&args.job)?;
    diff(&queue, &id, false, &mut screen)?;
    screen.flush().map_err(|e| CliFailure::io("write the diff", &e))?;
    let record = JobRecord::read(&queue, queue.expect(&id)?, id)?;
    for line in output::job::left_out_lines(&record) {
        output::warning(&format!("warning: not in the diff, {line}"));
    }
    Ok(CliExit::Done)
}
