//! What each built-in engine is started with, and how its output is read.

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
        let definition = definition(engine.name).unwrap();
        let format = definition.output.format();
        assert_eq!(format.problem(), None, "{}", engine.name);
    }
    assert_eq!(names().len(), ENGINES.len());
}
