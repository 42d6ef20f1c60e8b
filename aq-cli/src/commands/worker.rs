//! `aq worker QUEUE JOB`, which a run loop starts, and `aq acp ... -- AGENT`, which a worker
//! starts. Not for people, so not in the help.

use std::process::ExitCode;

use aq_runner::run::{WorkerError, work_if_asked};

use crate::exit::{CliExit, CliFailure};
use crate::output;

/// Works on a job, or talks with an agent, when the arguments say so. A worker starts once a job,
/// so it is kept away from all that only people need.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let exit = match work_if_asked(std::env::args_os())? {
        Ok(()) => CliExit::Done,
        // It has said so on standard output.
        Err(WorkerError::AgentFailed) => CliExit::No,
        Err(e) => {
            output::error(&CliFailure::new(CliExit::Environment, format_args!("worker: {e}")));
            CliExit::Environment
        }
    };
    Some(exit.into())
}
