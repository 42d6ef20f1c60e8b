//! Conversations with the client: lines of an agent in, effects out.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::client::{AcpClient, ClientEffect, ClientRun};

/// A client and everything that it did.
struct Talk {
    client: AcpClient,
    sent: Vec<Value>,
    events: Vec<Value>,
    end: Option<bool>,
}

fn run() -> ClientRun {
    ClientRun {
        prompt: "do it".to_owned(),
        cwd: "/work".to_owned(),
        setup_limit: Duration::from_secs(60),
        ..ClientRun::default()
    }
}

fn resuming() -> ClientRun {
    ClientRun { session: Some("s1".to_owned()), ..run() }
}

impl Talk {
    fn new(run: ClientRun) -> Self {
        let client = AcpClient::start(run);
        let mut talk = Self { client, sent: Vec::new(), events: Vec::new(), end: None };
        talk.collect();
        talk
    }

    fn collect(&mut self) {
        for effect in self.client.take_effects() {
            assert_eq!(self.end, None, "nothing follows the end");
            match effect {
                ClientEffect::Send(line) => self.sent.push(serde_json::from_str(&line).unwrap()),
                ClientEffect::Print(event) => self.events.push(event),
                ClientEffect::End { success } => self.end = Some(success),
            }
        }
    }

    fn line(&mut self, line: &str) {
        self.client.line(line.as_bytes());
        self.collect();
    }

    /// The answer to the last call.
    fn answer(&mut self, result: &Value) {
        let id =
            self.sent.iter().rev().find(|sent| sent["method"].is_string()).unwrap()["id"].clone();
        self.line(&json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
    }

    fn refuse(&mut self, code: i64, message: &str) {
        let id = self.sent.last().unwrap()["id"].clone();
        let error = json!({"code": code, "message": message});
        self.line(&json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string());
    }

    fn initialize(&mut self, capabilities: &Value) {
        self.answer(&json!({
            "protocolVersion": 1, "agentCapabilities": capabilities,
            "agentInfo": {"name": "It", "version": "1.2"},
        }));
    }

    fn update(&mut self, update: &Value) {
        let params = json!({"sessionId": "s1", "update": update});
        let message = json!({"jsonrpc": "2.0", "method": "session/update", "params": params});
        self.line(&message.to_string());
    }

    fn says(&mut self, text: &str) {
        let content = json!({"type": "text", "text": text});
        self.update(&json!({"sessionUpdate": "agent_message_chunk", "content": content}));
    }

    fn last_sent(&self) -> &Value {
        self.sent.last().unwrap()
    }

    fn last_method(&self) -> &str {
        self.last_sent()["method"].as_str().unwrap_or_default()
    }

    /// The words of the result.
    fn reason(&self) -> &str {
        let result = self.events.last().unwrap();
        assert_eq!(result["type"], "result");
        result["text"].as_str().unwrap_or_default()
    }

    fn types(&self) -> Vec<&str> {
        self.events.iter().map(|event| event["type"].as_str().unwrap()).collect()
    }
}

/// At work on its prompt.
fn prompted(run: ClientRun) -> Talk {
    let mut talk = Talk::new(run);
    talk.initialize(&json!({}));
    talk.answer(&json!({"sessionId": "s1"}));
    assert_eq!(talk.last_method(), "session/prompt");
    talk
}

fn ask(talk: &mut Talk) -> Value {
    let options = json!([
        {"optionId": "yes", "kind": "allow_once"}, {"optionId": "no", "kind": "reject_once"},
    ]);
    let tool = json!({"toolCallId": "1", "title": "rm x", "status": "pending"});
    let params = json!({"sessionId": "s1", "options": options, "toolCall": tool});
    let method = "session/request_permission";
    talk.line(
        &json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params}).to_string(),
    );
    assert_eq!(talk.last_sent()["id"], "a");
    talk.last_sent()["result"]["outcome"].clone()
}

#[test]
fn a_prompt_goes_from_start_to_end() {
    let mut talk = Talk::new(run());
    assert_eq!(talk.last_sent()["params"]["protocolVersion"], 1);
    assert_eq!(talk.last_sent()["params"]["clientCapabilities"]["terminal"], false);
    talk.initialize(&json!({"loadSession": true}));
    assert_eq!(talk.last_sent()["params"], json!({"cwd": "/work", "mcpServers": []}));
    talk.answer(
        &json!({"sessionId": "s1", "models": {"currentModelId": "m", "availableModels": []}}),
    );
    let text = &talk.last_sent()["params"]["prompt"][0]["text"];
    assert_eq!((talk.last_method(), text), ("session/prompt", &json!("do it")));
    assert_eq!(talk.client.limit().1, None, "a prompt takes as long as it takes");
    talk.says("do");
    talk.says("ne");
    talk.answer(&json!({"stopReason": "end_turn"}));
    assert_eq!(talk.types(), ["agent", "session", "model", "message", "result"]);
    assert_eq!((talk.end, &talk.events[3]["text"]), (Some(true), &json!("done")));
}

