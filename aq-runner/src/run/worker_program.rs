//! The command lines of a program that a loop starts: as a worker, and by the worker as an adapter.

use std::ffi::OsString;
use std::path::PathBuf;

use aq_manifest::JobId;

use crate::acp::{ADAPTER, AdapterRun, adapt};
use crate::store::QueueDir;

use super::environment::ProcessEnvironment;
use super::launch::WORKER;
use super::worker::{WorkerError, work};

/// Works on a job when the arguments, the program's own name first, are `PROGRAM worker QUEUE JOB`,
/// as [`RunOptions::worker`](super::RunOptions::worker) is started; talks with an agent when they
/// are `PROGRAM acp ... -- AGENT ...`, as such a worker starts the same program again. `None` when
/// they are others. The environment is that of the process.
///
/// To be called first thing in `main`, while there is one thread: secrets are taken out of the
/// process's environment, as [`ProcessEnvironment::take`] does it.
///
/// # Errors
/// When nothing could be done and recovery has to see to the job, and when an agent has not done
/// its work. The process has to end with a code other than 0 then.
pub fn work_if_asked(
    arguments: impl IntoIterator<Item = OsString>,
) -> Option<Result<(), WorkerError>> {
    let mut arguments = arguments.into_iter().skip(1);
    let verb = arguments.next()?;
    if verb == ADAPTER {
        // The worker has made the environment for it.
        return AdapterRun::parse(arguments).map(talk);
    }
    if verb != WORKER {
        return None;
    }
    let (queue, job) = (PathBuf::from(arguments.next()?), arguments.next()?);
    let environment = ProcessEnvironment::take();
    Some(JobId::new(&job.to_string_lossy()).map_err(WorkerError::from).and_then(|id| {
        let queue = QueueDir::open(&queue)?;
        let queue = match environment.profiles() {
            Some(profiles) => queue.with_profiles(profiles),
            None => queue,
        };
        work(&queue, &id, environment)
    }))
}

fn talk(run: AdapterRun) -> Result<(), WorkerError> {
    if adapt(run)? { Ok(()) } else { Err(WorkerError::AgentFailed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Option<String> {
        let done = work_if_asked(arguments.iter().map(OsString::from))?;
        Some(done.map_or_else(|e| e.to_string(), |()| "worked".to_owned()))
    }

    #[test]
    fn only_its_own_command_line_is_taken() {
        assert_eq!(asked(&["aq"]), None);
        assert_eq!(asked(&["aq", "run", "worker", "q", "job"]), None);
        assert_eq!(asked(&["aq", "worker", "q"]), None);
        assert_eq!(asked(&["aq", "acp"]), None);
        assert_eq!(asked(&["aq", "acp", "--help"]), None);
    }

    #[test]
    fn what_cannot_be_worked_on_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        let no_queue = asked(&["aq", "worker", path, "job"]).unwrap();
        assert!(no_queue.contains(path), "{no_queue}");
        let no_name = asked(&["aq", "worker", path, "../job"]).unwrap();
        assert!(no_name.starts_with("that is no job's name"), "{no_name}");
    }
}
