//! The content of an engine's events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::fault::{EngineError, FaultEvidence};
use super::reason::short;
use super::session::is_session_id;
use super::usage::{RunTokens, StreamUsage, UsageCounting};
use super::windows::{UsageWindow, put};

/// The longest last message, in bytes.
pub(super) const TEXT_MAX: usize = 64 << 10;
/// The longest model name, in bytes.
const MODEL_MAX: usize = 200;
/// Number of messages that are distinguished; beyond, a run's live usage lags behind.
const MESSAGES_MAX: usize = 100_000;

/// The engine's own last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalEvent {
    /// It says that the work is done.
    pub success: bool,
    /// Its reason when not.
    pub reason: Option<String>,
}

/// A shorter wait is no time at which a limit ends: an engine that gave up has tried again by then.
const WAIT_NAMED: Duration = Duration::from_secs(60);

/// Phase of a run, as far as its output says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunPhase {
    /// At work.
    #[default]
    Working,
    /// It has sent its final event, the one of this number, and reports no work in the background.
    Done {
        /// Counts from 1.
        event: u32,
    },
    /// The vendor has rejected it for a limit, and the model has not answered since: some engines
    /// go on all the same.
    Rejected,
    /// It has announced that it tries again, at a time that is too far away to wait for.
    Waits,
}

/// The content of the events of one run so far.
///
/// A reader calls [`answers`](Self::answers), or one of the methods that call it, whenever the
/// model has said or done something: an error before that is overcome. It calls
/// [`waits`](Self::waits), after what the error is, when an event says for how long the engine
/// will wait before it tries again; [`background`](Self::background) when one says whether work
/// goes on in the background; and [`works_on`](Self::works_on) when one says that a further turn
/// begins, in which the model has not spoken yet.
#[derive(Debug, Default)]
pub(super) struct ObservedRun {
    pub(super) session_id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) final_text: Option<String>,
    pub(super) permission_denials: u32,
    pub(super) turns: Option<u32>,
    /// The last error that was not final and not overcome.
    pub(super) last_error: Option<String>,
    pub(super) terminal: Option<FinalEvent>,
    /// There was a JSON object at all.
    pub(super) any_object: bool,
    /// The model has said or done anything.
    pub(super) spoke: bool,
    /// The evidence of the error that was not overcome.
    pub(super) evidence: FaultEvidence,
    /// The record with which the vendor rejected the run for its account's limit.
    pub(super) limit: Option<Value>,
    /// The windows of its account, as the vendor described them last.
    pub(super) windows: Vec<UsageWindow>,
    /// Permission mode that was asked for.
    pub(super) asked_mode: Option<String>,
    /// Permission mode in which the engine says that it began.
    mode: Option<String>,
    /// The generic line's.
    pub(super) generic: Option<RunTokens>,
    /// Read out of text.
    pub(super) estimated: RunTokens,
    /// There is no session of the id that was to be resumed.
    pub(super) session_gone: bool,
    /// The engine's events show each call of the model.
    pub(super) calls_are_told: bool,
    /// Words for what can forbid the permission mode that was asked for.
    pub(super) mode_forbidden_by: Option<String>,
    version: Option<String>,
    own: Option<(RunTokens, UsageCounting)>,
    /// Sums over calls, with the numbers of those that may still be replaced.
    calls: CallSum,
    live: CallSum,
    messages: BTreeSet<String>,
    in_turn: bool,
    aborted: bool,
    /// Number of final events.
    finals: u32,
    /// It works on after its final event.
    works_on: bool,
    /// It works in the background.
    background: bool,
    before_end: Option<BeforeEnd>,
}

/// Words of a run up to the moment at which aq asked the engine to end.
#[derive(Debug)]
struct BeforeEnd {
    terminal: Option<FinalEvent>,
    last_error: Option<String>,
    evidence: FaultEvidence,
    limit: Option<Value>,
    spoke: bool,
    aborted: bool,
}

impl ObservedRun {
    pub(super) fn session(&mut self, id: &Value) {
        if let Some(id) = id.as_str().filter(|id| is_session_id(id))
            && self.session_id.as_deref() != Some(id)
        {
            self.session_id = Some(id.to_owned());
        }
    }

    /// There is no session of the id that was to be resumed.
    pub(super) fn session_is_gone(&mut self) {
        self.session_gone = true;
    }

