//! The client's side of the protocol as a state machine: messages in, effects out, no I/O.

mod setup;

use std::time::Duration;

use serde_json::{Value, json};

use super::choice::{ChoiceKind, SessionChoice};
use super::end::judge_turn;
use super::event::{self, title};
use super::failure::CallFailure;
use super::message::{self, IncomingMessage};
use super::permission::{cancelled, permission};
use super::turn::PromptTurn;
use super::usage::{UsageContext, usage_event};

/// The version that is spoken here.
const VERSION: u64 = 1;
/// Time to open a session: agents start their MCP servers in it.
const OPEN_LIMIT: Duration = Duration::from_secs(180);
/// Time to choose a model or a mode.
const CHOICE_LIMIT: Duration = Duration::from_secs(60);
/// Pause after a session was loaded: some agents answer before they have replayed it.
const REPLAY_PAUSE: Duration = Duration::from_millis(300);
/// Time for the agent to end a turn that was cancelled.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// One thing to be done for the client.
#[derive(Debug, PartialEq)]
pub(super) enum ClientEffect {
    /// Send this line to the agent.
    Send(String),
    /// Print this event.
    Print(Value),
    /// The run is over: end the agent and exit. Nothing follows.
    End {
        /// The work is done.
        success: bool,
    },
}

/// The settings of one run.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientRun {
    pub(super) prompt: String,
    /// Absolute.
    pub(super) cwd: String,
    pub(super) session: Option<String>,
    /// Cost of that session so far, where it is known.
    pub(super) session_cost: Option<f64>,
    pub(super) model: Option<String>,
    /// The mode of the session to choose.
    pub(super) mode: Option<String>,
    pub(super) yolo: bool,
    pub(super) setup_limit: Duration,
}

/// Answer that the client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientStage {
    Initializing,
    Opening(SessionOpening),
    Replaying,
    Choosing(ChoiceKind),
    Prompting,
    Cancelling,
    Over,
}

/// The call that opens the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionOpening {
    New,
    Resume,
    Load,
}

impl SessionOpening {
    fn method(self) -> &'static str {
        match self {
            Self::New => "session/new",
            Self::Resume => "session/resume",
            Self::Load => "session/load",
        }
    }
}

/// One conversation with an agent: initialize, open a session, one prompt.
#[derive(Debug)]
pub(super) struct AcpClient {
    run: ClientRun,
    stage: ClientStage,
    /// Changes whenever the time limit begins anew.
    steps: u64,
    /// The number of the last call.
    call: u64,
    /// Its answer is still to come: any other answer is passed over.
    is_awaiting: bool,
    agent: String,
    capabilities: Value,
    auth_methods: Value,
    session: String,
    /// The choices that are still to be made, with what the agent offers.
    choices: Vec<(ChoiceKind, Option<SessionChoice>)>,
    turn: PromptTurn,
    effects: Vec<ClientEffect>,
}

impl AcpClient {
    /// A client that has sent its first call, which is the first effect.
    pub(super) fn start(run: ClientRun) -> Self {
        let cost_before = if run.session.is_some() { run.session_cost } else { Some(0.0) };
        let mut client = Self {
            run,
            stage: ClientStage::Initializing,
            steps: 0,
            call: 0,
            is_awaiting: false,
            agent: String::new(),
            capabilities: Value::Null,
            auth_methods: Value::Null,
            session: String::new(),
            choices: Vec::new(),
            turn: PromptTurn::new(cost_before),
            effects: Vec::new(),
        };
        let capabilities = json!({
            "fs": {"readTextFile": false, "writeTextFile": false}, "terminal": false,
        });
        let info = json!({"name": "aq", "title": "aq", "version": env!("CARGO_PKG_VERSION")});
        let params = json!({
            "protocolVersion": VERSION, "clientCapabilities": capabilities, "clientInfo": info,
        });
        client.call(ClientStage::Initializing, "initialize", &params);
        client
    }

    /// The effects since the last call, in order.
    pub(super) fn take_effects(&mut self) -> Vec<ClientEffect> {
        std::mem::take(&mut self.effects)
    }

    /// The step that the client is at, and how long it may last; `None`: as long as it takes.
    pub(super) fn limit(&self) -> (u64, Option<Duration>) {
        let limit = match self.stage {
            ClientStage::Initializing => Some(self.run.setup_limit),
            ClientStage::Opening(_) => Some(OPEN_LIMIT),
            ClientStage::Replaying => Some(REPLAY_PAUSE),
            ClientStage::Choosing(_) => Some(CHOICE_LIMIT),
            ClientStage::Cancelling => Some(CANCEL_LIMIT),
            ClientStage::Prompting | ClientStage::Over => None,
        };
        (self.steps, limit)
    }

