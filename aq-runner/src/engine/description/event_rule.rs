//! One row of a table of events.

use serde::Deserialize;
use serde_json::Value;

use super::condition::ConditionSet;
use super::error_rule::ErrorRule;
use super::json_path::{JsonPath, JsonPaths};
use super::usage_rule::{UsageRule, UsageSpan};
use crate::engine::seen::ObservedRun;
use crate::engine::usage::UsageCounting;
use crate::engine::windows::WindowsShape;

/// One row of an engine's table of events: which events it is about, and what they say. All that is
/// said of an event is taken, in the order of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(in crate::engine) struct EventRule {
    /// The events.
    when: ConditionSet,
    /// State of the run in which the row holds. Default: any.
    state: Option<RunState>,

    /// Id of the session.
    session: Option<JsonPaths>,
    /// Version of the engine.
    version: Option<JsonPaths>,
    /// Name of the model. Of an object, the key of its only member.
    model: Option<JsonPaths>,
    /// Place in the members of an object at `model` with several: where nothing has named the
    /// model, it is the key of the one with the greatest number there.
    model_by: Option<JsonPath>,
    /// Permission mode in force.
    mode: Option<JsonPaths>,
    /// A turn begins: a final event before it is none.
    begins_turn: bool,
    /// A further turn begins, in which the model has not spoken yet: a final event counts on, and
    /// the engine is not waited for as if it had nothing to do.
    works_on: bool,
    /// The model has said or done something.
    acts: bool,
    /// The model was called.
    call: Option<CallCount>,
    /// A tool has answered.
    tool_answers: bool,
    /// Number of calls of the model in the run.
    calls: Option<JsonPath>,
    /// The agent's message, in place of an earlier one.
    text: Option<JsonPaths>,
    /// The next piece of the agent's message.
    more_text: Option<JsonPaths>,
    /// The agent's words so far are not its last message.
    drops_text: bool,
    /// Numbers of usage.
    usage: Option<UsageRule>,
    /// A tool call was refused for lack of permission.
    denied: bool,
    /// Refused tool calls in the run: their number, or a list of them.
    denials: Option<JsonPath>,
    /// Record with which the vendor rejects the run for its account's limit.
    limit: Option<JsonPath>,
    /// Windows of the account, and how much of them is used.
    windows: Option<WindowsRule>,
    /// No limit is met.
    limit_over: bool,
    /// Work that goes on in the background: a list, a number, or true and false.
    background: Option<JsonPath>,
    /// An error that may be overcome.
    error: Option<ErrorRule>,
    /// The run was broken off, whatever the final event says.
    aborted: bool,
    /// There is no session of the id that was to be resumed.
    session_gone: bool,
    /// Final event: the work is done.
    success: bool,
    /// Final event: it is not.
    failure: Option<ErrorRule>,
    /// Rows about some of these events, of which the first that fits is taken as well.
    cases: Vec<EventRule>,
}

/// Place of what a vendor says about the windows of its account, and whose shape it has.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowsRule {
    /// The object.
    at: JsonPath,
    /// Its shape.
    shape: WindowsShape,
}

/// State of a run, by its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RunState {
    /// The model has said and done nothing.
    Silent,
    /// An error of the vendor's was not overcome.
    InError,
    /// An error of the vendor's was not overcome, or the model has said and done nothing.
    NotAnswered,
}

/// Events that count as calls of the model.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum CallCount {
    /// Each.
    Each,
    /// The first after a tool has answered.
    AfterTools,
    /// The first with its value at this place.
    Per(JsonPath),
}

impl RunState {
    fn is(self, seen: &ObservedRun) -> bool {
        let in_error = seen.evidence.kind.is_some() || !seen.evidence.is_empty();
        match self {
            Self::Silent => !seen.spoke,
            Self::InError => in_error,
            Self::NotAnswered => in_error || !seen.spoke,
        }
    }
}

impl EventRule {
    /// The first of `rules` that is about an event takes it.
    pub(super) fn first_of(rules: &[Self], event: &Value, seen: &mut ObservedRun) {
        let fits =
            |rule: &&Self| rule.when.hold(event) && rule.state.is_none_or(|state| state.is(seen));
        if let Some(rule) = rules.iter().find(fits) {
            rule.take(event, seen);
        }
    }

    /// Tests for a row that takes every event.
    pub(super) fn is_for_all(&self) -> bool {
        self.when.are_none() && self.state.is_none()
    }

    /// Tests for a row that says success, itself or in a case.
    pub(super) fn can_succeed(&self) -> bool {
        self.success || self.cases.iter().any(Self::can_succeed)
    }

    /// Tests for a row that is about calls of the model and nothing else, itself or in a case.
    pub(super) fn counts_calls(&self) -> bool {
        matches!(self.call, Some(CallCount::Each)) || self.cases.iter().any(Self::counts_calls)
    }

