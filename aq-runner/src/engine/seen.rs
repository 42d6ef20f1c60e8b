//! What an engine's events have said.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fault::Evidence;
use super::reason::short;
use super::session::is_session_id;
use super::usage::{Counted, StreamUsage, Usage};
use super::windows::{UsageWindow, put};

/// The longest last message, in bytes.
pub(super) const TEXT_MAX: usize = 64 << 10;
/// The longest model name, in bytes.
const MODEL_MAX: usize = 200;
/// How many messages are told apart; beyond, a run's live usage lags behind.
const MESSAGES_MAX: usize = 100_000;

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
    /// Whether the model has said or done anything.
    pub(super) spoke: bool,
    /// What is known of the error that was not overcome.
    pub(super) evidence: Evidence,
    /// The record with which the vendor rejected the run for its account's limit.
    pub(super) limit: Option<Value>,
    /// The windows of its account, as the vendor described them last.
    pub(super) windows: Vec<UsageWindow>,
    /// Permission mode that was asked for.
    pub(super) asked_mode: Option<String>,
    /// Permission mode in which the engine says that it began.
    mode: Option<String>,
    /// The generic line's.
    pub(super) generic: Option<Usage>,
    /// Read out of text.
    pub(super) estimated: Usage,
    /// The span of the numbers of its final event, as far as it tells.
    pub(super) spans: Counted,
    own: Option<(Usage, Counted)>,
    live: Usage,
    messages: BTreeSet<String>,
    in_turn: bool,
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

    /// What the vendor says of the windows of its account.
    pub(super) fn window(&mut self, windows: Vec<UsageWindow>) {
        put(&mut self.windows, windows);
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

    /// The mode at the start counts: an agent may change it while it works.
    pub(super) fn mode(&mut self, name: &Value) {
        if let (None, Some(name)) = (&self.mode, name.as_str()) {
            self.mode = Some(short(name));
        }
    }

    /// The mode in which it runs and the one that was asked for, where these differ.
    pub(super) fn other_mode(&self) -> Option<(String, String)> {
        let (mode, asked) = (self.mode.clone()?, self.asked_mode.clone()?);
        (mode != asked).then_some((mode, asked))
    }

    /// The agent's message, in place of an earlier one. An empty one comes with tool calls.
    pub(super) fn text(&mut self, text: &Value) {
        if text.as_str().is_some_and(|text| !text.is_empty()) {
            self.final_text = None;
            self.overcome();
            self.more_text(text);
        }
    }

    /// The next piece of the agent's message.
    pub(super) fn more_text(&mut self, text: &Value) {
        self.spoke = true;
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
            self.evidence.say(text);
        }
    }

    /// It works again.
    fn overcome(&mut self) {
        self.last_error = None;
        self.evidence = Evidence::default();
    }

    /// Takes back a final event: the engine works on and will send another.
    pub(super) fn begin_turn(&mut self) {
        self.terminal = None;
        self.overcome();
        self.aborted = false;
    }

    /// The model says or does something: the first time after tools have answered, it was called
    /// anew.
    pub(super) fn model_acts(&mut self) {
        self.spoke = true;
        if !self.in_turn {
            self.in_turn = true;
            self.count_turn();
        }
    }

    /// A tool has answered.
    pub(super) fn tool_answers(&mut self) {
        self.in_turn = false;
    }

    /// Whether this message is seen for the first time.
    pub(super) fn new_message(&mut self, id: &Value) -> bool {
        let id = id.as_str().filter(|id| id.len() <= 200 && self.messages.len() < MESSAGES_MAX);
        id.is_some_and(|id| self.messages.insert(id.to_owned()))
    }

    /// What was used in all, in place of what was said before.
    pub(super) fn used(&mut self, usage: Usage, counted: Counted) {
        if !usage.is_empty() {
            self.own = Some((usage, counted));
        }
    }

    /// What one more step has used.
    pub(super) fn used_more(&mut self, usage: &Usage) {
        let before = self.own.take().map_or(Usage::default(), |(usage, _)| usage);
        self.used(before.plus(usage), Counted::Run);
    }

    /// What one more call has used at least; it gives way to any other record.
    pub(super) fn used_at_least(&mut self, usage: &Usage) {
        self.live = self.live.plus(usage);
    }

    /// All that was said about usage.
    pub(super) fn usage(&self) -> StreamUsage {
        StreamUsage {
            generic: self.generic.clone(),
            own: self.own.clone(),
            live: self.live.clone(),
            estimated: self.estimated.clone(),
        }
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

    /// As [`Self::succeed`], unless the model was never called: then nothing was done.
    pub(super) fn succeed_if_called(&mut self) {
        if !self.spoke && self.usage().so_far(None).usage.tokens() == Some(0) {
            return self.fail("it called no model");
        }
        self.succeed();
    }

    /// Without a text of its own, the last error is the reason.
    pub(super) fn fail(&mut self, text: &str) {
        self.error(text);
        self.terminal = Some(Final { success: false, reason: self.last_error.clone() });
    }
}
