use std::ffi::OsString;
use std::fs;

use jiff::Timestamp;

use crate::engine::testing::{judged, plain_and_full, registry, why};
use crate::engine::{LeftBehind, ProcessExit};

const START: &str = concat!(
    r#"{"type":"thread.started","thread_id":"01a2-0341"}"#,
    "\n",
    r#"{"type":"item.completed","item":{"id":"item_0","type":"error","message":"a warning"}}"#,
    "\n",
    r#"{"type":"turn.started"}"#,
    "\n",
);
const SAID: &str =
    r#"{"type":"item.completed","item":{"id":"item_1","type":"agent_message","text":"done"}}"#;
const OK: &str = r#"{"type":"turn.completed","usage":{"input_tokens":1234}}"#;

#[test]
fn argv() {
    let [plain, full] = plain_and_full("codex");
    let start = "exec --json --skip-git-repo-check -c analytics.enabled=false";
    assert_eq!(plain, format!("{start} -s workspace-write -"));
    assert_eq!(
        full,
        format!(
            "{start} --dangerously-bypass-approvals-and-sandbox -m big --extra two words \
             resume 0a-1b -"
        )
    );
}

#[test]
fn success_is_a_completed_turn() {
    let verdict = judged("codex", &format!("{START}{SAID}\n{OK}\n"), ProcessExit::Code(0));
    assert!(verdict.success);
    assert_eq!(verdict.session_id.as_deref(), Some("01a2-0341"));
    assert_eq!(verdict.final_text.as_deref(), Some("done"));
    assert_eq!((verdict.turns, verdict.model), (Some(1), None));
}

#[test]
fn a_turn_without_a_model_call_is_no_success() {
    let none = r#"{"type":"turn.completed","usage":{"input_tokens":0,"output_tokens":0}}"#;
    let verdict = judged("codex", &format!("{START}{none}\n"), ProcessExit::Code(0));
    assert_eq!(why(verdict), "codex: it called no model");
    assert!(judged("codex", &format!("{START}{SAID}\n{none}\n"), ProcessExit::Code(0)).success);
}

#[test]
fn failed_turn_gives_its_reason() {
    let again = r#"{"type":"error","message":"Reconnecting... 5/5 (unexpected status 401)"}"#;
    let failed =
        r#"{"type":"turn.failed","error":{"message":"unexpected status 401 Unauthorized"}}"#;
    let verdict = judged("codex", &format!("{START}{again}\n{failed}\n"), ProcessExit::Code(1));
    assert_eq!(verdict.session_id.as_deref(), Some("01a2-0341"));
    assert_eq!(why(verdict), "codex: unexpected status 401 Unauthorized");
    // An error that it got over is none.
    let verdict = judged("codex", &format!("{START}{again}\n{SAID}\n"), ProcessExit::Code(3));
    assert_eq!(why(verdict), "codex: exit code 3");
}

#[test]
fn a_killed_or_cut_run_is_no_success() {
    assert_eq!(why(judged("codex", START, ProcessExit::Signal(15))), "codex: killed by signal 15");
    assert_eq!(
        why(judged("codex", &format!("{START}{SAID}\n{}", &OK[..30]), ProcessExit::Code(0))),
        "codex: exit code 0, but without a turn.completed event"
    );
    assert!(!judged("codex", &format!("{START}{OK}\n"), ProcessExit::Code(1)).success);
}

#[test]
fn a_declined_command_is_counted() {
    let item =
        r#"{"type":"item.completed","item":{"type":"command_execution","status":"declined"}}"#;
    let verdict = judged("codex", &format!("{START}{item}\n{OK}\n"), ProcessExit::Code(0));
    assert_eq!((verdict.success, verdict.permission_denials), (true, 1));
}

#[test]
fn windows_are_in_its_rollout() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("sessions/2026/11/30");
    fs::create_dir_all(&dir).unwrap();
    let line = |used: &str| {
        format!(
            "{{\"type\":\"event_msg\",\"payload\":{{\"type\":\"token_count\",\
            \"rate_limits\":{{\"limit_id\":\"codex\",\"primary\":{{\"used_percent\":{used},\
            \"window_minutes\":300,\"resets_at\":1796041750}},\"secondary\":null}}}}}}"
        )
    };
    let text = format!("{}\n{}\n", line("41.0"), line("42.5"));
    fs::write(dir.join("rollout-x-01a2-0341.jsonl"), text).unwrap();
    let env = |name: &str| (name == "CODEX_HOME").then(|| OsString::from(home.path()));
    let started = Timestamp::UNIX_EPOCH;
    let files = LeftBehind { usage_file: None, env: &env, started };
    let verdict = judged("codex", &format!("{START}{SAID}\n{OK}\n"), ProcessExit::Code(0));
    let windows = registry().usage("codex", &verdict, &files, None, None).windows;
    let shown: Vec<(&str, f64)> =
        windows.iter().map(|window| (window.name.as_str(), window.used_percent)).collect();
    assert_eq!(shown, [("5-hour", 42.5)]);
}
