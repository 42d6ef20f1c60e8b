//! Reads what an engine prints, as it comes.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::command::EngineCommand;
use super::fault::ErrorClass;
use super::format::OutputFormat;
use super::lines::LineSplitter;
use super::seen::{FinalEvent, ObservedRun, RunPhase};
use super::tail::ByteTail;
use super::usage::{UsageReport, estimate, generic_line};
use super::verdict::{EndedBy, ProcessExit, RunVerdict, judge};

/// The part of the end of stderr that is kept for a reason, and of plain text on stdout for an
/// estimate of usage, in bytes.
const TAIL: usize = 16 << 10;
/// The longest JSON object over several lines, in bytes.
const DOCUMENT_MAX: usize = 1 << 20;

/// The reader of one run's output: feed it, ask it for the final event and for usage while it runs,
/// at the end for the verdict.
///
/// Memory is bounded whatever comes in: a line longer than 8 MiB is skipped. Lines that are not
/// JSON objects, unknown events and invalid UTF-8 are passed over; a JSON object over several lines
/// is read when its first line is `{` alone.
#[derive(Debug)]
pub struct EventReader {
    engine: String,
    format: OutputFormat,
    lines: LineSplitter,
    stderr_lines: LineSplitter,
    stderr: ByteTail<TAIL>,
    /// The end of stderr when aq asked the engine to end.
    stderr_before_end: Option<String>,
    said: RunOutput,
    /// Id that aq has chosen for the session.
    new_session: Option<String>,
}

/// The content of the lines of one run so far.
#[derive(Debug, Default)]
struct RunOutput {
    seen: ObservedRun,
    /// Lines of stdout that are no records.
    plain: ByteTail<TAIL>,
    /// The lines of a JSON object that is not complete.
    document: Option<Vec<u8>>,
}

impl EventReader {
    pub(super) fn new(engine: &str, format: OutputFormat) -> Self {
        let mut said = RunOutput::default();
        said.seen.calls_are_told = format.tells_calls();
        Self {
            engine: engine.to_owned(),
            format,
            lines: LineSplitter::default(),
            stderr_lines: LineSplitter::default(),
            stderr: ByteTail::default(),
            stderr_before_end: None,
            said,
            new_session: None,
        }
    }

    /// Names the command whose output it reads.
    pub(super) fn of_command(mut self, command: &EngineCommand) -> Self {
        self.new_session.clone_from(&command.new_session);
        self.said.seen.mode_forbidden_by =
            self.format.asked_mode.as_ref().and_then(|asked| asked.forbidden_by.clone());
        self.said.seen.asked_mode =
            self.format.asked_mode.as_ref().and_then(|asked| asked.of(&command.args));
        self
    }

    /// Takes the next bytes of standard output.
    pub fn stdout(&mut self, chunk: &[u8]) {
        let (said, format) = (&mut self.said, &self.format);
        self.lines.feed(chunk, |line| said.line(line, format));
    }

    /// Takes the next bytes of standard error.
    pub fn stderr(&mut self, chunk: &[u8]) {
        self.stderr.push(chunk);
        let seen = &mut self.said.seen;
        self.stderr_lines.feed(chunk, |line| read_generic(line, seen));
    }

    /// The phase of the run: it has sent its last event, or waits for something. `longest` is the
    /// longest wait in its slot, `local` the zone of times that come without one.
    pub fn phase(&self, longest: Duration, now: Timestamp, local: &TimeZone) -> RunPhase {
        self.said.seen.phase(longest, now, local)
    }

    /// Notes that aq asks the engine to end: what it prints from now on is no reason for that.
    pub fn ending(&mut self) {
        self.said.seen.ending();
        self.stderr_before_end.get_or_insert_with(|| self.stderr.text());
    }

    /// Tests for an engine that aq has asked to end: what it prints now changes no phase.
    pub fn is_ending(&self) -> bool {
        self.said.seen.is_ending()
    }

