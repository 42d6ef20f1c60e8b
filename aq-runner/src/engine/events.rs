//! What an engine's events say, whatever it calls them.

use std::fmt;

use serde_json::Value;

use super::reason::{error_line, short};
use super::session::is_session_id;

/// The longest last message, in bytes.
pub(super) const TEXT_MAX: usize = 64 << 10;
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
