//! The lines that the adapter prints: one JSON object each, with a `type`.

use serde_json::{Value, json};

/// The longest message of the agent, in bytes.
pub(super) const MESSAGE_MAX: usize = 64 << 10;
/// The longest thought, or excerpt of a tool's input or output, in bytes.
pub(super) const EXCERPT_MAX: usize = 4 << 10;
/// The longest title or name, in bytes.
const TITLE_MAX: usize = 500;
/// The longest words of an error, in bytes.
const WORDS_MAX: usize = 8 << 10;

/// The beginning of a text.
pub(super) fn clip(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// The beginning of a JSON string; empty for any other value.
pub(super) fn title(value: &Value) -> &str {
    clip(value.as_str().unwrap_or_default(), TITLE_MAX)
}

pub(super) fn session(id: &str) -> Value {
    json!({"type": "session", "id": id})
}

pub(super) fn agent(name: &str, version: &str) -> Value {
    json!({"type": "agent", "name": name, "version": version})
}

pub(super) fn model(name: &str) -> Value {
    json!({"type": "model", "name": name})
}

pub(super) fn message(text: &str) -> Value {
    json!({"type": "message", "text": clip(text, MESSAGE_MAX)})
}

pub(super) fn thought(text: &str) -> Value {
    json!({"type": "thought", "text": clip(text, EXCERPT_MAX)})
}

/// Something that is worth a line in the log and changes nothing.
pub(super) fn note(text: &str) -> Value {
    json!({"type": "note", "text": clip(text, WORDS_MAX)})
}

pub(super) fn denied(tool: &str) -> Value {
    json!({"type": "denied", "tool": tool})
}

/// An error in the agent's words; `code` is that of JSON-RPC, `status` one of HTTP.
pub(super) fn error(text: &str, code: Option<i64>, status: Option<u16>) -> Value {
    let mut event = json!({"type": "error", "text": clip(text, WORDS_MAX)});
    if let Some(code) = code {
        event["code"] = code.into();
    }
    if let Some(status) = status {
        event["status"] = status.into();
    }
    event
}

/// The session that was to go on is not there.
pub(super) fn session_gone(text: &str) -> Value {
    json!({"type": "session_gone", "text": clip(text, WORDS_MAX)})
}

/// The last line. `text` is the reason of a failure.
pub(super) fn result(success: bool, stop_reason: Option<&str>, text: Option<&str>) -> Value {
    let mut event = json!({"type": "result", "success": success});
    if let Some(stop_reason) = stop_reason {
        event["stop_reason"] = clip(stop_reason, TITLE_MAX).into();
    }
    if let Some(text) = text {
        event["text"] = clip(text, WORDS_MAX).into();
    }
    event
}
