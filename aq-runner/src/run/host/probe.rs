//! Runs one command that is not trusted to end, to be quiet or to clean up behind itself.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::super::hidden_env::is_hidden;

/// The most that is read of each output stream, in bytes.
const MAX_OUTPUT: usize = 64 * 1024;

/// How long a probe may go on over its limit until it is given up: what is left then is a process
/// that not even SIGKILL ends, such as one that waits for a dead file server.
const GRACE: Duration = Duration::from_millis(500);

/// How often a command is looked at that holds its output open and prints nothing.
const TICK: Duration = Duration::from_millis(10);

/// Variables that make a Java machine print a line of its own first, with any number in it.
const NOISY: [&str; 2] = ["JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"];

/// Why a tool that is there gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ProbeError {
    /// It did not end in time and was killed, with its process group.
    #[error("it did not end within {0:?} and was killed")]
    TimedOut(Duration),
    /// It printed more than 64 KiB and was killed.
    #[error("it printed more than {} KiB and was killed", MAX_OUTPUT / 1024)]
    TooMuchOutput,
    /// It ended with an exit code other than 0.
    #[error("it ended with exit code {0}")]
    Exit(i32),
    /// A signal ended it.
    #[error("signal {0} ended it")]
    Signal(i32),
    /// It could not be started or watched, in the system's words.
    #[error("it could not be run: {0}")]
    System(String),
}

impl ProbeError {
    /// Whether the host rather than the tool can be the cause, so that it may pass.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::System(_))
    }
}

impl From<io::Error> for ProbeError {
    fn from(error: io::Error) -> Self {
        Self::System(error.to_string())
    }
}

/// Output of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProbeOutput {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs every command in a thread of its own and gives their answers in the same order. Takes no
/// longer than `limit` and half a second.
///
/// The threads are not joined: one whose process cannot be killed would hold up the others.
pub(crate) fn run_all(
    commands: Vec<(PathBuf, Vec<String>)>,
    path: &OsStr,
    limit: Duration,
) -> Vec<Result<ProbeOutput, ProbeError>> {
    let (sender, answers) = mpsc::channel();
    let mut found = vec![Err(ProbeError::TimedOut(limit)); commands.len()];
    let mut waiting = 0;
    for (place, (program, args)) in commands.into_iter().enumerate() {
        let (sender, path) = (sender.clone(), path.to_owned());
        let probe = move || {
            // The receiver is gone when this one came too late.
            let _ = sender.send((place, run(&program, &args, &path, limit)));
        };
        match thread::Builder::new().name("probe".to_owned()).spawn(probe) {
            Ok(_) => waiting += 1,
            Err(error) => found[place] = Err(error.into()),
        }
    }
    let started = Instant::now();
    while waiting > 0 {
        let left = limit.saturating_add(GRACE).saturating_sub(started.elapsed());
        let Ok((place, answer)) = answers.recv_timeout(left) else { break };
        found[place] = answer;
        waiting -= 1;
    }
    found
}

/// The output of `program` when it ends well within `limit`.
///
/// It gets an empty stdin, `path` as its `PATH`, the root as its working directory, so that no
/// file of a project decides which version a version manager answers for, and no variable that is
/// hidden from agents. What it leaves behind in its process group is killed when it ends.
pub(super) fn run(
    program: &Path,
    args: &[String],
    path: &OsStr,
    limit: Duration,
) -> Result<ProbeOutput, ProbeError> {
    let started = Instant::now();
    let mut command = Command::new(program);
    command.args(args).env("PATH", path).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        let is_noisy = NOISY.iter().any(|noisy| name == *noisy);
        if is_noisy || is_hidden(name.as_encoded_bytes()) {
            command.env_remove(&name);
        }
    }
    let mut child = command.spawn()?;
    let result = watch(&mut child, started, limit);
    // A child that is not reaped yet still owns its id. Of one that is, only what it left behind
    // can be in the group; ids are handed out in turn, so this one is not another's already.
    if let Ok(group) = i32::try_from(child.id()) {
        // An error says that the group is empty, which is what is wanted.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    child.wait()?;
    result
}

/// Reads until the child ends, which a descendant that keeps its output open cannot put off.
fn watch(child: &mut Child, started: Instant, limit: Duration) -> Result<ProbeOutput, ProbeError> {
    let stdout = child.stdout.take().map(OwnedFd::from);
    let stderr = child.stderr.take().map(OwnedFd::from);
    let mut streams: Vec<ProbeStream> =
        [stdout, stderr].into_iter().flatten().map(ProbeStream::new).collect();
    let status = loop {
        let left = limit.checked_sub(started.elapsed()).ok_or(ProbeError::TimedOut(limit))?;
        read_ready(&mut streams, left.min(TICK))?;
        if let Some(status) = child.try_wait()? {
            break status;
        }
    };
    while read_ready(&mut streams, Duration::ZERO)? {}
    match (status.code(), status.signal()) {
        (Some(0), _) => {
            let mut texts = streams.iter().map(|s| String::from_utf8_lossy(&s.text).into_owned());
            let mut next = || texts.next().unwrap_or_default();
            Ok(ProbeOutput { stdout: next(), stderr: next() })
        }
        (Some(code), _) => Err(ProbeError::Exit(code)),
        (None, signal) => Err(ProbeError::Signal(signal.unwrap_or(0))),
    }
}

/// One end of an output pipe and what came out of it.
struct ProbeStream {
    pipe: File,
    open: bool,
    text: Vec<u8>,
}

impl ProbeStream {
    fn new(pipe: OwnedFd) -> Self {
        Self { pipe: pipe.into(), open: true, text: Vec::new() }
    }

    /// Takes what is there; called only when a read does not block.
    fn read(&mut self) -> Result<(), ProbeError> {
        let mut buffer = [0; 8 * 1024];
        let count = match self.pipe.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        };
        self.open = count > 0;
        self.text.extend_from_slice(&buffer[..count]);
        if self.text.len() > MAX_OUTPUT { Err(ProbeError::TooMuchOutput) } else { Ok(()) }
    }
}

/// Waits for output for at most `wait`, reads it once, and says whether there was any.
///
/// When both streams have ended, the command is about to end too: then the wait is a short one.
fn read_ready(streams: &mut [ProbeStream], wait: Duration) -> Result<bool, ProbeError> {
    let mut open: Vec<&mut ProbeStream> = streams.iter_mut().filter(|stream| stream.open).collect();
    let wait = if open.is_empty() { wait.min(Duration::from_millis(1)) } else { wait };
    // A part of a millisecond is rounded up, so that the last wait before the limit is no spin.
    let wait = u16::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
    let mut fds: Vec<PollFd> =
        open.iter().map(|s| PollFd::new(s.pipe.as_fd(), PollFlags::POLLIN)).collect();
    match poll(&mut fds, PollTimeout::from(wait)) {
        Err(nix::errno::Errno::EINTR) => return Ok(false),
        Err(error) => return Err(io::Error::from(error).into()),
        Ok(_) => {}
    }
    let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
    for (stream, _) in open.iter_mut().zip(&ready).filter(|(_, ready)| **ready) {
        stream.read()?;
    }
    Ok(ready.contains(&true))
}
