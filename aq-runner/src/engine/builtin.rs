//! The engines and output formats that aq brings along.

use super::definition::Definition;
use super::format::{Format, TEXT};
use super::{claude, codex, copilot, devin, gemini, opencode, shell};

/// Every built-in engine, with a version check unless it is a program of the system. Within a class the order is the one in which engines are tried.
pub(super) fn engines() -> [(&'static str, Definition); 7] {
    let mut engines = [
        ("devin", devin::definition()),
        ("claude", claude::definition()),
        ("codex", codex::definition()),
        ("gemini", gemini::definition()),
        ("opencode", opencode::definition()),
        ("copilot", copilot::definition()),
        ("shell", shell::definition()),
    ];
    for (_, engine) in &mut engines {
        if !engine.program.starts_with('/') {
            engine.version.get_or_insert_default();
        }
    }
    engines
}

/// Every output format, as `output` in config names them.
pub(super) const FORMATS: [&Format; 7] = [
    &TEXT,
    &shell::FORMAT,
    &claude::FORMAT,
    &codex::FORMAT,
    &copilot::FORMAT,
    &gemini::FORMAT,
    &opencode::FORMAT,
];
