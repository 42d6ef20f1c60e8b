//! Starting a worker: a process that goes on when its parent is gone.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{SigSet, Signal};
use rustix::fs::{FileType, fstat};

/// A worker to be started.
#[derive(Debug)]
pub struct DetachedWorker {
    /// The program.
    pub program: PathBuf,
    /// The arguments after the program's own name.
    pub args: Vec<OsString>,
    /// The directory to run in; the caller's own when `None`.
    pub cwd: Option<PathBuf>,
    /// The whole environment; the caller's own is not inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Its standard input, which can hand on an open file, and a lock with it.
    pub stdin: Stdio,
    /// Where its standard output goes: a file, or a line to it; see [`take_line`].
    pub stdout: Stdio,
    /// Where its standard error goes.
    pub stderr: File,
}

/// The worker's end of the line that it was given as its standard output, if it was given one. From
/// here on standard output goes where standard error goes, and no child inherits the line.
///
/// # Errors
/// The system's own.
pub fn take_line() -> io::Result<Option<UnixStream>> {
    let stdout = io::stdout();
    let kind = FileType::from_raw_mode(fstat(&stdout)?.st_mode);
    if kind != FileType::Socket {
        return Ok(None);
    }
    let line = UnixStream::from(stdout.as_fd().try_clone_to_owned()?);
    nix::unistd::dup2_stdout(io::stderr())?;
    // Another kind of socket has no such address.
    Ok(line.local_addr().is_ok().then_some(line))
}

/// Starts a worker. The first thing it does must be
/// [`ProcessSupervisor::install`](super::ProcessSupervisor::install), which gives it a session of
/// its own.
///
/// Until then it still belongs to the caller's terminal, so it starts with SIGINT and SIGHUP
/// blocked, and `install` forgets what came of them. This costs the caller two system calls. To
/// open the session in the child before `exec` would need a `fork` in place of `posix_spawn`, at
/// twice the price, and more in a large process.
///
/// The caller reaps the child when it ends, or leaves it to `init` by ending first.
///
/// # Errors
/// When the program cannot be started; the error is the system's own.
pub fn spawn_detached(worker: DetachedWorker) -> io::Result<Child> {
    let mut terminal_signals = SigSet::empty();
    terminal_signals.add(Signal::SIGINT);
    terminal_signals.add(Signal::SIGHUP);

    let mut command = Command::new(worker.program);
    command.args(worker.args).env_clear().envs(worker.env);
    command.stdin(worker.stdin).stdout(worker.stdout).stderr(worker.stderr);
    if let Some(cwd) = worker.cwd {
        command.current_dir(cwd);
    }
    let before = terminal_signals.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
    let spawned = command.spawn();
    before.thread_set_mask()?;
    spawned
}