    /// The current step has lasted for its limit.
    pub(super) fn time_is_up(&mut self) {
        match self.stage {
            ClientStage::Replaying => self.choose(),
            ClientStage::Cancelling => self.end_cancelled(),
            ClientStage::Prompting | ClientStage::Over => {}
            ClientStage::Initializing | ClientStage::Opening(_) | ClientStage::Choosing(_) => {
                let seconds = self.limit().1.unwrap_or_default().as_secs();
                let what = self.awaited();
                self.fail(&format!(
                    "it has not answered {what} for {seconds} s; check that `argv` starts it as an \
                     agent of the Agent Client Protocol, and that it needs no terminal"
                ));
            }
        }
    }

    /// Takes one line of the agent's output.
    pub(super) fn line(&mut self, line: &[u8]) {
        if self.stage == ClientStage::Over {
            return;
        }
        match IncomingMessage::read(line) {
            IncomingMessage::Answer { id, outcome } if id == self.call && self.is_awaiting => {
                self.is_awaiting = false;
                self.answered(outcome);
            }
            IncomingMessage::Request { id, method, params } => self.asked(&id, &method, &params),
            IncomingMessage::Notification { method, params } => self.notified(&method, &params),
            IncomingMessage::Answer { .. } | IncomingMessage::Other => {}
            IncomingMessage::Broken => self.fail("it sent a message that is not valid JSON-RPC"),
        }
    }

    /// A line was too long to be kept; this is its beginning. Only news about the session can be
    /// spared.
    pub(super) fn oversized(&mut self, beginning: &[u8]) {
        let beginning = String::from_utf8_lossy(beginning);
        if self.stage == ClientStage::Over {
        } else if beginning.contains("\"session/update\"") {
            self.print(event::note("a message of the agent was too long and is left out"));
        } else {
            self.fail("it sent a message that is longer than 8 MiB");
        }
    }

    /// The agent's output has ended; `words` say how, and what it said last on standard error.
    pub(super) fn closed(&mut self, ending: &str, last_words: &str) {
        // Once the model has worked, they can hold what it read and wrote.
        let is_plain = !last_words.is_empty() && !self.turn.spoke && !self.turn.called;
        let last = if is_plain { format!(": {last_words}") } else { String::new() };
        match self.stage {
            ClientStage::Over => {}
            ClientStage::Cancelling => self.end_cancelled(),
            ClientStage::Prompting => {
                self.end_turn_early();
                self.fail(&format!("it ended in the middle of its turn ({ending}){last}"));
            }
            _ => {
                let what = self.awaited();
                self.fail(&format!("it ended before {what} ({ending}){last}"));
            }
        }
    }

    /// Somebody wants the run to end.
    pub(super) fn cancel(&mut self) {
        match self.stage {
            ClientStage::Over | ClientStage::Cancelling => {}
            ClientStage::Prompting => {
                let params = json!({"sessionId": self.session});
                self.send(message::notification("session/cancel", &params));
                self.enter(ClientStage::Cancelling);
            }
            _ => self.end_cancelled(),
        }
    }

    /// The agent cannot be talked with any longer.
    pub(super) fn fail(&mut self, reason: &str) {
        self.fail_with(&CallFailure { text: reason.to_owned(), code: None, status: None });
    }

    fn fail_with(&mut self, failure: &CallFailure) {
        if self.stage == ClientStage::Over {
            return;
        }
        self.print(event::error(&failure.text, failure.code, failure.status));
        self.finish(event::result(false, None, Some(&failure.text)), false);
    }

    fn finish(&mut self, result: Value, success: bool) {
        self.print(result);
        self.effects.push(ClientEffect::End { success });
        self.enter(ClientStage::Over);
    }

    fn end_cancelled(&mut self) {
        self.end_turn_early();
        let reason = Some("its turn was cancelled (cancelled)");
        self.finish(event::result(false, Some("cancelled"), reason), false);
    }

    /// Says what the turn has not said yet, when no answer to the prompt will come.
    fn end_turn_early(&mut self) {
        self.turn.end();
        self.print_turn();
    }

    fn enter(&mut self, stage: ClientStage) {
        self.stage = stage;
        self.steps += 1;
    }

    fn send(&mut self, line: String) {
        self.effects.push(ClientEffect::Send(line));
    }

    fn print(&mut self, event: Value) {
        self.effects.push(ClientEffect::Print(event));
    }

    fn print_turn(&mut self) {
        let events = self.turn.take_events();
        self.effects.extend(events.into_iter().map(ClientEffect::Print));
    }

