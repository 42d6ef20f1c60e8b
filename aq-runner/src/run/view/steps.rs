//! A piece of a job's log as the steps of its agents.

use crate::engine::{AgentStep, EngineRegistry, StepLog, ToolCall};

use crate::run::attempt_line::engine_of;
use crate::run::job_log::NOTE;

/// Whether a line of a log is one that aq wrote. A program can print one that looks the same.
pub fn is_note(line: &[u8]) -> bool {
    line.starts_with(NOTE.as_bytes())
}

/// The output of the last `verify` in a log, from its first line to the next line of aq's own;
/// `None` when none begins in it. What an agent prints comes before it.
pub fn last_check(log: &[u8]) -> Option<&[u8]> {
    let mut found: Option<(usize, usize)> = None;
    let mut is_open = false;
    let mut at = 0;
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        let end = at + line.len();
        if is_note(line) {
            is_open = line.trim_ascii_end().ends_with(b"Z verify");
            if is_open {
                found = Some((end, end));
            }
        } else if is_open {
            found = found.map(|(start, _)| (start, end));
        }
        at = end;
    }
    found.map(|(start, end)| &log[start..end])
}

/// Reads the lines of a log and keeps the last `most` steps. `engine` is at work at its beginning;
/// an attempt that begins on the way names its own.
pub fn read_steps(engines: &EngineRegistry, engine: &str, log: &[u8], most: usize) -> StepLog {
    let mut steps = engines.steps(most);
    steps.engine(engine);
    let log = log.strip_suffix(b"\n").unwrap_or(log);
    let mut at = 0;
    for line in log.split(|&byte| byte == b'\n') {
        steps.place(at);
        at += line.len() + 1;
        read_line(&mut steps, line);
    }
    steps
}

fn read_line(steps: &mut StepLog, line: &[u8]) {
    if !is_note(line) {
        return steps.line(line);
    }
    let text = String::from_utf8_lossy(&line[NOTE.len()..]);
    if let Some(engine) = engine_of(&text) {
        steps.engine(engine);
    }
    steps.note(&text);
}

