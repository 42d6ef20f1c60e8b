use crate::engine::testing::{command, job, judged, judged_with, plain_and_full, why};
use crate::engine::{EndedBy, ProcessExit};

const INIT: &str = r#"{"type":"init","session_id":"b9ce-fabd","model":"auto"}"#;
const OK: &str =
    r#"{"type":"result","status":"success","stats":{"models":{"gemini-2.5-flash":{"input":1}}}}"#;

fn message(role: &str, text: &str) -> String {
    format!(r#"{{"type":"message","role":"{role}","content":"{text}","delta":true}}"#)
}

#[test]
fn argv() {
    let [plain, full] = plain_and_full("gemini");
    assert_eq!(plain, "-o stream-json --skip-trust --approval-mode auto_edit");
    assert_eq!(
        full,
        "-o stream-json --skip-trust --approval-mode yolo -m big --resume 0a-1b --extra two words"
    );
    let env = command("gemini", &job()).env_set;
    assert_eq!(env, [("GEMINI_CLI_NO_RELAUNCH".into(), "true".into())]);
}

#[test]
fn success_is_a_result_event_that_says_so() {
    let call = r#"{"type":"tool_use","tool_name":"read_file"}"#;
    let said = ["user", "assistant", "assistant"].map(|role| message(role, "hi"));
    let all = [INIT, &said[0], &message("assistant", "wait"), call, &said[1], &said[2], OK];
    let verdict = judged("gemini", &all.join("\n"), ProcessExit::Code(0));
    assert!(verdict.success);
    assert_eq!(verdict.session_id.as_deref(), Some("b9ce-fabd"));
    assert_eq!(verdict.model.as_deref(), Some("gemini-2.5-flash"));
    assert_eq!(verdict.final_text.as_deref(), Some("hihi"));
}

#[test]
fn http_status_is_no_signal() {
    let failed = concat!(
        r#"{"type":"result","status":"error","error":{"type":"unknown","#,
        r#""message":"[API Error: {\"error\":{\"code\":400,\"message\":\"API key not "#,
        r#"valid.\"}}]"}}"#,
    );
    let verdict = judged("gemini", &format!("{INIT}\n{failed}\n"), ProcessExit::Code(144));
    assert_eq!(why(verdict), "gemini: API error 400: API key not valid.");
    let plain = failed.replace("[API Error: {", "no answer {");
    let verdict = judged("gemini", &plain.replace("\\\"error\\\"", "x"), ProcessExit::Code(173));
    assert!(why(verdict).starts_with("gemini: no answer {x"));
}

#[test]
fn early_error_is_json() {
    let text = "Warning: {x\n\
        {\n  \"session_id\": \"b1cf\",\n  \"error\": {\n    \"type\": \"Error\",\n    \
        \"message\": \"set GEMINI_API_KEY\\nand retry\",\n    \"code\": 41\n  }\n}\n";
    assert_eq!(
        why(judged_with("gemini", "", text, ProcessExit::Code(41), EndedBy::Engine)),
        "gemini: set GEMINI_API_KEY and retry"
    );
}

#[test]
fn signal_with_exit_0_fails() {
    let chatter = "Ripgrep is not available.\n";
    let verdict = judged_with("gemini", INIT, chatter, ProcessExit::Code(0), EndedBy::Engine);
    assert_eq!(why(verdict), "gemini: exit code 0, but without a result event");
}

#[test]
fn a_call_that_its_policy_refused_is_counted() {
    let refused = r#"{"type":"tool_result","status":"error","error":{"type":"policy_violation"}}"#;
    let verdict = judged("gemini", &[INIT, refused, OK].join("\n"), ProcessExit::Code(0));
    assert_eq!((verdict.success, verdict.permission_denials), (true, 1));
}