#[test]
fn permission_is_given_only_to_yolo() {
    let mut talk = prompted(ClientRun { yolo: true, ..run() });
    assert_eq!(ask(&mut talk), json!({"outcome": "selected", "optionId": "yes"}));
    assert!(!talk.types().contains(&"denied"));
    let mut talk = prompted(run());
    assert_eq!(ask(&mut talk), json!({"outcome": "selected", "optionId": "no"}));
    assert_eq!(talk.events.last(), Some(&json!({"type": "denied", "tool": "rm x"})));
}

#[test]
fn session_is_resumed_or_loaded() {
    let mut talk = Talk::new(resuming());
    talk.initialize(&json!({"loadSession": true, "sessionCapabilities": {"resume": {}}}));
    assert_eq!(talk.last_method(), "session/resume");
    talk.refuse(-32601, "Method not found");
    assert_eq!(
        (talk.last_method(), &talk.last_sent()["params"]["sessionId"]),
        ("session/load", &json!("s1"))
    );
    talk.says("of an earlier run");
    talk.answer(&json!({}));
    talk.says("of an earlier run");
    talk.client.time_is_up();
    talk.collect();
    assert_eq!(talk.last_method(), "session/prompt");
    talk.answer(&json!({"stopReason": "end_turn"}));
    assert_eq!(talk.types(), ["agent", "session", "result"]);
    assert!(talk.reason().contains("without a word"), "a replay is no work");
}

#[test]
fn a_session_that_is_not_there_is_gone() {
    for (capabilities, refused) in [
        (
            json!({"loadSession": true}),
            Some((-32603, "Internal error: No previous sessions found")),
        ),
        (json!({"sessionCapabilities": {"resume": {}}}), Some((-32002, "Resource not found"))),
        (json!({}), None),
    ] {
        let mut talk = Talk::new(resuming());
        talk.initialize(&capabilities);
        if let Some((code, words)) = refused {
            talk.refuse(code, words);
        }
        assert_eq!(talk.types(), ["agent", "session_gone", "result"]);
        assert_eq!(talk.end, Some(false));
    }
    let mut talk = Talk::new(resuming());
    talk.initialize(&json!({"loadSession": true}));
    talk.refuse(-32000, "Authentication required");
    assert_eq!(talk.types(), ["agent", "error", "result"]);
}

#[test]
fn a_model_is_chosen_where_there_is_a_choice() {
    let model = |name: &str| ClientRun { model: Some(name.to_owned()), ..run() };
    let models = json!({"models": {
        "currentModelId": "a", "availableModels": [{"modelId": "a"}, {"modelId": "b"}],
    }});
    let opened = |name: &str, answer: &Value| {
        let mut talk = Talk::new(model(name));
        talk.initialize(&json!({}));
        let mut answer = answer.clone();
        answer["sessionId"] = "s1".into();
        talk.answer(&answer);
        talk
    };
    let mut talk = opened("b", &models);
    assert_eq!(talk.last_sent()["params"], json!({"sessionId": "s1", "modelId": "b"}));
    talk.answer(&json!({}));
    assert_eq!(talk.last_method(), "session/prompt");
    let mut talk = opened("b", &models);
    talk.refuse(-32603, "no access");
    assert_eq!(talk.reason(), "invalid settings: it refused the model: no access");
    assert_eq!(opened("a", &models).last_method(), "session/prompt");
    assert_eq!(
        opened("c", &models).reason(),
        "invalid settings: model not found: it has no model c; it has a, b"
    );
    let talk = opened("c", &json!({}));
    assert_eq!((talk.last_method(), talk.types().last()), ("session/prompt", Some(&"note")));
}

