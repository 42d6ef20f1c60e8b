//! Reads what an engine prints, as it comes.

use std::fmt;

use serde_json::Value;

use super::lines::Lines;
use super::reason::{error_line, short};
use super::session::is_session_id;
use super::verdict::{EndedBy, Exit, Verdict, judge};

/// How much of the end of stderr is kept for a reason, in bytes.
const STDERR_TAIL: usize = 16 << 10;
/// The longest last message, in bytes.
const TEXT_MAX: usize = 64 << 10;
/// The longest model name, in bytes.
const MODEL_MAX: usize = 200;

/// How an engine's output is read.
pub(super) struct Format {
    /// As `output` in config names it.
    pub(super) name: &'static str,
    /// Takes one JSON object of a line of stdout. `None`: the exit code alone decides.
    pub(super) event: Option<fn(&Value, &mut Seen)>,
    /// Finds the reason in the end of a failed run's stderr. `None`: it is not the vendor's text.
    pub(super) stderr: Option<fn(&str) -> Option<String>>,
    /// What a success ends with, in words.
    pub(super) final_event: &'static str,
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Any text; the exit code decides.
pub(super) static TEXT: Format =
    Format { name: "text", event: None, stderr: Some(error_line), final_event: "" };

/// The engine's own last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Final {
    /// Whether it says that the work is done.
    pub success: bool,
    /// Its reason when not.
    pub reason: Option<String>,
}

/// The reader of one run's output: feed it, ask it for the final event, at the end for the verdict.
///
/// Memory is bounded whatever comes in: a line of stdout longer than 8 MiB is skipped. Lines that
/// are not JSON objects, unknown events and invalid UTF-8 are passed over.
#[derive(Debug)]
pub struct Records {
    engine: String,
    format: &'static Format,
    lines: Lines,
    stderr: Vec<u8>,
    seen: Seen,
}

impl Records {
    pub(super) fn new(engine: &str, format: &'static Format) -> Self {
        Self {
            engine: engine.to_owned(),
            format,
            lines: Lines::default(),
            stderr: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// Takes the next bytes of standard output.
    pub fn stdout(&mut self, chunk: &[u8]) {
        if let Some(event) = self.format.event {
            let seen = &mut self.seen;
            self.lines.feed(chunk, |line| read_line(line, event, seen));
        }
    }

    /// Takes the next bytes of standard error.
    pub fn stderr(&mut self, chunk: &[u8]) {
        let chunk = &chunk[chunk.len().saturating_sub(STDERR_TAIL)..];
        let over = (self.stderr.len() + chunk.len()).saturating_sub(STDERR_TAIL);
        self.stderr.drain(..over.min(self.stderr.len()));
        self.stderr.extend_from_slice(chunk);
    }

    /// The engine's final event, as soon as it was seen; gone again when a new turn begins. When
    /// one is there and the process does not exit, `result-grace` runs.
    pub fn final_event(&self) -> Option<&Final> {
        self.seen.terminal.as_ref()
    }

    /// The session id, as soon as the engine has named it: worth writing down before the end.
    pub fn session_id(&self) -> Option<&str> {
        self.seen.session_id.as_deref()
    }

    /// Judges the run, after its process has ended and its output was drained.
    pub fn verdict(mut self, exit: Exit, ended: EndedBy) -> Verdict {
        if let Some(event) = self.format.event {
            let seen = &mut self.seen;
            self.lines.finish(|line| read_line(line, event, seen));
        }
        let stderr = String::from_utf8_lossy(&self.stderr);
        judge(&self.engine, self.format, self.seen, &stderr, exit, ended)
    }
}

fn read_line(line: &[u8], event: fn(&Value, &mut Seen), seen: &mut Seen) {
    let line = line.trim_ascii();
    if !line.starts_with(b"{") {
        return;
    }
    // Bytes that are no UTF-8 stand in a string, if anywhere; they must not cost the event.
    if let Ok(object) = serde_json::from_str(&String::from_utf8_lossy(line)) {
        seen.any_object = true;
        event(&object, seen);
    }
}

/// What the events of one run have said so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) session_id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) final_text: Option<String>,
    pub(super) permission_denials: u32,
    pub(super) turns: Option<u32>,
    /// The last error that was not final and not overcome.
    pub(super) last_error: Option<String>,
    pub(super) terminal: Option<Final>,
    /// Whether there was any JSON object at all.
    pub(super) any_object: bool,
    aborted: bool,
}

impl Seen {
    pub(super) fn session(&mut self, id: &Value) {
        if let Some(id) = id.as_str().filter(|id| is_session_id(id))
            && self.session_id.as_deref() != Some(id)
        {
            self.session_id = Some(id.to_owned());
        }
    }

    /// The id that was named is that of no session.
    pub(super) fn no_session(&mut self) {
        self.session_id = None;
    }

    pub(super) fn model(&mut self, name: &Value) {
        let shown = |name: &&str| !name.is_empty() && name.len() <= MODEL_MAX;
        if let Some(name) =
            name.as_str().filter(shown).filter(|name| !name.contains(char::is_control))
        {
            self.model = Some(name.to_owned());
        }
    }

    /// The agent's message, in place of an earlier one. An empty one comes with tool calls.
    pub(super) fn text(&mut self, text: &Value) {
        if text.as_str().is_some_and(|text| !text.is_empty()) {
            self.final_text = None;
            self.last_error = None;
            self.more_text(text);
        }
    }

