use crate::engine::testing::{command, job, judged, judged_with, plain_and_full, registry, why};
use crate::engine::{EndedBy, EngineInvocation, ErrorClass, ProcessExit};

const INIT: &str = concat!(
    r#"{"type":"system","subtype":"init","session_id":"a05d-88f1","tools":["Bash"],"#,
    r#""model":"claude-opus-4-8"}"#,
);
const ASSISTANT: &str =
    r#"{"type":"assistant","message":{"content":[]},"parent_tool_use_id":null}"#;
const OK: &str = concat!(
    r#"{"num_turns":2,"is_error":false,"subtype":"success","result":"done","#,
    r#""session_id":"a05d-88f1","type":"result","permission_denials":[]}"#,
);

#[test]
fn argv() {
    let [plain, full] = plain_and_full("claude");
    assert_eq!(plain, "-p --output-format stream-json --verbose --permission-mode acceptEdits");
    assert_eq!(
        full,
        "-p --output-format stream-json --verbose --dangerously-skip-permissions \
         --model big --resume 0a-1b --extra two words"
    );
}

#[test]
fn only_root_without_checks_needs_the_sandbox_variable() {
    for (yolo, is_root, set) in [(true, true, true), (true, false, false), (false, true, false)] {
        let command = command("claude", &EngineInvocation { yolo, is_root, ..job() });
        let found = command.env_set.iter().any(|pair| *pair == ("IS_SANDBOX".into(), "1".into()));
        assert_eq!(found, set, "yolo {yolo}, root {is_root}");
        assert_eq!(command.stdin.as_deref(), Some(&b"do it"[..]));
    }
}

#[test]
fn success_is_its_result_event() {
    let verdict = judged("claude", &format!("{INIT}\n{ASSISTANT}\n{OK}"), ProcessExit::Code(0));
    assert!(verdict.success);
    assert_eq!(verdict.session_id.as_deref(), Some("a05d-88f1"));
    assert_eq!(verdict.model.as_deref(), Some("claude-opus-4-8"));
    assert_eq!(verdict.final_text.as_deref(), Some("done"));
    assert_eq!((verdict.turns, verdict.permission_denials), (Some(2), 0));
}

