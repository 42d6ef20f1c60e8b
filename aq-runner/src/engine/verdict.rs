//! The rule of success.

use std::process::ExitStatus;

use super::reason::short;
use super::records::{Final, Format, Seen};

/// How the engine's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited by itself with this code, 0 to 255.
    Code(i32),
    /// This signal ended it. Known from `wait`, never from a code above 128: some engines exit
    /// with the low byte of an HTTP status.
    Signal(i32),
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        match status.code() {
            Some(code) => Self::Code(code),
            None => Self::Signal(status.signal().unwrap_or_default()),
        }
    }
}

/// Who decided that the run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The engine; aq sent it no signal.
    Engine,
    /// aq, after the engine had sent its final event and then did not exit. The event counts.
    ResultGrace,
    /// aq, for any other reason (timeout, stop, budget). Never a success: some engines exit with 0
    /// when they are told to end.
    Aq,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Exit code 0, and the engine's own final event says success where it has one, and no signal
    /// was sent by aq.
    pub success: bool,
    /// Why not: one line, begins with the engine's name, at most about 350 characters, no control
    /// characters. From the engine's final and error events and the stderr of a failed run only.
    pub why: Option<String>,
    /// Tool calls that the engine refused for lack of permission, as far as it says so.
    pub permission_denials: u32,
    /// To resume with, in the same directory.
    pub session_id: Option<String>,
    /// The model that the engine says it used.
    pub model: Option<String>,
    /// The agent's last message, at most 64 KiB. Text that the agent wrote: not to be trusted.
    pub final_text: Option<String>,
    /// Model turns, where the engine counts them.
    pub turns: Option<u32>,
}

/// Judges a run by the rule above.
pub(super) fn judge(
    engine: &str,
    format: &Format,
    seen: Seen,
    stderr: &str,
    exit: Exit,
    ended: EndedBy,
) -> Verdict {
    let why = failure(format, &seen, stderr, exit, ended);
    Verdict {
        success: why.is_none(),
        why: why.map(|why| format!("{engine}: {}", short(&why))),
        permission_denials: seen.permission_denials,
        session_id: seen.session_id,
        model: seen.model,
        final_text: seen.final_text,
        turns: seen.turns,
    }
}

fn failure(
    format: &Format,
    seen: &Seen,
    stderr: &str,
    exit: Exit,
    ended: EndedBy,
) -> Option<String> {
    let ending = match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("killed by signal {signal}"),
    };
    let because = |ending: String| {
        let said = seen.last_error.clone().or_else(|| format.stderr.and_then(|find| find(stderr)));
        said.map_or(ending.clone(), |said| format!("{ending}: {said}"))
    };
    match (ended, &seen.terminal) {
        (EndedBy::Aq, _) => Some("ended by aq".to_owned()),
        (_, Some(Final { success: false, reason })) => {
            Some(reason.clone().unwrap_or_else(|| because(ending)))
        }
        (EndedBy::ResultGrace, Some(_)) => None,
        (EndedBy::ResultGrace, None) => Some("ended by aq without a final event".to_owned()),
        (EndedBy::Engine, _) if exit != Exit::Code(0) => Some(because(ending)),
        (EndedBy::Engine, None) if format.event.is_some() => {
            Some(because(format!("{ending}, but without {}", format.final_event)))
        }
        (EndedBy::Engine, _) => None,
    }
}
