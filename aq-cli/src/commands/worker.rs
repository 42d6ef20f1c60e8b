//! `aq worker QUEUE JOB`: what a run loop starts. Not for people, so not in the help.

use std::process::ExitCode;

use aq_runner::run::work_if_asked;

use crate::exit::{Exit, Failure};
use crate::output;

/// Works on a job when the arguments say so. A worker starts once a job, so it is kept away from
/// all that only people need.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let exit = match work_if_asked(std::env::args_os())? {
        Ok(()) => Exit::Done,
        Err(e) => {
            output::error(&Failure::new(Exit::Environment, format_args!("worker: {e}")));
            Exit::Environment
        }
    };
    Some(exit.into())
}