    /// The next piece of the agent's message.
    pub(super) fn more_text(&mut self, text: &Value) {
        let message = self.final_text.get_or_insert_default();
        let text = text.as_str().unwrap_or_default();
        let room = TEXT_MAX - message.len();
        message.push_str(&text[..text.floor_char_boundary(room)]);
    }

    /// What was said before a tool call is not the last message.
    pub(super) fn drop_text(&mut self) {
        self.final_text = None;
    }

    pub(super) fn denied(&mut self) {
        self.permission_denials = self.permission_denials.saturating_add(1);
    }

    /// The number of refused calls in the whole run, as the engine counts.
    pub(super) fn denials(&mut self, count: usize) {
        self.permission_denials = u32::try_from(count).unwrap_or(u32::MAX);
    }

    pub(super) fn count_turn(&mut self) {
        self.turns = Some(self.turns.unwrap_or_default().saturating_add(1));
    }

    /// The number of turns in the whole run, as the engine counts.
    pub(super) fn turns(&mut self, count: u64) {
        self.turns = Some(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// An error that may still be overcome.
    pub(super) fn error(&mut self, text: &str) {
        if !text.is_empty() {
            self.last_error = Some(short(text));
        }
    }

    /// Takes back a final event: the engine works on and will send another.
    pub(super) fn begin_turn(&mut self) {
        self.terminal = None;
        self.last_error = None;
        self.aborted = false;
    }

    /// Whatever the final event says, the run was broken off.
    pub(super) fn abort(&mut self) {
        self.aborted = true;
    }

    pub(super) fn succeed(&mut self) {
        if self.aborted {
            return self.fail("aborted");
        }
        self.terminal = Some(Final { success: true, reason: None });
    }

    /// Without a text of its own, the last error is the reason.
    pub(super) fn fail(&mut self, text: &str) {
        self.error(text);
        self.terminal = Some(Final { success: false, reason: self.last_error.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::registry;

    const STREAM: &str = concat!(
        "no json\n[1]\n{\"type\":7}\n{\"type\":\"thread.started\",\"thread_id\":\"0a-1b\",\"new\":{}}\n",
        "{\"type\":\"item.completed\",\"item\":{\"text\":\"d\u{f6}ne\",\"type\":\"agent_message\"}}\n\n",
        "{ \"usage\": {}, \"type\": \"turn.completed\" }\r\n",
    );

    fn records() -> Records {
        registry().records("codex").unwrap()
    }

    #[test]
    fn pieces_of_any_size_give_the_same_verdict() {
        for size in 1..=STREAM.len() {
            let mut records = records();
            for piece in STREAM.as_bytes().chunks(size) {
                records.stdout(piece);
            }
            let verdict = records.verdict(Exit::Code(0), EndedBy::Engine);
            assert!(verdict.success, "{size}");
            assert_eq!(verdict.final_text.as_deref(), Some("döne"), "{size}");
        }
    }

    #[test]
    fn the_final_event_is_there_as_soon_as_its_line_is() {
        let mut records = records();
        assert_eq!((records.final_event(), records.session_id()), (None, None));
        records.stdout(STREAM.trim_end().as_bytes());
        assert_eq!((records.final_event(), records.session_id()), (None, Some("0a-1b")));
        records.stdout(b"\n");
        assert_eq!(records.final_event(), Some(&Final { success: true, reason: None }));
        records.stdout(b"{\"type\":\"turn.started\"}\n");
        assert_eq!(records.final_event(), None);
        records.stdout(b"{\"type\":\"turn.failed\",\"error\":{\"message\":\"x\\u001b[1my\"}}\n");
        assert_eq!(records.final_event().unwrap().reason.as_deref(), Some("xy"));
    }

    #[test]
    fn a_last_line_without_a_newline_counts_at_the_end() {
        let mut records = records();
        records.stdout(STREAM.trim_end().as_bytes());
        assert!(records.verdict(Exit::Code(0), EndedBy::Engine).success);
    }

    #[test]
    fn invalid_utf8_costs_nothing_but_itself() {
        let mut records = records();
        records.stdout(b"\xff\xfe\n{\"type\":\"turn.completed\",\"x\":\"\xff\"}\n");
        assert!(records.verdict(Exit::Code(0), EndedBy::Engine).success);
    }

    #[test]
    fn what_an_engine_says_is_bounded() {
        let mut records = records();
        let text = "ö".repeat(TEXT_MAX);
        records.stdout(
            format!("{{\"type\":\"item.completed\",\"item\":{{\"type\":\"agent_message\",\"text\":\"{text}\"}}}}\n")
                .as_bytes(),
        );
        records.stdout(b"{\"type\":\"thread.started\",\"thread_id\":\"--yolo\"}\n");
        for _ in 0..100 {
            records.stderr(&vec![b'x'; STDERR_TAIL - 1]);
            assert!(records.stderr.len() <= STDERR_TAIL);
        }
        records.stderr(&[b'y'; 3 * STDERR_TAIL]);
        assert!(records.stderr.iter().all(|&byte| byte == b'y'));
        let verdict = records.verdict(Exit::Code(1), EndedBy::Engine);
        assert_eq!(verdict.final_text.unwrap().len(), TEXT_MAX);
        assert_eq!(verdict.session_id, None);
        assert!(verdict.why.unwrap().chars().count() < 350);
    }
}
