//! Agents of the Agent Client Protocol, from outside: what they are asked, what their answers come
//! to, and what no answer comes to.

mod agent;

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::sandbox::{Sandbox, wait_child, wait_for};

pub(crate) use agent::FakeAgent;

const WORKS: &str = "tool t pending\necho x >w\ntool t completed\nwords Done.\n\
    finish ',\"usage\":{\"totalTokens\":30,\"inputTokens\":20,\"outputTokens\":10,\
    \"cachedReadTokens\":5}'";

fn with_agent(acts: &[(&str, &str)]) -> (Sandbox, FakeAgent) {
    let sandbox = Sandbox::with_repository();
    let agent = FakeAgent::new(&sandbox.path("fake"), acts);
    sandbox.acp_engines(&[("fake", &agent)]);
    (sandbox, agent)
}

fn run_once(sandbox: &Sandbox, name: &str, front: &str) -> i32 {
    sandbox.add_for(name, &format!("engine: fake\n{front}"), "Do it.");
    sandbox.code(&["run", "--once"]).0
}

/// Gives an adapter its prompt, and answers its events when it has ended, and its exit code.
fn ended(mut adapter: Child) -> (i32, Vec<Value>) {
    drop(adapter.stdin.take());
    let mut stdout = adapter.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        text
    });
    let code = wait_child(&mut adapter);
    let text = reader.join().unwrap();
    (code, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn reason(events: &[Value]) -> &str {
    let result = events.last().unwrap();
    assert_eq!((&result["type"], &result["success"]), (&"result".into(), &false.into()));
    result["text"].as_str().unwrap()
}

#[test]
fn agent_works_over_the_protocol() {
    let (sandbox, agent) = with_agent(&[("prompt", WORKS)]);
    assert_eq!(run_once(&sandbox, "a", "yolo: true\nargs: [--more]"), 0);
    assert_eq!(sandbox.folders("a"), ["testing"]);
    assert_eq!(sandbox.on_branch("a", "w"), "x");
    assert_eq!(sandbox.meta_value("a", "session_id"), "s1");
    assert_eq!(sandbox.meta_value("a", "input_tokens"), "15");
    assert_eq!(sandbox.meta_value("a", "cached_tokens"), "5");
    assert_eq!(sandbox.meta_value("a", "exit"), "0");
    assert!(agent.runs()[0].ends_with(" --acp --all --more"), "{:?}", agent.runs());
    assert_eq!(agent.heard("Do it.").len(), 1);
    assert_eq!(sandbox.agents(), []);
}

#[test]
fn permission_is_given_only_with_yolo() {
    let answered = "case $line in *yes*) echo x >w;; esac\nwords Done.\nfinish";
    let (sandbox, _agent) = with_agent(&[("prompt", "ask"), ("answer", answered)]);
    assert_eq!(run_once(&sandbox, "with", "yolo: true"), 0);
    assert_eq!(sandbox.on_branch("with", "w"), "x");
    assert_eq!(sandbox.meta_value("with", "permission_denials"), "");
    assert_eq!(run_once(&sandbox, "without", ""), 0);
    assert_eq!(sandbox.meta_value("without", "permission_denials"), "1");
    assert!(sandbox.log("without").contains("refused 1 tool calls for lack of permission"));
}

#[test]
fn further_attempt_loads_the_session() {
    let (sandbox, agent) = with_agent(&[("prompt", WORKS)]);
    let front = "retry: {max: 2, backoff: 0s}\nverify: 'test -e seen || { touch seen; exit 1; }'";
    assert_eq!(run_once(&sandbox, "a", front), 0);
    assert_eq!(sandbox.meta_value("a", "attempts"), "2");
    assert_eq!(agent.heard("session/load").len(), 1);
    assert_eq!(agent.heard("Do it.").len(), 1, "a session knows its prompt");
    assert_eq!(agent.heard("session/prompt").len(), 2);
}

#[test]
fn a_session_that_is_gone_costs_no_attempt() {
    let gone = concat!(
        r#"refuse '{"code":-32603,"message":"Internal error","#,
        r#""data":{"details":"No previous sessions found"}}'"#,
    );
    let (sandbox, agent) = with_agent(&[("prompt", WORKS), ("load", gone)]);
    let front = "retry: {max: 2, backoff: 0s}\nverify: 'test -e seen || { touch seen; exit 1; }'";
    assert_eq!(run_once(&sandbox, "a", front), 0);
    assert_eq!(sandbox.meta_value("a", "attempts"), "2");
    assert_eq!(agent.runs().len(), 3);
    assert_eq!(agent.heard("Do it.").len(), 2, "a fresh session gets the whole prompt");
    assert!(sandbox.log("a").contains("its engine does not know the session any more"));
}

#[test]
fn a_time_limit_ends_agent_and_tool() {
    let (sandbox, _agent) =
        with_agent(&[("prompt", "tool t pending\nsetsid sleep 1000 &\nsleep 1000")]);
    assert_eq!(run_once(&sandbox, "a", "timeout: 1s"), 1);
    assert_eq!(sandbox.meta_value("a", "result"), "timeout");
    assert_eq!(sandbox.meta_value("a", "session_id"), "s1");
    assert_eq!(sandbox.agents(), []);
}

#[test]
fn a_wrong_key_is_known_in_every_shape() {
    let key = "401 Incorrect API key provided";
    let shapes = [
        (
            "bare",
            "prompt",
            format!(r#"refuse '{{"code":-32603,"message":"Internal error: {key}"}}'"#),
        ),
        (
            "data",
            "prompt",
            format!(
                "refuse '{{\"code\":-32603,\"message\":\"Internal \
                error\",\"data\":{{\"details\":\"{key}\"}}}}'"
            ),
        ),
        ("required", "prompt", r#"refuse '{"code":-32000,"message":"no"}'"#.to_owned()),
        (
            "vendor",
            "prompt",
            r#"refuse '{"code":-31002,"message":"Invalid API key","data":null}'"#.to_owned(),
        ),
        ("status", "prompt", r#"refuse '{"code":400,"message":"API key not valid."}'"#.to_owned()),
        (
            "said",
            "prompt",
            "words 'Info: again.'\nwords 'Error: Authentication failed (HTTP 401).'\nfinish"
                .to_owned(),
        ),
        (
            "start",
            "new",
            r#"refuse '{"code":-32000,"message":"Authentication required"}'"#.to_owned(),
        ),
        ("stderr", "initialize", "echo 'Error: not logged in' >&2; exit 1".to_owned()),
    ];
    let sandbox = Sandbox::with_repository();
    let agents: Vec<FakeAgent> = shapes
        .iter()
        .map(|(name, event, act)| FakeAgent::new(&sandbox.path(name), &[(event, act)]))
        .collect();
    let engines: Vec<(&str, &FakeAgent)> =
        shapes.iter().zip(&agents).map(|((name, ..), agent)| (*name, agent)).collect();
    sandbox.acp_engines(&engines);
    for (name, _) in &engines {
        sandbox.add_for(name, &format!("engine: {name}"), "Do it.");
    }
    sandbox.code(&["run", "--once", "--max", "2"]);
    for (name, _) in &engines {
        assert_eq!(
            sandbox.meta_value(name, "engine_error"),
            "auth",
            "{name}: {}",
            sandbox.log(name)
        );
        assert_eq!(sandbox.meta_value(name, "attempts"), "", "{name}");
        assert_eq!(sandbox.folders(name), ["inbox"]);
    }
}

#[test]
fn an_agent_without_a_word_is_no_success() {
    let (sandbox, _agent) = with_agent(&[("prompt", "finish")]);
    assert_eq!(run_once(&sandbox, "a", ""), 1);
    assert!(sandbox.log("a").contains("it ended its turn without a word"));
}

#[test]
fn an_agent_that_never_answers_is_ended() {
    let sandbox = Sandbox::new();
    let stubborn = "trap '' TERM\nwhile :; do sleep 1; done";
    let agent = FakeAgent::new(&sandbox.path("fake"), &[("initialize", stubborn)]);
    let (code, events) = ended(sandbox.adapter(&["--setup-limit", "1"], &agent));
    assert_eq!(code, 1);
    assert!(reason(&events).starts_with("it has not answered initialize for 1 s"), "{events:?}");
    wait_for("its end", || sandbox.agents().is_empty());
}

#[test]
fn an_agent_that_stays_afterwards_is_ended() {
    let sandbox = Sandbox::new();
    let agent = FakeAgent::new(&sandbox.path("fake"), &[("end", "exec sleep 1000")]);
    let (code, events) = ended(sandbox.adapter(&[], &agent));
    assert_eq!((code, &events.last().unwrap()["success"]), (0, &true.into()));
    wait_for("its end", || sandbox.agents().is_empty());
}

#[test]
fn a_signal_cancels_the_turn() {
    let sandbox = Sandbox::new();
    let cancelled = r#"id=$prompt; reply '{"stopReason":"cancelled"}'"#;
    let acts = [("prompt", "tool t pending"), ("cancel", cancelled)];
    let agent = FakeAgent::new(&sandbox.path("fake"), &acts);
    let mut adapter = sandbox.adapter(&[], &agent);
    drop(adapter.stdin.take());
    wait_for("the prompt", || !agent.heard("session/prompt").is_empty());
    kill(Pid::from_raw(adapter.id().cast_signed()), Signal::SIGTERM).unwrap();
    let (code, events) = ended(adapter);
    assert_eq!((code, &events.last().unwrap()["stop_reason"]), (1, &"cancelled".into()));
    assert_eq!(agent.heard("session/cancel").len(), 1);
}

#[test]
fn second_signal_ends_at_once() {
    let sandbox = Sandbox::new();
    let agent = FakeAgent::new(&sandbox.path("fake"), &[("prompt", "tool t pending")]);
    let mut adapter = sandbox.adapter(&[], &agent);
    drop(adapter.stdin.take());
    wait_for("the prompt", || !agent.heard("session/prompt").is_empty());
    let pid = Pid::from_raw(adapter.id().cast_signed());
    kill(pid, Signal::SIGTERM).unwrap();
    wait_for("its cancelling", || !agent.heard("session/cancel").is_empty());
    kill(pid, Signal::SIGTERM).unwrap();
    let (code, events) = ended(adapter);
    assert_eq!((code, events.last().unwrap()["type"].as_str()), (1, Some("tool")));
    wait_for("its end", || sandbox.agents().is_empty());
}

#[test]
fn floods_and_noise_are_got_over() {
    let noisy = "\
        seq 3000 | while read n; do say \"\\\"id\\\":$n,\\\"method\\\":\\\"fs/x\\\"\"; done\n\
        printf '{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{\"x\":\"'\n\
        head -c 9000000 /dev/zero | tr '\\0' x; echo '\"}}'\n\
        echo 'no json at all'; echo '{\"half\":'; head -c 5000 /dev/urandom | tr -d '{'; echo\n\
        words Done.\nfinish";
    let (sandbox, agent) = with_agent(&[("prompt", noisy)]);
    assert_eq!(run_once(&sandbox, "a", ""), 0, "{}", sandbox.log("a"));
    assert_eq!(sandbox.folders("a"), ["testing"]);
    assert!(sandbox.log("a").contains("was too long and is left out"));
    wait_for("all answers", || agent.heard("-32601").len() == 3000);
}

#[test]
fn an_agent_that_does_not_read_is_ended() {
    let sandbox = Sandbox::new();
    let deaf = "while :; do say '\"id\":1,\"method\":\"fs/x\"'; done";
    let agent = FakeAgent::new(&sandbox.path("fake"), &[("prompt", deaf)]);
    let (code, events) = ended(sandbox.adapter(&[], &agent));
    assert_eq!((code, reason(&events)), (1, "it asks and does not read the answers"));
    wait_for("its end", || sandbox.agents().is_empty());
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    let agent = FakeAgent::new(&sandbox.path("fake"), &[]);
    fs::remove_file(agent.program()).unwrap();
    let mut adapter = sandbox.adapter(&[], &agent);
    adapter.stdin.take().unwrap().write_all(b"Do it.").unwrap();
    let (code, events) = ended(adapter);
    assert_eq!(code, 1);
    assert!(reason(&events).starts_with("cannot start /"), "{events:?}");
}
