//! Numbers that engines leave in files, of runs that were ended before they said them.

use std::fs;

use aq_runner::engine::{EndedBy, LeftBehind, SettledUsage};

use crate::{NOW, Run, registry, run};

const SESSION: &str = "7c8b20cc-7c4a-4d1f";
const INIT: &str = r#"{"type":"init","session_id":"7c8b20cc-7c4a-4d1f","model":"flash"}
{"type":"tool_use","tool_name":"run_shell_command"}
"#;

fn answer(id: &str, at: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"timestamp\":\"2026-11-22T{at}Z\",\"type\":\"gemini\",\
        \"tokens\":{{\"input\":1234,\"output\":56,\"cached\":200,\"thoughts\":7,\"tool\":0,\
        \"total\":1297}},\"model\":\"flash-2\"}}"
    )
}

fn head(session: &str) -> String {
    format!("{{\"sessionId\":\"{session}\",\"kind\":\"main\"}}\n")
}

/// The usage of a run of `gemini` that was ended in its first tool.
fn ended(files: &[(&str, String)]) -> SettledUsage {
    let home = tempfile::tempdir().unwrap();
    let chats = home.path().join(".gemini/tmp/repo/chats");
    fs::create_dir_all(&chats).unwrap();
    for (name, text) in files {
        fs::write(chats.join(name), text).unwrap();
    }
    let ended = Run { ended: EndedBy::Aq, ..run("gemini", 0, INIT, "") };
    let files = LeftBehind {
        usage_file: None,
        env: &|name| (name == "HOME").then(|| home.path().into()),
        started: NOW.parse().unwrap(),
    };
    registry().usage("gemini", &ended.verdict(), &files, Some(SESSION), None)
}

#[test]
fn a_chat_has_the_numbers_of_an_ended_run() {
    let user = r#"{"id":"u","timestamp":"2026-11-22T12:00:01Z","type":"user","content":[]}"#;
    let lines = [
        answer("old", "11:59:59"),
        user.to_owned(),
        answer("a", "12:00:01"),
        answer("a", "12:00:01"),
        answer("b", "12:00:02"),
        "{\"id\":\"torn".to_owned(),
    ];
    let settled = ended(&[
        ("session-2026-11-22T11-59-7c8b20cc.jsonl", head(SESSION) + &lines.join("\n")),
        // A resumed run makes a file too, and goes on in the first one.
        ("session-2026-11-22T12-00-7c8b20cc.jsonl", head(SESSION)),
    ]);
    let used = settled.run;
    assert_eq!((used.input_tokens, used.cached_tokens), (Some(2068), Some(400)));
    assert_eq!((used.output_tokens, used.reasoning_tokens), (Some(112), Some(14)));
}

#[test]
fn chats_of_others_are_not_read() {
    let name = "session-2026-11-22T12-00-7c8b20cc.jsonl";
    let text = |session: &str| head(session) + &answer("a", "12:00:01");
    assert_eq!(ended(&[(name, text(SESSION))]).run.output_tokens, Some(56));
    assert!(ended(&[(name, text("7c8b20cc-other"))]).run.is_empty());
    assert!(ended(&[(name, answer("a", "12:00:01"))]).run.is_empty());
    assert!(ended(&[("session-x-00000000.jsonl", text(SESSION))]).run.is_empty());
    assert!(ended(&[]).run.is_empty());
}
