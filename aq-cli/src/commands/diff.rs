//! `aq diff`

use std::io::Write;

use aq_runner::run::diff;

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
    diff(&queue, &job_id(&args.job)?, false, &mut screen)?;
    screen.flush().map_err(|e| Failure::io("write the diff", &e))?;
    Ok(Exit::Done)
}
