//! Command and output of each built-in engine.

mod acp;
mod claude;
mod codex;
mod copilot;
mod devin;
mod gemini;
mod opencode;
mod shell;

use super::*;

#[test]
fn every_description_can_be_read() {
    for engine in ENGINES {
        let read = format(&format_name(engine.name));
        assert_eq!(read.is_some(), engine.output != "null", "{}", engine.name);
        assert_eq!(read.and_then(|format| format.problem()), None, "{}", engine.name);
    }
    for name in names() {
        assert!(definition(name).is_some(), "{name}");
    }
    assert_eq!((names().len(), definition("acp").is_some()), (ENGINES.len() - 1, false));
}