#[test]
fn mode_is_chosen_after_model() {
    let answer = json!({"sessionId": "s1",
        "models": {"currentModelId": "a", "availableModels": [{"modelId": "b"}]},
        "modes": {"currentModeId": "ask", "availableModes": [{"id": "ask"}, {"id": "yolo"}]},
    });
    let opened = |mode: &str, answer: &Value| {
        let (model, mode) = (Some("b".to_owned()), Some(mode.to_owned()));
        let mut talk = Talk::new(ClientRun { model, mode, ..run() });
        talk.initialize(&json!({}));
        talk.answer(answer);
        talk.answer(&json!({}));
        talk
    };
    let mut talk = opened("yolo", &answer);
    assert_eq!(talk.last_sent()["params"], json!({"sessionId": "s1", "modeId": "yolo"}));
    talk.answer(&json!({}));
    assert_eq!(talk.last_method(), "session/prompt");
    assert_eq!(opened("ask", &answer).last_method(), "session/prompt");
    let reason = "invalid settings: mode not found: it has no mode all; it has ask, yolo";
    assert_eq!(opened("all", &answer).reason(), reason);
    assert!(opened("all", &json!({"sessionId": "s1"})).reason().contains("offers no modes"));
}

#[test]
fn cancelled_turn_waits_for_end() {
    let mut talk = prompted(run());
    talk.client.cancel();
    talk.collect();
    assert_eq!(talk.last_method(), "session/cancel");
    assert_eq!(talk.client.limit().1, Some(Duration::from_secs(5)));
    assert_eq!(ask(&mut talk), json!({"outcome": "cancelled"}));
    talk.says("bye");
    let call =
        talk.sent.iter().find(|sent| sent["method"] == "session/prompt").unwrap()["id"].clone();
    talk.line(
        &json!({"jsonrpc": "2.0", "id": call, "result": {"stopReason": "end_turn"}}).to_string(),
    );
    assert_eq!(
        (talk.end, &talk.events.last().unwrap()["stop_reason"]),
        (Some(false), &json!("cancelled"))
    );

    for early in [Talk::new(run()), prompted(run())] {
        let mut talk = early;
        talk.client.cancel();
        talk.client.time_is_up();
        talk.collect();
        assert_eq!((talk.end, talk.reason()), (Some(false), "its turn was cancelled (cancelled)"));
    }
}

#[test]
fn other_requests_are_refused_in_words() {
    let mut talk = prompted(run());
    for method in ["fs/read_text_file", "terminal/create", "craft/drainMidTurnQueue"] {
        talk.line(&json!({"jsonrpc": "2.0", "id": 9, "method": method, "params": {}}).to_string());
        let error = &talk.last_sent()["error"];
        assert_eq!((&talk.last_sent()["id"], &error["code"]), (&json!(9), &json!(-32601)));
        assert!(error["message"].as_str().unwrap().starts_with(method));
    }
    talk.line(r#"{"jsonrpc":"2.0","method":"_auth/status_update","params":{}}"#);
    assert_eq!((talk.end, talk.types()), (None, vec!["agent", "session"]));
}

#[test]
fn another_version_is_refused() {
    for version in [json!(2), json!("1"), json!(null)] {
        let mut talk = Talk::new(run());
        talk.answer(&json!({"protocolVersion": version}));
        assert!(talk.reason().contains(&format!("speaks version {version}")), "{}", talk.reason());
    }
}

#[test]
fn signing_in_is_explained() {
    let mut talk = Talk::new(run());
    let methods = json!([
        {"id": "a", "name": "Log in", "description": "Run `it login`"}, {"name": "Key"}, {}, 5,
    ]);
    talk.answer(&json!({"protocolVersion": 1, "authMethods": methods}));
    talk.refuse(-32000, "Authentication required");
    let ways = "ways to sign in that it names: Log in (Run `it login`), Key";
    assert_eq!(talk.reason(), format!("Authentication required; {ways}"));
    assert_eq!(talk.events[0]["status"], 401);
}

#[test]
fn setup_ends_in_words_when_nobody_answers() {
    let mut talk = Talk::new(run());
    assert_eq!(talk.client.limit().1, Some(Duration::from_secs(60)));
    talk.client.time_is_up();
    talk.collect();
    assert!(talk.reason().starts_with("it has not answered initialize for 60 s"));
    let mut talk = Talk::new(run());
    talk.client.closed("exit code 1", "Error: no key");
    talk.collect();
    assert_eq!(talk.reason(), "it ended before initialize (exit code 1): Error: no key");
}

#[test]
fn an_agent_that_dies_at_work_keeps_its_words() {
    let mut talk = prompted(run());
    talk.says("half");
    talk.client.closed("signal: 9 (SIGKILL)", "what it read");
    talk.collect();
    assert_eq!(talk.types(), ["agent", "session", "message", "error", "result"]);
    assert_eq!(talk.reason(), "it ended in the middle of its turn (signal: 9 (SIGKILL))");
    let mut talk = prompted(run());
    talk.client.closed("exit code 1", "Error: no key");
    talk.collect();
    assert_eq!(talk.reason(), "it ended in the middle of its turn (exit code 1): Error: no key");
}

#[test]
fn what_means_nothing_is_passed_over() {
    let mut talk = prompted(run());
    for line in [
        "",
        "hello",
        "{",
        "[]",
        "null",
        "{\"id\":99,\"result\":{\"stopReason\":\"end_turn\"}}",
        "{\"id\":\"3\",\"result\":{}}",
        "{\"method\":7}",
        "{\"jsonrpc\":\"2.0\"}",
        "{\"method\":\"session/update\",\"params\":{\"sessionId\":\"other\",\
        \"update\":{\"sessionUpdate\":\"plan\",\"entries\":[5]}}}",
    ] {
        talk.line(line);
        assert_eq!((talk.end, talk.events.len()), (None, 2), "{line}");
    }
    talk.client.oversized(b"{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",");
    talk.collect();
    assert_eq!((talk.end, talk.types().last()), (None, Some(&"note")));
}

#[test]
fn lost_answer_ends_the_run() {
    let mut talk = prompted(run());
    talk.line("{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"stopReason\"");
    assert!(talk.reason().contains("not valid JSON-RPC"));
    let mut talk = prompted(run());
    talk.client.oversized(b"{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":");
    talk.collect();
    assert!(talk.reason().contains("longer than 8 MiB"));
    // Nothing comes after the end.
    talk.line("{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}");
    talk.client.cancel();
    talk.client.closed("", "");
    talk.client.time_is_up();
    talk.collect();
}

/// Lines of a whole conversation, with the session's history.
static CONVERSATION: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("conversation.jsonl").lines().collect());

/// One thing done to a conversation.
#[derive(Clone, Debug)]
enum Mischief {
    Line(usize),
    /// Cut here, of so many thousandths of it.
    Cut(usize, usize),
    /// One byte is another one.
    Garbled(usize, usize, u8),
    /// One value of it is another one.
    Replaced(usize, usize, usize),
    TimeIsUp,
    Cancel,
}

fn mischief() -> impl Strategy<Value = Mischief> {
    let line = 0..CONVERSATION.len();
    prop_oneof![
        6 => line.clone().prop_map(Mischief::Line),
        1 => (line.clone(), 0..1000_usize).prop_map(|(line, at)| Mischief::Cut(line, at)),
        2 => (line.clone(), 0..1000_usize, any::<u8>())
            .prop_map(|(line, at, byte)| Mischief::Garbled(line, at, byte)),
        4 => (line, 0..40_usize, 0..8_usize)
            .prop_map(|(line, at, value)| Mischief::Replaced(line, at, value)),
        1 => Just(Mischief::TimeIsUp),
        1 => Just(Mischief::Cancel),
    ]
}

/// Puts another value in place of the one that comes `at` in order.
fn replace(value: &mut Value, at: &mut usize, with: &Value) {
    if *at == 0 {
        *value = with.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, at, with)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, at, with)),
        _ => {}
    }
}

