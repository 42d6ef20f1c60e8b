//! Reads what an engine prints, as it comes.

use serde_json::Value;

use super::events::{Final, Format, Seen};
use super::lines::Lines;
use super::verdict::{EndedBy, Exit, Verdict, judge};

/// How much of the end of stderr is kept for a reason, in bytes.
const STDERR_TAIL: usize = 16 << 10;

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

#[cfg(test)]
mod tests {
    use super::super::events::TEXT_MAX;
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
