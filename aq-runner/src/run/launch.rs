//! Starting the worker of a job that this process holds.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;

use crate::process::{DetachedWorker, spawn_detached};
use crate::store::{HeldJob, QueueDir};

use super::environment::ProcessEnvironment;

/// The first argument of a program that is to work on a job.
pub(crate) const WORKER: &str = "worker";

/// Starts `PROGRAM worker QUEUE JOB` and hands the job over to it. It gets `environment` but for
/// its secrets, whatever this process has: several queues of one process may have different ones.
/// The worker of a fleet's job gets `line` as its standard output.
pub(crate) fn start_worker(
    queue: &QueueDir,
    program: &Path,
    environment: &ProcessEnvironment,
    job: HeldJob,
    line: Option<UnixStream>,
) -> io::Result<Child> {
    let id = job.id().clone();
    let output = worker_log(queue)?;
    let stdout = match line {
        Some(line) => OwnedFd::from(line).into(),
        None => output.try_clone()?.into(),
    };
    spawn_detached(DetachedWorker {
        program: program.to_owned(),
        args: vec![WORKER.into(), queue.root().into(), id.as_str().into()],
        cwd: None,
        env: environment.without_secrets(),
        stdin: job.hand_over(),
        stdout,
        stderr: output,
    })
}

/// Where workers say what they cannot say in the log of their job.
fn worker_log(queue: &QueueDir) -> io::Result<File> {
    let path = queue.state().join("workers.log");
    File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)
}