fn do_to(talk: &mut Talk, what: &Mischief) {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("end_turn"),
        json!([[]]),
        json!({"text": {}}),
    ];
    match what {
        Mischief::Line(line) => talk.line(CONVERSATION[*line]),
        Mischief::Cut(line, at) => {
            let text = CONVERSATION[*line];
            talk.line(&text[..text.len() * at / 1000]);
        }
        Mischief::Garbled(line, at, byte) => {
            let mut bytes = CONVERSATION[*line].as_bytes().to_vec();
            let at = bytes.len() * at / 1000;
            bytes[at] = *byte;
            talk.client.line(&bytes);
        }
        Mischief::Replaced(line, at, value) => {
            let mut message: Value = serde_json::from_str(CONVERSATION[*line]).unwrap();
            replace(&mut message, &mut at.clone(), &values[*value]);
            talk.line(&message.to_string());
        }
        Mischief::TimeIsUp => talk.client.time_is_up(),
        Mischief::Cancel => talk.client.cancel(),
    }
    talk.collect();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_conversation_panics_or_ends_twice(
        acts in prop::collection::vec(mischief(), 0..20),
        resumes in any::<bool>(),
        model in any::<bool>(),
    ) {
        let mut run = if resumes { resuming() } else { run() };
        run.model = model.then(|| "m".to_owned());
        let mut talk = Talk::new(run);
        for act in &acts {
            do_to(&mut talk, act);
        }
        talk.client.closed("exit code 0", "");
        talk.collect();
        // The end of the output is always the end of the run.
        prop_assert!(talk.end.is_some());
        prop_assert_eq!(talk.events.last().map(|event| &event["type"]), Some(&json!("result")));
        let results = talk.types().into_iter().filter(|kind| *kind == "result").count();
        prop_assert_eq!(results, 1);
    }
}
