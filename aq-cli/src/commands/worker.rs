//! `aq worker QUEUE JOB`: what a run loop starts. Not for people, so not in the help.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aq_manifest::JobId;
use aq_runner::run::{Environment, work};
use aq_runner::store::QueueDir;

use super::here::profiles_elsewhere;
use crate::exit::{Exit, Failure};
use crate::output;

/// Works on a job when the arguments say so. A worker starts once a job, so it is kept away from
/// all that only people need.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != "worker" {
        return None;
    }
    let (queue, job) = (PathBuf::from(arguments.next()?), arguments.next()?);
    let done = job
        .to_str()
        .ok_or_else(|| Failure::usage("the job's name is not UTF-8"))
        .and_then(|job| run(&queue, job));
    Some(match done {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            output::error(&failure);
            failure.exit.into()
        }
    })
}

fn run(queue: &Path, job: &str) -> Result<(), Failure> {
    let id = JobId::new(job).map_err(Failure::usage)?;
    let environment = Environment::new(std::env::vars_os());
    let queue = QueueDir::open(queue)?;
    let queue = match profiles_elsewhere(&environment) {
        Some(profiles) => queue.with_profiles(profiles),
        None => queue,
    };
    work(&queue, &id, environment)
        .map_err(|e| Failure::new(Exit::Environment, format_args!("worker of {id}: {e}")))
}
