//! The rule of success.

use std::process::ExitStatus;

use super::description::ExitMeaning;
use super::fault::{EngineError, ErrorClass, FaultEvidence, logged_error};
use super::format::OutputFormat;
use super::reason::{join, last_line, last_lines, short, stderr_reason};
use super::seen::{FinalEvent, ObservedRun};
use super::session::is_gone;
use super::usage::StreamUsage;
use super::windows::UsageWindow;

/// The end of the engine's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessExit {
    /// It exited by itself with this code, 0 to 255.
    Code(i32),
    /// This signal ended it. Known from `wait`, never from a code above 128: some engines exit
    /// with the low byte of an HTTP status.
    Signal(i32),
}

impl From<ExitStatus> for ProcessExit {
    fn from(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        match status.code() {
            Some(code) => Self::Code(code),
            None => Self::Signal(status.signal().unwrap_or_default()),
        }
    }
}

/// The one who decided that the run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The engine; aq sent it no signal.
    Engine,
    /// aq, after the engine had sent its final event and then did not exit. The event counts.
    ResultGrace,
    /// aq, because the engine announced a wait that is too long for its slot, or was rejected for a
    /// limit and did not go on. The error before that counts.
    LongWait,
    /// aq, for any other reason (timeout, stop, budget). Never a success: some engines exit with 0
    /// when they are asked to end.
    Aq,
}

/// The verdict on a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunVerdict {
    /// Exit code 0, and the engine's own final event says success where it has one, and no signal
    /// was sent by aq.
    pub success: bool,
    /// The engine's last word was success, and its process ended otherwise: `verify`, where there
    /// is one, decides.
    pub ended_otherwise: bool,
    /// The reason for a failure: one line, begins with the engine's name, at most about 350
    /// characters, no control characters. From the engine's final and error events and the stderr
    /// of a failed run only.
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
    /// The engine's error: from its vendor's final and error events, and from the stderr of a
    /// failed run. `None` for a success and for programs without records; of a run that aq ended,
    /// the error that the model has not overcome, if there is one of a known class.
    pub error: Option<EngineError>,
    /// The vendor says that there is no session of the id that was to be resumed.
    pub session_gone: bool,
    /// The windows of the account, as far as its output describes them.
    pub windows: Vec<UsageWindow>,
    /// The usage in its output; [`EngineRegistry::usage`](super::EngineRegistry::usage) makes this
    /// run's numbers of it.
    pub usage: StreamUsage,
}

/// Judges a run by the rule above.
pub(super) fn judge(
    engine: &str,
    format: &OutputFormat,
    mut seen: ObservedRun,
    stderr: &str,
    exit: ProcessExit,
    ended: EndedBy,
) -> RunVerdict {
    if ended != EndedBy::Engine {
        seen.as_before_end();
    }
    let why = failure(format, &seen, stderr, exit, ended);
    let failed = why.is_some() && ended != EndedBy::Aq;
    let error = match ended {
        EndedBy::Aq | EndedBy::LongWait => error_before_end(format, &seen, stderr),
        _ => failed.then(|| error(format, &seen, stderr, exit)).flatten(),
    };
    let session_gone = failed && !seen.spoke && is_session_gone(format, &seen, stderr, exit);
    let said_success = seen.terminal.as_ref().is_some_and(|terminal| terminal.success);
    RunVerdict {
        success: why.is_none(),
        ended_otherwise: failed && said_success,
        error,
        session_gone,
        usage: seen.usage(),
        why: why.map(|why| format!("{engine}: {}", short(&why))),
        permission_denials: seen.permission_denials,
        session_id: seen.session_id.filter(|_| !session_gone),
        model: seen.model,
        final_text: seen.final_text,
        windows: seen.windows,
        turns: seen.turns,
    }
}

/// Number of lines of stderr that are looked at: a program that gives up says why at the end.
const LAST_LINES: usize = 12;