    fn call(&mut self, stage: ClientStage, method: &str, params: &Value) {
        self.call += 1;
        self.send(message::request(self.call, method, params));
        self.is_awaiting = true;
        self.enter(stage);
    }

    /// The answer that is waited for, in words.
    fn awaited(&self) -> &'static str {
        match self.stage {
            ClientStage::Initializing => "initialize",
            ClientStage::Opening(opening) => opening.method(),
            ClientStage::Choosing(ChoiceKind::Model) => "the choice of a model",
            ClientStage::Choosing(ChoiceKind::Mode) => "the choice of a mode",
            ClientStage::Replaying => "the prompt",
            ClientStage::Prompting | ClientStage::Cancelling | ClientStage::Over => {
                "session/prompt"
            }
        }
    }

    fn answered(&mut self, outcome: Result<Value, Value>) {
        let failed = |error: Value, method: &str| CallFailure::of(&error, method);
        match (self.stage, outcome) {
            (ClientStage::Initializing, Ok(answer)) => self.initialized(&answer),
            (ClientStage::Opening(opening), Ok(answer)) => self.opened(opening, &answer),
            (ClientStage::Opening(opening), Err(error)) => {
                let failure = failed(error, opening.method());
                self.not_opened(opening, failure);
            }
            (ClientStage::Choosing(_), Ok(_)) => self.choose(),
            (ClientStage::Prompting | ClientStage::Cancelling, Ok(answer)) => self.ended(answer),
            (ClientStage::Cancelling, Err(_)) => self.end_cancelled(),
            (ClientStage::Prompting, Err(error)) => {
                self.end_turn_early();
                self.fail_with(&failed(error, "session/prompt"));
            }
            (stage, Err(error)) => {
                let what = self.awaited();
                let mut failure = failed(error, what);
                if let ClientStage::Choosing(kind) = stage {
                    let kind = kind.name();
                    failure.text =
                        format!("invalid settings: it refused the {kind}: {}", failure.text);
                }
                self.fail_with(&failure);
            }
            (ClientStage::Replaying | ClientStage::Over, Ok(_)) => {}
        }
    }

    fn prompt(&mut self) {
        let prompt = json!([{"type": "text", "text": self.run.prompt}]);
        let params = json!({"sessionId": self.session, "prompt": prompt});
        self.run.prompt = String::new();
        self.call(ClientStage::Prompting, "session/prompt", &params);
    }

    fn ended(&mut self, mut answer: Value) {
        if self.stage == ClientStage::Cancelling {
            // Some say "end_turn" all the same.
            answer = match answer {
                Value::Object(fields) => Value::Object(fields),
                _ => json!({}),
            };
            answer["stopReason"] = "cancelled".into();
        }
        let worked = self.turn.spoke || self.turn.called;
        let context = UsageContext {
            agent: &self.agent,
            resumed: self.run.session.is_some(),
            called_tools: self.turn.called,
            context_used: self.turn.context_used,
            cost_usd: self.turn.cost_usd.filter(|cost| worked || *cost > 0.0),
        };
        let usage = usage_event(&answer, context);
        let end = judge_turn(&answer, &mut self.turn, usage);
        self.effects.extend(end.events.into_iter().map(ClientEffect::Print));
        self.effects.push(ClientEffect::End { success: end.success });
        self.enter(ClientStage::Over);
    }

    fn asked(&mut self, id: &Value, method: &str, params: &Value) {
        if method != "session/request_permission" {
            return self.send(message::not_offered(id, method));
        }
        if self.stage == ClientStage::Cancelling {
            return self.send(message::answer(id, &cancelled()));
        }
        let answer = permission(params, self.run.yolo);
        // The request can be the first that is heard of the tool.
        if self.stage == ClientStage::Prompting && params["toolCall"].is_object() {
            let mut update = params["toolCall"].clone();
            update["sessionUpdate"] = "tool_call_update".into();
            self.turn.update(&update);
            self.print_turn();
        }
        if !answer.allowed {
            let tool = &params["toolCall"];
            let name = [&tool["title"], &tool["kind"]].map(title);
            let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or("a tool");
            self.print(event::denied(name));
            self.turn.refused = Some(name.to_owned());
        }
        self.send(message::answer(id, &answer.outcome));
    }

    /// Before the prompt, news of the session are its history.
    fn notified(&mut self, method: &str, params: &Value) {
        let is_at_work = matches!(self.stage, ClientStage::Prompting | ClientStage::Cancelling);
        let of_ours = params["sessionId"].as_str().is_none_or(|id| id == self.session);
        if method == "session/update" && is_at_work && of_ours {
            self.turn.update(&params["update"]);
            self.print_turn();
        }
    }
}