    /// The engine's final event, as soon as it was seen; gone again when the model answers in a new
    /// turn.
    pub fn final_event(&self) -> Option<&FinalEvent> {
        self.said.seen.terminal.as_ref()
    }

    /// The session id, as soon as the engine has named it: worth writing down before the end.
    pub fn session_id(&self) -> Option<&str> {
        self.said.seen.session_id.as_deref().or(self.new_session.as_deref())
    }

    /// The usage of the run as far as it has said so, for budgets (a total of the session is to be
    /// [settled](UsageReport::settle) first). It can lag behind: codex says it at the end of its
    /// turn, copilot and devin only in a file.
    pub fn usage_so_far(&self) -> UsageReport {
        self.said.seen.usage().so_far(self.said.seen.session_id.as_deref())
    }

    /// Calls of the model so far. `None`: the engine does not let them be counted.
    pub fn turns(&self) -> Option<u32> {
        self.said.seen.turns
    }

    /// Judges the run, after its process has ended and its output was drained.
    pub fn verdict(mut self, exit: ProcessExit, ended: EndedBy) -> RunVerdict {
        let (said, format) = (&mut self.said, &self.format);
        self.lines.finish(|line| said.line(line, format));
        self.stderr_lines.finish(|line| read_generic(line, &mut said.seen));
        let stderr = match self.stderr_before_end.take() {
            Some(before) if ended != EndedBy::Engine => before,
            _ => self.stderr.text(),
        };
        // gemini writes its last word there when it fails.
        if said.seen.terminal.is_none()
            && format.has_events()
            && let Some(at) =
                stderr.rfind("\n{\n").map(|at| at + 1).or(stderr.starts_with("{\n").then_some(0))
            && let Some(Ok(last)) =
                serde_json::Deserializer::from_str(&stderr[at..]).into_iter::<Value>().next()
            && last["type"].is_null()
        {
            format.take(&last, &mut said.seen);
        }
        said.seen.estimated = estimate(&format!("{}\n{stderr}", said.plain.text()));
        let mut verdict = judge(&self.engine, &self.format, self.said.seen, &stderr, exit, ended);
        // The engine may have failed before it made the session.
        let class = verdict.error.as_ref().map(|error| error.class);
        let is_explained = class.is_some_and(|class| class != ErrorClass::Unknown);
        if verdict.success || ended != EndedBy::Engine || is_explained {
            verdict.session_id = verdict.session_id.or(self.new_session);
        }
        verdict
    }
}

impl RunOutput {
    fn line(&mut self, line: &[u8], format: &OutputFormat) {
        let trimmed = line.trim_ascii();
        if !format.has_events() {
            read_generic(trimmed, &mut self.seen);
            return self.push_plain(line);
        }
        // Inside of one, only its own lines are not indented.
        if line.starts_with(b"{") {
            self.document = None;
        }
        if let Some(document) = &mut self.document {
            document.extend_from_slice(line);
            document.push(b'\n');
            let ends = line.starts_with(b"}");
            if ends && read_record(document, format, &mut self.seen)
                || document.len() > DOCUMENT_MAX
            {
                self.document = None;
            }
        } else if trimmed == b"{" {
            self.document = Some(b"{\n".to_vec());
        } else if trimmed.starts_with(b"{") {
            read_record(trimmed, format, &mut self.seen);
        } else {
            read_generic(trimmed, &mut self.seen);
            self.push_plain(line);
        }
    }

    fn push_plain(&mut self, line: &[u8]) {
        self.plain.push(line);
        self.plain.push(b"\n");
    }
}

fn read_record(text: &[u8], format: &OutputFormat, seen: &mut ObservedRun) -> bool {
    // Bytes that are no UTF-8 are in a string, if anywhere; they must not cost the event.
    let Ok(object) = serde_json::from_str(&String::from_utf8_lossy(text)) else { return false };
    seen.any_object = true;
    format.take(&object, seen);
    true
}