#[test]
fn success_without_a_model_call_is_none() {
    let none = concat!(
        r#"{"type":"result","subtype":"success","is_error":false,"num_turns":0,"result":"","#,
        r#""usage":{"input_tokens":0,"output_tokens":0},"modelUsage":{}}"#,
    );
    let blocked = concat!(
        r#"{"type":"system","subtype":"informational","content":"UserPromptSubmit operation "#,
        r#"blocked by hook","prompt_submit_outcome":{"kind":"blocked_by_hook"}}"#,
    );
    assert_eq!(
        why(judged("claude", &format!("{INIT}\n{blocked}\n{none}"), ProcessExit::Code(0))),
        "claude: a hook of a settings.json refused the prompt"
    );
    // The prompt comes with it, and says nothing about the class.
    let told = none.replace(r#""result":"""#, r#""result":"blocked by hook: fix error 429""#);
    let error = judged("claude", &format!("{INIT}\n{blocked}\n{told}"), ProcessExit::Code(0)).error;
    assert_eq!(error.unwrap().class, ErrorClass::Config);
    assert_eq!(
        why(judged("claude", &format!("{INIT}\n{none}"), ProcessExit::Code(0))),
        "claude: it called no model"
    );
    let stopped =
        OK.replace(r#""result":"done""#, r#""result":"","terminal_reason":"hook_stopped""#);
    assert_eq!(
        why(judged("claude", &format!("{INIT}\n{ASSISTANT}\n{stopped}"), ProcessExit::Code(0))),
        "claude: a hook of a settings.json stopped it"
    );
}

#[test]
fn success_with_an_error_text_is_none() {
    let said = concat!(
        r#"{"type":"assistant","message":{"model":"<synthetic>","content":[{"type":"text","#,
        r#""text":"API Error: 500"}]},"parent_tool_use_id":null,"error":"server_error"}"#,
    );
    let result = OK.replace(r#""result":"done""#, r#""result":"API Error: 500""#);
    let failed =
        judged("claude", &format!("{INIT}\n{ASSISTANT}\n{said}\n{result}"), ProcessExit::Code(0));
    assert_eq!(failed.error.as_ref().map(|e| e.class), Some(ErrorClass::Capacity));
    assert_eq!(why(failed), "claude: API Error: 500");
    assert!(!judged("claude", &format!("{INIT}\n{result}"), ProcessExit::Code(0)).success);
    // An agent may write about such errors.
    let told = ASSISTANT.replace("[]", r#"[{"type":"text","text":"API Error: 500"}]"#);
    assert!(judged("claude", &format!("{INIT}\n{told}\n{result}"), ProcessExit::Code(0)).success);
}

#[test]
fn another_permission_mode_is_no_success() {
    let run = |yolo: bool, args: &[&str], mode: &str| {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let command = command("claude", &EngineInvocation { yolo, args: &args, ..job() });
        let mut records = registry().records_of("claude", &command).unwrap();
        let init = INIT.replace("\"tools\"", &format!("\"permissionMode\":{mode:?},\"tools\""));
        records.stdout(format!("{init}\n{ASSISTANT}\n{OK}\n").as_bytes());
        records.verdict(ProcessExit::Code(0), EndedBy::Engine)
    };
    assert!(run(true, &[], "bypassPermissions").success);
    assert!(run(false, &[], "acceptEdits").success);
    let said = why(run(true, &[], "default"));
    assert!(
        said.starts_with(
            "claude: it ran in permission mode \"default\", and not in \"bypassPermissions\""
        ),
        "{said}"
    );
    assert!(!run(false, &[], "plan").success);
    // The job's own word is the last one.
    assert!(run(false, &["--permission-mode", "plan"], "plan").success);
    assert!(run(false, &["--permission-mode=auto"], "auto").success);
    assert!(run(true, &["--permission-mode", "plan"], "plan").success);
}

#[test]
fn refused_tool_call_is_counted() {
    let denied = OK.replace("[]", r#"[{"tool_name":"Bash"},{"tool_name":"Edit"}]"#);
    let verdict = judged("claude", &denied, ProcessExit::Code(0));
    assert!(verdict.success);
    assert_eq!(verdict.permission_denials, 2);
}

#[test]
fn api_error_calls_itself_success() {
    let retry = concat!(
        r#"{"type":"system","subtype":"api_retry","error_status":401,"#,
        r#""error":"authentication_failed"}"#,
    );
    let result = concat!(
        r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":401,"#,
        r#""num_turns":1,"result":"Invalid API key"}"#,
    );
    let all = format!("{INIT}\n{retry}\n{ASSISTANT}\n{result}\n");
    let failed = judged("claude", &all, ProcessExit::Code(1));
    assert_eq!(why(failed), "claude: API error 401: Invalid API key");
    assert_eq!(
        why(judged("claude", &format!("{INIT}\n{retry}\n"), ProcessExit::Signal(9))),
        "claude: killed by signal 9: API error 401: authentication_failed"
    );
    let turns = r#"{"type":"result","subtype":"error_max_turns","is_error":true,"errors":[]}"#;
    assert_eq!(why(judged("claude", turns, ProcessExit::Code(1))), "claude: error_max_turns");
}

#[test]
fn a_session_that_it_does_not_know_is_none() {
    let unknown = concat!(
        r#"{"type":"result","subtype":"error_during_execution","is_error":true,"num_turns":0,"#,
        r#""session_id":"0a-1b","errors":["No conversation found with session ID: 0a-1b"]}"#,
    );
    let verdict = judged("claude", unknown, ProcessExit::Code(1));
    assert_eq!(verdict.session_id, None);
    assert_eq!(
        why(verdict),
        "claude: error_during_execution: No conversation found with session ID: 0a-1b"
    );
}

#[test]
fn exit_0_without_a_result_is_no_success() {
    assert_eq!(
        why(judged("claude", INIT, ProcessExit::Code(0))),
        "claude: exit code 0, but without a result event"
    );
    let cut = &OK[..OK.len() - 20];
    assert!(!judged("claude", &format!("{INIT}\n{cut}"), ProcessExit::Code(0)).success);
}

#[test]
fn new_turn_takes_result_back() {
    let child = ASSISTANT.replace("null", r#""toolu_1""#);
    assert!(judged("claude", &format!("{OK}\n{child}\n"), ProcessExit::Code(0)).success);
    assert!(!judged("claude", &format!("{OK}\n{ASSISTANT}\n"), ProcessExit::Code(0)).success);
    assert!(judged("claude", &format!("{OK}\n{ASSISTANT}\n{OK}"), ProcessExit::Code(0)).success);
}

#[test]
fn a_refusal_to_start_is_on_stderr() {
    let text = "--dangerously-skip-permissions cannot be used with root\n";
    assert_eq!(
        why(judged_with("claude", "", text, ProcessExit::Code(1), EndedBy::Engine)),
        "claude: exit code 1: --dangerously-skip-permissions cannot be used with root"
    );
}

#[test]
fn retries_are_few_unless_somebody_says_otherwise() {
    let command = command("claude", &job());
    assert_eq!(command.env_default, [("CLAUDE_CODE_MAX_RETRIES".into(), "6".into())]);
    assert!(!command.env_set.iter().any(|(name, _)| name == "CLAUDE_CODE_MAX_RETRIES"));
}