/// Something new in a log that is followed.
#[derive(Debug)]
pub enum StepNews<'a> {
    /// A step. A call may have no answer yet.
    New(&'a AgentStep),
    /// The answer to a call that was new before.
    Answered(&'a ToolCall),
    /// A further line of the last step, which is of no record.
    Printed(&'a [u8]),
}

/// Steps that are kept while a log is followed: calls whose answers may still come.
const KEPT: usize = 300;

/// The longest line that is kept, in bytes. The rest of a longer one is left out.
const LINE_MAX: usize = 8 << 20;

/// Reads a log from its beginning and returns each step once, in memory that is bounded.
#[derive(Debug)]
pub struct StepFeed {
    steps: StepLog,
    /// A line whose end has not come.
    line: Vec<u8>,
    /// Steps that were returned, from the first one on.
    told: usize,
    /// The numbers of calls that were returned and wait for an answer.
    open: Vec<usize>,
}

impl StepFeed {
    /// `engine` is at work at the beginning of the log.
    pub fn new(engines: &EngineRegistry, engine: &str) -> Self {
        let mut steps = engines.steps(KEPT);
        steps.engine(engine);
        Self { steps, line: Vec::new(), told: 0, open: Vec::new() }
    }

    /// Takes the next bytes of the log.
    pub fn feed(&mut self, bytes: &[u8], tell: &mut dyn FnMut(StepNews<'_>)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = LINE_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                self.end_line(tell);
            }
        }
    }

    /// Takes the end of the log: its last line counts without a newline.
    pub fn end(&mut self, tell: &mut dyn FnMut(StepNews<'_>)) {
        if !self.line.is_empty() {
            self.end_line(tell);
        }
    }

    fn end_line(&mut self, tell: &mut dyn FnMut(StepNews<'_>)) {
        let line = std::mem::take(&mut self.line);
        let last = |steps: &StepLog| match steps.last() {
            Some(AgentStep::Printed(text)) => Some((text.text.len(), text.left_out)),
            _ => None,
        };
        let before = last(&self.steps);
        read_line(&mut self.steps, &line);
        let count = self.steps.count();
        if self.told == count && before.is_some() && last(&self.steps) != before {
            tell(StepNews::Printed(&line));
        }
        self.open.retain(|&at| match self.steps.get(at) {
            Some(AgentStep::Called(call)) if call.answer.is_some() => {
                tell(StepNews::Answered(call));
                false
            }
            step => step.is_some(),
        });
        while self.told < count {
            if let Some(step) = self.steps.get(self.told) {
                tell(StepNews::New(step));
                if matches!(step, AgentStep::Called(call) if call.answer.is_none()) {
                    self.open.push(self.told);
                }
            }
            self.told += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineConfig;

    #[test]
    fn each_attempt_is_read_as_its_engine_prints() {
        let engines = EngineRegistry::new(&EngineConfig::default(), &|_| None).unwrap();
        let log = "--- aq 2026-01-31T12:00:00Z attempt 1 of 3, engine claude, in \
            /home/me/project\n\
            {\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\
            \"text\":\"one\"}]}}\n\
            --- aq 2026-01-31T12:01:00Z attempt 2 of 3, engine codex, in /home/me/project\n\
            {\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\",\
            \"text\":\"two\"}}\n\
            --- aq 2026-01-31T12:02:00Z attempt 3 of 3, engine shell, in /home/me/project\n\
            {\"type\":\"assistant\"}\n";
        let steps = read_steps(&engines, "shell", log.as_bytes(), 100);
        let told: Vec<String> = steps
            .steps()
            .filter_map(|(_, step)| match step {
                AgentStep::Said(text) => Some(format!("said {}", text.text)),
                AgentStep::Printed(text) => Some(format!("printed {}", text.text)),
                _ => None,
            })
            .collect();
        assert_eq!(told, ["said one", "said two", "printed {\"type\":\"assistant\"}"]);
    }

    #[test]
    fn a_growing_log_tells_each_step_once() {
        let engines = EngineRegistry::new(&EngineConfig::default(), &|_| None).unwrap();
        let log = "--- aq 2026-01-31T12:00:00Z attempt 1 of 1, engine claude, in /w\n\
            {\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"tool_use\",\
            \"id\":\"t1\",\"name\":\"Bash\",\"input\":{\"command\":\"ls\"}}]}}\n\
            {\"type\":\"never_heard_of\"}\n\
            {\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"tool_result\",\
            \"tool_use_id\":\"t1\",\"content\":\"a\\nb\"}]}}\n\
            one\ntwo\n{\"type\":\"never_heard_of\"}\nthree";
        let news_of = |size: usize| {
            let mut told = Vec::new();
            let mut feed = StepFeed::new(&engines, "shell");
            let mut tell = |news: StepNews<'_>| {
                told.push(match news {
                    StepNews::New(AgentStep::Called(call)) => format!("called {}", call.tool.text),
                    StepNews::New(AgentStep::Printed(text)) => format!("printed {}", text.text),
                    StepNews::New(AgentStep::Note(_)) => "note".to_owned(),
                    StepNews::New(other) => format!("{other:?}"),
                    StepNews::Answered(call) => format!("answered {}", call.tool.text),
                    StepNews::Printed(line) => format!("more {}", String::from_utf8_lossy(line)),
                });
            };
            log.as_bytes().chunks(size).for_each(|piece| feed.feed(piece, &mut tell));
            feed.end(&mut tell);
            told
        };
        let want =
            ["note", "called Bash", "answered Bash", "printed one", "more two", "more three"];
        for size in [1, 7, 10_000] {
            assert_eq!(news_of(size), want, "{size}");
        }
    }

    #[test]
    fn the_last_check_is_found() {
        let note = |text: &str| format!("--- aq 2026-01-31T12:00:00Z {text}\n");
        let verify = note("verify");
        let log = format!("agent\n{verify}one\n{}two\n{verify}three\nfour", note("attempt 2"));
        let check = |log: &str| super::last_check(log.as_bytes()).map(<[u8]>::to_vec);
        assert_eq!(check(&log), Some(b"three\nfour".to_vec()));
        let ended = format!("{log}\n{}five\n", note("verified"));
        assert_eq!(check(&ended), Some(b"three\nfour\n".to_vec()));
        assert_eq!(check(&format!("x\n{verify}")), Some(Vec::new()));
        assert_eq!(check("no verify\n"), None);
    }
}
