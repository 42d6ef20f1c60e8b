//! A piece of a job's log as the steps of its agents.

use crate::engine::{Registry, Steps};

use super::job_log::NOTE;

/// Whether a line of a log is one that aq wrote. A program can print one that looks the same.
pub fn is_note(line: &[u8]) -> bool {
    line.starts_with(NOTE.as_bytes())
}

/// Reads the lines of a log and keeps the last `most` steps. `engine` is at work at its beginning;
/// an attempt that begins on the way names its own.
pub fn read_steps(engines: &Registry, engine: &str, log: &[u8], most: usize) -> Steps {
    let mut steps = engines.steps(most);
    steps.engine(engine);
    let log = log.strip_suffix(b"\n").unwrap_or(log);
    let mut at = 0;
    for line in log.split(|&byte| byte == b'\n') {
        steps.place(at);
        at += line.len() + 1;
        if !is_note(line) {
            steps.line(line);
            continue;
        }
        let text = String::from_utf8_lossy(&line[NOTE.len()..]);
        if let Some(engine) = engine_of(&text) {
            steps.engine(engine);
        }
        steps.note(&text);
    }
    steps
}

/// The engine in `TIME attempt 1 of 3, engine NAME, in DIR`.
fn engine_of(note: &str) -> Option<&str> {
    let (_, rest) = note.split_once(' ')?.1.strip_prefix("attempt ")?.split_once(", engine ")?;
    rest.split_once(", in ").map(|(engine, _)| engine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineConfig, Step};

    #[test]
    fn each_attempt_is_read_as_its_engine_prints() {
        let engines = Registry::new(&EngineConfig::default(), &|_| None).unwrap();
        let log = "--- aq 2026-01-31T12:00:00Z attempt 1 of 3, engine claude, in /home/me/project\n\
            {\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"one\"}]}}\n\
            --- aq 2026-01-31T12:01:00Z attempt 2 of 3, engine codex, in /home/me/project\n\
            {\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\",\"text\":\"two\"}}\n\
            --- aq 2026-01-31T12:02:00Z attempt 3 of 3, engine shell, in /home/me/project\n\
            {\"type\":\"assistant\"}\n";
        let steps = read_steps(&engines, "shell", log.as_bytes(), 100);
        let told: Vec<String> = steps
            .steps()
            .filter_map(|(_, step)| match step {
                Step::Said(text) => Some(format!("said {}", text.text)),
                Step::Printed(text) => Some(format!("printed {}", text.text)),
                _ => None,
            })
            .collect();
        assert_eq!(told, ["said one", "said two", "printed {\"type\":\"assistant\"}"]);
    }
}