fn read_generic(line: &[u8], seen: &mut ObservedRun) {
    if let Some((usage, model)) = generic_line(line) {
        seen.model(&model);
        // As in meta, the last value of a key wins.
        seen.generic = Some(usage.or(&seen.generic.take().unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::seen::TEXT_MAX;
    use crate::engine::testing::registry;

    const STREAM: &str = concat!(
        "no json\n[1]\n{\"type\":7}\n\
        {\"type\":\"thread.started\",\"thread_id\":\"0a-1b\",\"new\":{}}\n",
        "{\"type\":\"item.completed\",\"item\":{\"text\":\"d\u{f6}ne\",\
        \"type\":\"agent_message\"}}\n\n",
        "{ \"usage\": {}, \"type\": \"turn.completed\" }\r\n",
    );

    fn records() -> EventReader {
        registry().records("codex").unwrap()
    }

    #[test]
    fn pieces_of_any_size_give_the_same_verdict() {
        for size in 1..=STREAM.len() {
            let mut records = records();
            for piece in STREAM.as_bytes().chunks(size) {
                records.stdout(piece);
            }
            let verdict = records.verdict(ProcessExit::Code(0), EndedBy::Engine);
            assert!(verdict.success, "{size}");
            assert_eq!(verdict.final_text.as_deref(), Some("döne"), "{size}");
        }
    }

    #[test]
    fn final_event_comes_with_line() {
        let mut records = records();
        assert_eq!((records.final_event(), records.session_id()), (None, None));
        records.stdout(STREAM.trim_end().as_bytes());
        assert_eq!((records.final_event(), records.session_id()), (None, Some("0a-1b")));
        records.stdout(b"\n");
        assert_eq!(records.final_event(), Some(&FinalEvent { success: true, reason: None }));
        records.stdout(b"{\"type\":\"turn.started\"}\n");
        assert_eq!(records.final_event(), None);
        records.stdout(b"{\"type\":\"turn.failed\",\"error\":{\"message\":\"x\\u001b[1my\"}}\n");
        assert_eq!(records.final_event().unwrap().reason.as_deref(), Some("xy"));
    }

    #[test]
    fn incomplete_object_costs_only_itself() {
        let mut records = records();
        records.stdout(b"{\n  \"a\": 1,\n");
        records.stdout(STREAM.as_bytes());
        assert!(records.verdict(ProcessExit::Code(0), EndedBy::Engine).success);
    }

    #[test]
    fn unended_last_line_counts() {
        let mut records = records();
        records.stdout(STREAM.trim_end().as_bytes());
        assert!(records.verdict(ProcessExit::Code(0), EndedBy::Engine).success);
    }

    #[test]
    fn invalid_utf8_costs_nothing_but_itself() {
        let mut records = records();
        records.stdout(b"\xff\xfe\n{\"type\":\"turn.completed\",\"x\":\"\xff\"}\n");
        assert!(records.verdict(ProcessExit::Code(0), EndedBy::Engine).success);
    }

    #[test]
    fn what_engine_says_is_bounded() {
        let mut records = records();
        let text = "ö".repeat(TEXT_MAX);
        records.stdout(
            format!(
                "{{\"type\":\"item.completed\",\"item\":{{\"type\":\"agent_message\",\
                \"text\":\"{text}\"}}}}\n"
            )
            .as_bytes(),
        );
        records.stdout(b"{\"type\":\"thread.started\",\"thread_id\":\"--yolo\"}\n");
        for _ in 0..100 {
            records.stderr(&vec![b'x'; TAIL - 1]);
        }
        let verdict = records.verdict(ProcessExit::Code(1), EndedBy::Engine);
        assert_eq!(verdict.final_text.unwrap().len(), TEXT_MAX);
        assert_eq!(verdict.session_id, None);
        assert!(verdict.why.unwrap().chars().count() < 350);
    }
}