    /// The engine's version.
    pub(super) fn version(&mut self, version: &Value) {
        if let Some(version) = version.as_str().filter(|version| version.len() <= 100) {
            self.version = Some(version.to_owned());
        }
    }

    /// The version that the engine says it has.
    pub(super) fn engine_version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Takes the vendor's words about the windows of its account.
    pub(super) fn window(&mut self, windows: Vec<UsageWindow>) {
        put(&mut self.windows, windows);
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
    fn other_mode(&self) -> Option<(String, String)> {
        let (mode, asked) = (self.mode.clone()?, self.asked_mode.clone()?);
        (mode != asked).then_some((mode, asked))
    }

    /// The agent's message, in place of an earlier one. An empty one comes with tool calls.
    pub(super) fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.final_text = None;
            self.more_text(text);
        }
    }

    /// The next piece of the agent's message.
    pub(super) fn more_text(&mut self, text: &str) {
        self.answers();
        let message = self.final_text.get_or_insert_default();
        let room = TEXT_MAX - message.len();
        message.push_str(&text[..text.floor_char_boundary(room)]);
    }

    /// Drops the text so far: the last message comes after the last tool call.
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

    /// The model has said or done something: what was in its way is overcome.
    pub(super) fn answers(&mut self) {
        self.spoke = true;
        self.last_error = None;
        self.evidence = FaultEvidence::default();
        self.limit = None;
    }

    /// The engine waits for so long before it tries again. Its class is that of what was said of
    /// the error before.
    pub(super) fn waits(&mut self, wait: Duration) {
        if wait > WAIT_NAMED {
            let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            self.evidence.record(&json!({ "retry_delay_ms": ms }));
        }
    }

    /// Notes whether work goes on in the background, after which the engine goes on by itself.
    pub(super) fn background(&mut self, is_running: bool) {
        self.background = is_running;
    }

    /// A further turn begins. The final event counts until the model has answered in it: the engine
    /// may just exit.
    pub(super) fn works_on(&mut self) {
        self.works_on = true;
    }

    /// Takes back a final event: the engine works on and will send another.
    pub(super) fn begin_turn(&mut self) {
        self.terminal = None;
        self.aborted = false;
    }

    /// The phase of the run. A wait of more than `longest` is too long; `local` is the zone of
    /// times that come without one.
    pub(super) fn phase(&self, longest: Duration, now: Timestamp, local: &TimeZone) -> RunPhase {
        match &self.terminal {
            Some(_) if self.background || self.works_on => RunPhase::Working,
            Some(_) => RunPhase::Done { event: self.finals },
            None if self.waits_beyond(longest, now, local) => RunPhase::Waits,
            None if self.limit.is_some() => RunPhase::Rejected,
            None => RunPhase::Working,
        }
    }

    fn waits_beyond(&self, longest: Duration, now: Timestamp, local: &TimeZone) -> bool {
        if self.evidence.is_empty() {
            return false;
        }
        let error = self.engine_error(self.evidence.clone());
        let until = error.resets_at(now, local).filter(|_| error.class.ends_run_uncounted());
        until.is_some_and(|until| until.duration_since(now).unsigned_abs() > longest && until > now)
    }

    /// The error of which there is this evidence, with what was said about the account's limit.
    pub(super) fn engine_error(&self, evidence: FaultEvidence) -> EngineError {
        let error = evidence.judge();
        match &self.limit {
            Some(limit) => error.with_limit(limit),
            None => error,
        }
    }

    /// aq asks the engine to end: what is said from now on may be an answer to that.
    pub(super) fn ending(&mut self) {
        self.before_end.get_or_insert_with(|| BeforeEnd {
            terminal: self.terminal.clone(),
            last_error: self.last_error.clone(),
            evidence: self.evidence.clone(),
            limit: self.limit.clone(),
            spoke: self.spoke,
            aborted: self.aborted,
        });
    }

    pub(super) fn is_ending(&self) -> bool {
        self.before_end.is_some()
    }

    /// Forgets what was said of the run's end after [`Self::ending`]. Numbers stay.
    pub(super) fn as_before_end(&mut self) {
        if let Some(before) = self.before_end.take() {
            self.terminal = before.terminal;
            self.last_error = before.last_error;
            self.evidence = before.evidence;
            self.limit = before.limit;
            self.spoke = before.spoke;
            self.aborted = before.aborted;
        }
    }

    /// The model says or does something: the first time after tools have answered, it was called
    /// anew.
    pub(super) fn model_acts(&mut self) {
        self.answers();
        if !self.in_turn {
            self.in_turn = true;
            self.count_turn();
        }
    }

    /// A tool has answered.
    pub(super) fn tool_answers(&mut self) {
        self.in_turn = false;
    }

    /// Tests for a message that is seen for the first time.
    pub(super) fn new_message(&mut self, id: &Value) -> bool {
        let id = id.as_str().filter(|id| id.len() <= 200 && self.messages.len() < MESSAGES_MAX);
        id.is_some_and(|id| self.messages.insert(id.to_owned()))
    }

    /// Takes the usage in all, in place of what was said before.
    pub(super) fn used(&mut self, usage: RunTokens, counted: UsageCounting) {
        if !usage.is_empty() {
            self.own = Some((usage, counted));
        }
    }

    /// Counts a call, in place of what was said of the same call before.
    pub(super) fn used_by_call(&mut self, call: Option<&Value>, usage: &RunTokens) {
        self.calls.add(call, usage);
        self.used(self.calls.sum.clone(), UsageCounting::Run);
    }

    /// Counts what a call has used at least; it gives way to any other record.
    pub(super) fn used_at_least(&mut self, call: Option<&Value>, usage: &RunTokens) {
        self.live.add(call, usage);
    }

    /// All that was said about usage. An answer is never free of tokens: where there is not one,
    /// the engine has got no answer to count, or does not count.
    pub(super) fn usage(&self) -> StreamUsage {
        StreamUsage {
            generic: self.generic.clone(),
            own: self.own.clone().filter(|(usage, _)| !usage.is_zero()),
            live: if self.live.sum.is_zero() {
                RunTokens::default()
            } else {
                self.live.sum.clone()
            },
            estimated: self.estimated.clone(),
        }
    }

    /// Whatever the final event says, the run was broken off.
    pub(super) fn abort(&mut self) {
        self.aborted = true;
    }

    /// The work is done, as the engine says. It is not when the run was broken off, when the model
    /// was never called, or when it could not do what it was to be allowed.
    pub(super) fn succeed(&mut self) {
        if self.aborted {
            return self.fail("aborted");
        }
        if self.is_uncalled() {
            return self.fail(if self.last_error.is_some() { "" } else { "it called no model" });
        }
        if let Some((mode, asked)) = self.other_mode() {
            let by = self.mode_forbidden_by.clone();
            let by = by.map_or(String::new(), |by| format!(": {by} forbids that"));
            return self.fail(&format!(
                "it ran in permission mode {mode:?}, and not in {asked:?}, which was asked for{by}"
            ));
        }
        self.end(FinalEvent { success: true, reason: None });
    }

    fn end(&mut self, event: FinalEvent) {
        self.terminal = Some(event);
        self.finals = self.finals.saturating_add(1);
        self.works_on = false;
    }

    /// The model has said and done nothing, and no number says that it was called.
    fn is_uncalled(&self) -> bool {
        let own = self.own.as_ref().map(|(usage, _)| usage);
        let used = self.generic.as_ref().or(own).and_then(RunTokens::tokens);
        let no_call = self.turns == Some(0) || (self.turns.is_none() && self.calls_are_told);
        !self.spoke && (used == Some(0) || (used.is_none() && no_call))
    }

    /// Without a text of its own, the last error is the reason.
    pub(super) fn fail(&mut self, text: &str) {
        self.error(text);
        self.end(FinalEvent { success: false, reason: self.last_error.clone() });
    }
}

/// Sum of what calls have used, of which some may be said more than once.
#[derive(Debug, Default)]
struct CallSum {
    sum: RunTokens,
    by_call: BTreeMap<String, RunTokens>,
}

impl CallSum {
    fn add(&mut self, call: Option<&Value>, usage: &RunTokens) {
        let call = call.and_then(Value::as_str).filter(|call| call.len() <= 200);
        if let Some(call) = call.filter(|_| self.by_call.len() < MESSAGES_MAX)
            && let Some(before) = self.by_call.insert(call.to_owned(), usage.clone())
        {
            self.sum = self.sum.minus(&before);
        }
        self.sum = self.sum.plus(usage);
    }
}
