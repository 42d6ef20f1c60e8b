//! `aq diff`

use std::io::Write;

use aq_runner::run::diff;
use aq_runner::store::JobRecord;

use super::here::{Here, job_id};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq diff fix-login | less -R")]
pub(crate) struct Args {
    /// The job
    #[arg(add = super::completions::jobs())]
    job: String,
}

pub(crate) fn run(here: &Here, args: &Args) -> Outcome {
    let queue = here.queue()?;
    // Without git's colours: what agents write goes through a filter on its way to a terminal.
    let mut screen = output::Screen::new();
    let id = job_id(&args.job)?;
    diff(&queue, &id, false, &mut screen)?;
    screen.flush().map_err(|e| Failure::io("write the diff", &e))?;
    let record = JobRecord::read(&queue, queue.expect(&id)?, id)?;
    for line in output::job::left_out_lines(&record) {
        output::warning(&format!("warning: not in the diff, {line}"));
    }
    Ok(Exit::Done)
}