/// Reads the vendor's own records about a failed run.
fn error(
    format: &OutputFormat,
    seen: &ObservedRun,
    stderr: &str,
    exit: ProcessExit,
) -> Option<EngineError> {
    // A script has no vendor.
    if format.stderr_of_others {
        return None;
    }
    let said = seen.terminal.as_ref().is_none_or(|terminal| !terminal.success);
    let evidence = match exit {
        // Whoever ended it: an error that it was trying to overcome is not the reason.
        ProcessExit::Signal(_) if seen.terminal.is_none() => FaultEvidence::default(),
        _ if said && !seen.evidence.is_empty() => seen.evidence.clone(),
        // Once the model has spoken, stderr can hold what it read and wrote.
        _ if seen.spoke || seen.terminal.is_some() => FaultEvidence::default(),
        _ => FaultEvidence::from_words(&last_lines(stderr, LAST_LINES)),
    };
    let more = evidence.on_stderr(stderr).filter(|_| !seen.spoke);
    let error = match (seen.engine_error(evidence), more) {
        (error, Some(more)) if error.class == ErrorClass::Unknown => {
            seen.engine_error(FaultEvidence::from_words(&more))
        }
        (error, _) => error,
    };
    Some(match (format.exit_meaning(exit), error.class) {
        (Some(ExitMeaning::Class(class)), ErrorClass::Unknown) => error.of_class(class),
        _ => error,
    })
}

fn is_session_gone(
    format: &OutputFormat,
    seen: &ObservedRun,
    stderr: &str,
    exit: ProcessExit,
) -> bool {
    seen.session_gone
        || format.exit_meaning(exit) == Some(ExitMeaning::SessionGone)
        || [&seen.evidence.words, stderr]
            .into_iter()
            .any(|words| is_gone(words, &format.session_gone))
}

/// Reads the vendor's records about the error that stood when aq ended the run.
fn error_before_end(
    format: &OutputFormat,
    seen: &ObservedRun,
    stderr: &str,
) -> Option<EngineError> {
    if format.stderr_of_others {
        return None;
    }
    let error = match seen.evidence.is_empty() {
        // Lines of a program that works hold words such as "credentials": only what it says about
        // trying again is about an error, and no such line is a reason for a person to act.
        true if !seen.spoke && format.has_events() => {
            let error = seen.engine_error(FaultEvidence::from_words(&retries(stderr)));
            Some(error).filter(|error| !error.class.needs_a_person())
        }
        true => None,
        false => Some(seen.engine_error(seen.evidence.clone())),
    };
    error.filter(|error| error.class != ErrorClass::Unknown)
}

/// The last lines of stderr in which a program says that it failed and tries again, or that its
/// stream of the model's answer did; of a title for the session it may fail and work all the same.
fn retries(stderr: &str) -> String {
    let lines = last_lines(stderr, LAST_LINES);
    let is_retry = |line: &&str| {
        let line = line.to_lowercase();
        let failed = line.contains("attempt") && line.contains("failed");
        (line.contains("retry") || line.contains("stream error") || failed)
            && !line.contains("agent=title")
    };
    lines.lines().filter(is_retry).collect::<Vec<_>>().join("\n")
}

