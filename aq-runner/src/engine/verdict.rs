//! The rule of success.

use std::process::ExitStatus;

use super::fault::{EngineError, Evidence};
use super::format::Format;
use super::reason::{last_line, last_lines, short};
use super::seen::{Final, Seen};
use super::session::is_gone;
use super::usage::StreamUsage;
use super::windows::UsageWindow;

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
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Exit code 0, and the engine's own final event says success where it has one, and no signal
    /// was sent by aq.
    pub success: bool,
    /// The engine's last word was success, and its process ended otherwise: `verify`, where there
    /// is one, decides.
    pub ended_otherwise: bool,
    /// Why not: one line, begins with the engine's name, at most about 350 characters, no control
    /// characters. From the engine's final and error events and the stderr of a failed run only.
    pub why: Option<String>,
    /// Tool calls that the engine refused for lack of permission, as far as it says so.
    pub permission_denials: u32,
    /// To resume with, in the same directory. `None` when the engine did not name it: a run that
    /// was to resume a session and failed by itself then found no such session, and the next one
    /// has to start afresh; one that aq ended may just not have got so far.
    pub session_id: Option<String>,
    /// The model that the engine says it used.
    pub model: Option<String>,
    /// The agent's last message, at most 64 KiB. Text that the agent wrote: not to be trusted.
    pub final_text: Option<String>,
    /// Calls of the model, where they can be counted.
    pub turns: Option<u32>,
    /// Why the engine failed: from its vendor's final and error events, and from the stderr of a
    /// failed run. `None` for a success, after a signal by aq, and for programs without records.
    pub error: Option<EngineError>,
    /// The vendor says that there is no session of the id that was to be resumed.
    pub session_gone: bool,
    /// The windows of the account, as far as its output describes them.
    pub windows: Vec<UsageWindow>,
    /// What its output says about usage; [`Registry::usage`](super::Registry::usage) makes this
    /// run's numbers of it.
    pub usage: StreamUsage,
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
    let failed = why.is_some() && ended != EndedBy::Aq;
    let words = [&seen.evidence.words, stderr];
    let said_success = seen.terminal.as_ref().is_some_and(|terminal| terminal.success);
    Verdict {
        success: why.is_none(),
        ended_otherwise: failed && said_success,
        error: failed.then(|| error(format, &seen, stderr, exit)).flatten(),
        session_gone: failed && !seen.spoke && words.into_iter().any(is_gone),
        usage: seen.usage(),
        why: why.map(|why| format!("{engine}: {}", short(&why))),
        permission_denials: seen.permission_denials,
        session_id: seen.session_id,
        model: seen.model,
        final_text: seen.final_text,
        windows: seen.windows,
        turns: seen.turns,
    }
}

/// How many lines of stderr are looked at: a program that gives up says why at the end.
const LAST_LINES: usize = 12;

