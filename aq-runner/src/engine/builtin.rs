//! The engines and output formats that aq brings along.

use super::definition::Definition;
use super::format::{Format, TEXT};
use super::{acp, claude, codex, copilot, devin, gemini, opencode, shell};

/// Every built-in engine. Within a class the order is the one in which engines are tried.
pub(super) fn engines() -> [(&'static str, Definition); 7] {
    [
        ("devin", devin::definition()),
        ("claude", claude::definition()),
        ("codex", codex::definition()),
        ("gemini", gemini::definition()),
        ("opencode", opencode::definition()),
        ("copilot", copilot::definition()),
        ("shell", shell::definition()),
    ]
}

/// Every output format, as `output` in config names them.
pub(super) const FORMATS: [&Format; 8] = [
    &TEXT,
    &shell::FORMAT,
    &claude::FORMAT,
    &codex::FORMAT,
    &copilot::FORMAT,
    &gemini::FORMAT,
    &opencode::FORMAT,
    &acp::FORMAT,
];
