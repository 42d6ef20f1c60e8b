//! A command and its end, in plain values.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

/// One command for [`ProcessSupervisor::run`](super::ProcessSupervisor::run).
#[derive(Debug, Clone)]
pub struct SupervisedCommand {
    /// A path, or a name that is looked up in `PATH` of [`env`](Self::env).
    pub program: OsString,
    /// The arguments after the program's own name. Linux refuses one above 131,071 bytes.
    pub args: Vec<OsString>,
    /// The directory to run in.
    pub cwd: PathBuf,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The input of the command.
    pub stdin: CommandInput,
    /// Longest run time, on the monotonic clock, which pauses while the host sleeps.
    pub deadline: Option<Duration>,
    /// A command that still runs after this time gets an [`OutputObserver::settled`].
    pub settle: Option<Duration>,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Time that processes that outlive the main one may go on.
    pub drain: DrainTimes,
}

impl SupervisedCommand {
    /// The default of [`grace`](Self::grace): 5 s.
    pub const GRACE: Duration = Duration::from_secs(5);
}

/// Standard input of a command.
#[derive(Debug, Clone)]
pub enum CommandInput {
    /// `/dev/null`.
    Null,
    /// These bytes, then the end of the file. A command that does not read them delays nothing.
    Bytes(Vec<u8>),
}

/// Time that processes that outlive the main one may go on, so that one at the end of a pipeline
/// can finish its output. Then they are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainTimes {
    /// At most this long without a byte.
    pub idle: Duration,
    /// At most this long in all.
    pub total: Duration,
}

impl Default for DrainTimes {
    /// 250 ms without a byte, 2 s in all.
    fn default() -> DrainTimes {
        DrainTimes { idle: Duration::from_millis(250), total: Duration::from_secs(2) }
    }
}

/// One of the two outputs of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Sees the output as it comes.
pub trait OutputObserver {
    /// One chunk, of 1 to 16,384 bytes, cut anywhere. The order within a stream is kept.
    fn output(&mut self, stream: OutputStream, chunk: &[u8]) -> ObserverVerdict;

    /// The command still runs after [`SupervisedCommand::settle`]: what is too dear for one that is
    /// over in a moment can be done for it now.
    fn settled(&mut self) {}

    /// The command, which still runs, is about to be asked to end: what it prints from now on may
    /// be an answer to that.
    fn ending(&mut self) {}
}

/// The wish of an observer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObserverVerdict {
    /// Go on.
    Continue,
    /// The work is done: end the command when it still runs after this time. A later request
    /// replaces an earlier one.
    EndAfter(Duration),
    /// The work is not done after all: takes an earlier [`ObserverVerdict::EndAfter`] back.
    NotYet,
    /// End the command now. Why is the observer's to know.
    End,
}

/// The end of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutcome {
    /// The end of the main process. `None` when it never started, because a stop had been requested
    /// before, or when it could not be killed.
    pub status: Option<ExitReport>,
    /// The one who ended it.
    pub cause: EndCause,
    /// From the start to the end of the main process.
    pub duration: Duration,
    /// Other processes of the command that had to be ended.
    pub survivors_killed: usize,
    /// Processes that did not go even on SIGKILL within 10 s (they hang in the kernel, or run as
    /// another user).
    pub left: usize,
}

/// The end of the main process, as the kernel reports it: an exit code above 128 is an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReport {
    /// It exited with this code, 0 to 255.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
}

/// The one who ended a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// It ended by itself.
    ByItself,
    /// It ran longer than [`SupervisedCommand::deadline`].
    Deadline,
    /// The supervisor received this signal.
    Stopped(Signal),
    /// It went on for longer than the observer's [`ObserverVerdict::EndAfter`].
    ResultGrace,
    /// The observer asked for it with [`ObserverVerdict::End`].
    Observer,
}