/// What the vendor's own records say about a failed run.
fn error(format: &Format, seen: &Seen, stderr: &str, exit: Exit) -> Option<EngineError> {
    // A script has no vendor.
    format.stderr?;
    let said = seen.terminal.as_ref().is_none_or(|terminal| !terminal.success);
    let evidence = match exit {
        // Whoever ended it: an error that it was trying to overcome is not the reason.
        Exit::Signal(_) if seen.terminal.is_none() => Evidence::default(),
        _ if said && !seen.evidence.is_empty() => seen.evidence.clone(),
        // Once the model has spoken, stderr can hold what it read and wrote.
        _ if seen.spoke || seen.terminal.is_some() => Evidence::default(),
        _ => Evidence::from_words(&last_lines(stderr, LAST_LINES)),
    };
    let error = evidence.judge();
    Some(match &seen.limit {
        Some(limit) => error.with_limit(limit),
        None => error,
    })
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
        let mut said = seen.last_error.clone();
        if let (None, Some(find)) = (&said, format.stderr) {
            // The last line of a program that gave up is its reason; of any other it is chatter.
            let gave_up = matches!(exit, Exit::Code(code) if code != 0);
            said = find(stderr).or_else(|| last_line(stderr).filter(|_| gave_up));
        }
        match said {
            Some(said) => format!("{ending}: {said}"),
            None => ending,
        }
    };
    match (ended, &seen.terminal) {
        (EndedBy::Aq, _) => Some("ended by aq".to_owned()),
        (_, Some(Final { success: false, reason })) => {
            Some(reason.clone().unwrap_or_else(|| because(ending)))
        }
        (EndedBy::ResultGrace, Some(_)) => None,
        (EndedBy::ResultGrace, None) => Some("ended by aq without a final event".to_owned()),
        (EndedBy::Engine, Some(_)) if exit != Exit::Code(0) => {
            Some(format!("{ending}, though {} said success", format.final_event))
        }
        (EndedBy::Engine, None) if exit != Exit::Code(0) => Some(because(ending)),
        (EndedBy::Engine, None) if format.event.is_some() && !seen.any_object => {
            Some(because(format!(
                "{ending}, but no {} records; a program that prints none needs `output: text` in \
                 config.yaml",
                format.name
            )))
        }
        (EndedBy::Engine, None) if format.event.is_some() => {
            Some(because(format!("{ending}, but without {}", format.final_event)))
        }
        (EndedBy::Engine, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::codex;

    fn judged(terminal: Option<bool>, exit: Exit, ended: EndedBy) -> bool {
        let mut seen = Seen::default();
        match terminal {
            Some(true) => seen.succeed(),
            Some(false) => seen.fail("no"),
            None => {}
        }
        let verdict = judge("it", &codex::FORMAT, seen, "", exit, ended);
        assert_eq!(verdict.success, verdict.why.is_none());
        verdict.success
    }

    #[test]
    fn success_needs_exit_code_0_a_good_final_event_and_no_signal_from_aq() {
        let exits = [Exit::Code(0), Exit::Code(1), Exit::Code(143), Exit::Signal(15)];
        for terminal in [Some(true), Some(false), None] {
            for exit in exits {
                let good = terminal == Some(true);
                let clean = good && exit == Exit::Code(0);
                assert_eq!(judged(terminal, exit, EndedBy::Engine), clean, "{terminal:?} {exit:?}");
                assert_eq!(judged(terminal, exit, EndedBy::ResultGrace), good, "{terminal:?}");
                assert!(!judged(terminal, exit, EndedBy::Aq), "{terminal:?} {exit:?}");
            }
        }
    }

    #[test]
    fn an_exit_code_after_success_is_named() {
        let run = |exit, ended| {
            let mut seen = Seen::default();
            seen.succeed();
            judge("it", &codex::FORMAT, seen, "Error: x\n", exit, ended)
        };
        let verdict = run(Exit::Code(3), EndedBy::Engine);
        assert_eq!(
            verdict.why.as_deref(),
            Some("it: exit code 3, though a turn.completed event said success")
        );
        assert!(verdict.ended_otherwise && !verdict.success);
        assert!(run(Exit::Signal(9), EndedBy::Engine).ended_otherwise);
        assert!(!run(Exit::Code(0), EndedBy::Engine).ended_otherwise);
        assert!(!run(Exit::Code(143), EndedBy::Aq).ended_otherwise, "a time limit");
    }

    #[test]
    fn a_program_that_prints_no_records_is_told_what_it_needs() {
        let why = judge("it", &codex::FORMAT, Seen::default(), "", Exit::Code(0), EndedBy::Engine);
        assert_eq!(
            why.why.as_deref(),
            Some(
                "it: exit code 0, but no jsonl-codex records; a program that prints none needs \
                 `output: text` in config.yaml"
            )
        );
    }

    #[test]
    fn an_exit_status_is_a_code_or_a_signal() {
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(Exit::from(ExitStatus::from_raw(144 << 8)), Exit::Code(144));
        assert_eq!(Exit::from(ExitStatus::from_raw(9)), Exit::Signal(9));
    }
}