fn failure(
    format: &OutputFormat,
    seen: &ObservedRun,
    stderr: &str,
    exit: ProcessExit,
    ended: EndedBy,
) -> Option<String> {
    let ending = match exit {
        ProcessExit::Code(code) => format!("exit code {code}"),
        ProcessExit::Signal(signal) => format!("killed by signal {signal}"),
    };
    let because = |ending: String| {
        let mut said = seen.last_error.clone();
        if said.is_none() && !format.stderr_of_others {
            // The last line of a program that gave up is its reason; of any other it is chatter.
            let gave_up = matches!(exit, ProcessExit::Code(code) if code != 0);
            said = stderr_reason(stderr).or_else(|| last_line(stderr).filter(|_| gave_up));
        }
        match said {
            Some(said) => format!("{ending}: {said}"),
            None => ending,
        }
    };
    let by_aq = |why: &str| match (&seen.last_error, retries(stderr).lines().next_back()) {
        (Some(said), _) => format!("{why}: {said}"),
        (None, Some(said)) if !seen.spoke => format!("{why}: {}", logged_error(said)),
        (None, _) => why.to_owned(),
    };
    match (ended, &seen.terminal) {
        (EndedBy::Aq, _) => Some(by_aq("ended by aq")),
        (EndedBy::LongWait, _) => Some(by_aq("ended by aq, as it would have waited for long")),
        (_, Some(FinalEvent { success: false, reason })) => {
            let reason = reason.clone().unwrap_or_else(|| because(ending));
            let more = seen.evidence.on_stderr(stderr).filter(|_| !seen.spoke);
            Some(join([Some(reason.as_str()), more.as_deref()], ": "))
        }
        (EndedBy::ResultGrace, Some(_)) => None,
        (EndedBy::ResultGrace, None) => Some("ended by aq without a final event".to_owned()),
        (EndedBy::Engine, Some(_)) if exit != ProcessExit::Code(0) => {
            Some(format!("{ending}, though {} said success", format.ends_with))
        }
        (EndedBy::Engine, None) if exit != ProcessExit::Code(0) => Some(because(ending)),
        (EndedBy::Engine, None) if format.has_events() && !seen.any_object => {
            Some(because(format!(
                "{ending}, but no {} records; a program that prints none needs `output: text` in \
                 config.yaml",
                format.name()
            )))
        }
        (EndedBy::Engine, None) if format.has_events() => {
            Some(because(format!("{ending}, but without {}", format.ends_with)))
        }
        (EndedBy::Engine, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::builtin::format;

    fn judged(terminal: Option<bool>, exit: ProcessExit, ended: EndedBy) -> bool {
        let mut seen = ObservedRun::default();
        match terminal {
            Some(true) => seen.succeed(),
            Some(false) => seen.fail("no"),
            None => {}
        }
        let verdict = judge("it", &format("jsonl-codex").unwrap(), seen, "", exit, ended);
        assert_eq!(verdict.success, verdict.why.is_none());
        verdict.success
    }

    #[test]
    fn success_needs_exit_and_event() {
        let exits = [
            ProcessExit::Code(0),
            ProcessExit::Code(1),
            ProcessExit::Code(143),
            ProcessExit::Signal(15),
        ];
        for terminal in [Some(true), Some(false), None] {
            for exit in exits {
                let good = terminal == Some(true);
                let clean = good && exit == ProcessExit::Code(0);
                assert_eq!(judged(terminal, exit, EndedBy::Engine), clean, "{terminal:?} {exit:?}");
                assert_eq!(judged(terminal, exit, EndedBy::ResultGrace), good, "{terminal:?}");
                assert!(!judged(terminal, exit, EndedBy::Aq), "{terminal:?} {exit:?}");
            }
        }
    }

    #[test]
    fn an_exit_code_after_success_is_named() {
        let run = |exit, ended| {
            let mut seen = ObservedRun::default();
            seen.succeed();
            judge("it", &format("jsonl-codex").unwrap(), seen, "Error: x\n", exit, ended)
        };
        let verdict = run(ProcessExit::Code(3), EndedBy::Engine);
        assert_eq!(
            verdict.why.as_deref(),
            Some("it: exit code 3, though a turn.completed event said success")
        );
        assert!(verdict.ended_otherwise && !verdict.success);
        assert!(run(ProcessExit::Signal(9), EndedBy::Engine).ended_otherwise);
        assert!(!run(ProcessExit::Code(0), EndedBy::Engine).ended_otherwise);
        assert!(!run(ProcessExit::Code(143), EndedBy::Aq).ended_otherwise, "a time limit");
    }

    #[test]
    fn eventless_program_is_explained() {
        let why = judge(
            "it",
            &format("jsonl-codex").unwrap(),
            ObservedRun::default(),
            "",
            ProcessExit::Code(0),
            EndedBy::Engine,
        );
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
        assert_eq!(ProcessExit::from(ExitStatus::from_raw(144 << 8)), ProcessExit::Code(144));
        assert_eq!(ProcessExit::from(ExitStatus::from_raw(9)), ProcessExit::Signal(9));
    }
}