    /// Takes what an event says.
    pub(super) fn take(&self, event: &Value, seen: &mut ObservedRun) {
        let value =
            |paths: &Option<JsonPaths>| paths.as_ref().map(|paths| paths.first(event).clone());
        if let Some(id) = value(&self.session) {
            seen.session(&id);
        }
        if let Some(version) = value(&self.version) {
            seen.version(&version);
        }
        if let Some(model) = value(&self.model) {
            let is_named = seen.model.is_some();
            let most = self.model_by.as_ref().filter(|_| !is_named);
            let most = most.and_then(|place| key_of_most(&model, place));
            seen.model(&most.unwrap_or_else(|| only_key(model)));
        }
        if let Some(mode) = value(&self.mode) {
            seen.mode(&mode);
        }
        self.turn(event, seen);
        self.message(event, seen);
        if let Some(usage) = &self.usage {
            usage.take(event, seen);
        }
        self.permissions(event, seen);
        if let Some(limit) = &self.limit {
            seen.limit = Some(limit.first(event).clone()).filter(|limit| !limit.is_null());
        }
        if let Some(windows) = &self.windows {
            seen.window(windows.shape.read(windows.at.first(event)));
        }
        if self.limit_over {
            seen.limit = None;
        }
        if let Some(path) = &self.background {
            seen.background(is_some_work(path.first(event)));
        }
        if let Some(error) = &self.error {
            error.not_final(event, seen);
        }
        self.end(event, seen);
        Self::first_of(&self.cases, event, seen);
    }

    fn turn(&self, event: &Value, seen: &mut ObservedRun) {
        if self.begins_turn {
            seen.begin_turn();
        }
        if self.works_on {
            seen.works_on();
        }
        match &self.call {
            Some(CallCount::Each) => seen.count_turn(),
            Some(CallCount::AfterTools) => seen.model_acts(),
            Some(CallCount::Per(path)) if seen.new_message(path.first(event)) => seen.count_turn(),
            _ => {}
        }
        if self.acts {
            seen.answers();
        }
        if self.tool_answers {
            seen.tool_answers();
        }
        if let Some(count) = self.calls.as_ref().and_then(|path| path.first(event).as_u64()) {
            seen.turns(count);
        }
    }

    fn message(&self, event: &Value, seen: &mut ObservedRun) {
        let text = |paths: &Option<JsonPaths>| paths.as_ref().and_then(|paths| paths.text(event));
        if let Some(text) = text(&self.text) {
            seen.text(&text);
        }
        if let Some(text) = text(&self.more_text) {
            seen.more_text(&text);
        }
        if self.drops_text {
            seen.drop_text();
        }
    }

    fn permissions(&self, event: &Value, seen: &mut ObservedRun) {
        if self.denied {
            seen.denied();
        }
        match self.denials.as_ref().map(|path| path.first(event)) {
            Some(Value::Array(calls)) => seen.denials(calls.len()),
            Some(Value::Number(count)) => {
                let count = count.as_u64().and_then(|count| usize::try_from(count).ok());
                seen.denials(count.unwrap_or_default());
            }
            _ => {}
        }
    }

    fn end(&self, event: &Value, seen: &mut ObservedRun) {
        if self.aborted {
            seen.abort();
        }
        if self.session_gone {
            seen.session_is_gone();
        }
        if self.success {
            seen.succeed();
        }
        if let Some(failure) = &self.failure {
            failure.last_word(event, seen);
        }
    }
}

impl UsageRule {
    fn take(&self, event: &Value, seen: &mut ObservedRun) {
        let usage = self.read(event);
        let key = self.per.as_ref().map(|path| path.first(event));
        let of_session = self
            .session_since
            .as_ref()
            .is_some_and(|since| since.is_reached_by(seen.engine_version()));
        match self.spans {
            UsageSpan::Call => seen.used_by_call(key, &usage),
            UsageSpan::Partial => seen.used_at_least(key, &usage),
            UsageSpan::Run if of_session => seen.used(usage, UsageCounting::Session),
            UsageSpan::Run => seen.used(usage, UsageCounting::Run),
            UsageSpan::Session => seen.used(usage, UsageCounting::Session),
        }
    }
}

/// The only key of an object that means a name, or the value as it is.
fn only_key(value: Value) -> Value {
    match value {
        Value::Object(members) if members.len() == 1 => {
            members.into_iter().next().map_or(Value::Null, |(key, _)| Value::from(key))
        }
        value => value,
    }
}

/// The key of the member with the greatest number at `place`.
fn key_of_most(members: &Value, place: &JsonPath) -> Option<Value> {
    let number = |member: &Value| place.first(member).as_f64().unwrap_or_default();
    let most = members.as_object()?.iter().max_by(|a, b| number(a.1).total_cmp(&number(b.1)));
    most.map(|(key, _)| Value::from(key.as_str()))
}

fn is_some_work(value: &Value) -> bool {
    match value {
        Value::Array(tasks) => !tasks.is_empty(),
        Value::Number(count) => count.as_f64().is_some_and(|count| count > 0.0),
        value => value.as_bool().unwrap_or_default(),
    }
}
