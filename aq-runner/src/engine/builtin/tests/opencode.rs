use crate::engine::testing::{judged, judged_with, plain_and_full, why};
use crate::engine::{EndedBy, ErrorClass, ProcessExit};

const STEP: &str = r#"{"type":"step_start","sessionID":"ses_1","part":{"type":"step-start"}}"#;
const SAID: &str = r#"{"type":"text","sessionID":"ses_1","part":{"text":"done"}}"#;

fn finish(reason: &str) -> String {
    format!(r#"{{"type":"step_finish","sessionID":"ses_1","part":{{"reason":"{reason}"}}}}"#)
}

#[test]
fn argv() {
    let [plain, full] = plain_and_full("opencode");
    let start = "run --format json --print-logs --log-level ERROR";
    assert_eq!(plain, start);
    assert_eq!(full, format!("{start} --auto -m big -s 0a-1b --extra two words"));
}

#[test]
fn success_is_a_last_step_that_stopped() {
    let all = [STEP, &finish("tool-calls"), STEP, SAID, &finish("stop")].join("\n");
    let verdict = judged("opencode", &all, ProcessExit::Code(0));
    assert!(verdict.success);
    assert_eq!(verdict.session_id.as_deref(), Some("ses_1"));
    assert_eq!(verdict.final_text.as_deref(), Some("done"));
    assert_eq!(verdict.turns, Some(2));
    let more = format!("{all}\n{STEP}\n");
    assert!(!judged("opencode", &more, ProcessExit::Code(0)).success);
}

#[test]
fn a_step_that_was_cut_is_no_success() {
    let all = [STEP, SAID, &finish("unknown")].join("\n");
    assert_eq!(
        why(judged("opencode", &all, ProcessExit::Code(0))),
        "opencode: exit code 0, but without a step that finished with \"stop\": \
         step finished with unknown"
    );
    assert!(!judged("opencode", &finish("tool-calls"), ProcessExit::Code(0)).success);
}

#[test]
fn a_stop_without_a_model_call_is_no_success() {
    let none = concat!(
        r#"{"type":"step_finish","part":{"reason":"stop","tokens":{"input":0,"output":0,"#,
        r#""cache":{"read":0,"write":0}}}}"#,
    );
    let verdict = judged("opencode", &format!("{STEP}\n{none}\n"), ProcessExit::Code(0));
    assert_eq!(why(verdict), "opencode: it called no model");
    let all = [STEP, SAID, none].join("\n");
    assert!(judged("opencode", &all, ProcessExit::Code(0)).success, "its model reports no usage");
}

#[test]
fn error_event_is_the_reason() {
    let error = concat!(
        r#"{"type":"error","sessionID":"ses_1","error":{"name":"APIError","#,
        r#""data":{"message":"Incorrect API key","statusCode":401}}}"#,
    );
    let verdict = judged("opencode", error, ProcessExit::Code(1));
    assert_eq!(why(verdict), "opencode: API error 401: Incorrect API key");
    let stderr = "\u{1b}[91m\u{1b}[1mError: \u{1b}[0mSession not found\n";
    assert_eq!(
        why(judged_with("opencode", "", stderr, ProcessExit::Code(1), EndedBy::Engine)),
        "opencode: exit code 1: Error: Session not found"
    );
}

#[test]
fn only_rejected_calls_count() {
    let tool = |error: &str| {
        format!(
            r#"{{"type":"tool_use","part":{{"state":{{"status":"error","error":"{error}"}}}}}}"#
        )
    };
    let rejected = tool("The user rejected permission to use this specific tool call.");
    let all = [rejected, tool("permission denied"), finish("stop")].join("\n");
    let verdict = judged("opencode", &all, ProcessExit::Code(0));
    assert_eq!((verdict.success, verdict.permission_denials), (true, 1));
}

#[test]
fn its_log_says_what_an_error_is() {
    let error = concat!(
        r#"{"type":"error","sessionID":"ses_1","error":{"name":"UnknownError","#,
        r#""data":{"message":"Unexpected server error. Check server logs for details.","#,
        r#""ref":"err_3247e62f"}}}"#,
    );
    let log = |line: &str| {
        format!("level=ERROR run=e9 message=failed ref=err_0 error=\"Not logged in\"\n{line}\n")
    };
    let with = |line: &str| {
        judged_with("opencode", error, &log(line), ProcessExit::Code(1), EndedBy::Engine)
    };
    let missing = with(
        "level=ERROR message=failed ref=err_3247e62f error=\"ProviderModelNotFoundError: \
        Model not found: nope/nope.\" cause=\"x\"",
    );
    assert_eq!(missing.error.as_ref().map(|error| error.class), Some(ErrorClass::Config));
    assert!(why(missing).ends_with(": ProviderModelNotFoundError: Model not found: nope/nope."));
    let other = with("level=ERROR message=failed ref=err_3247e62f error=\"SQLiteError: disk I/O\"");
    assert_eq!(other.error.map(|error| error.class), Some(ErrorClass::Unknown));
    let silent = judged_with("opencode", error, &log(""), ProcessExit::Code(1), EndedBy::Engine);
    assert_eq!(silent.error.map(|error| error.class), Some(ErrorClass::Unknown));
}

#[test]
fn its_log_says_what_it_tries_to_overcome() {
    let line = |agent: &str| {
        format!(
            "level=ERROR message=\"stream error\" agent={agent} \
             error.error=\"AI_APICallError: You exceeded your current quota\"\n"
        )
    };
    let ended = |stdout: &str, agent: &str| {
        let verdict =
            judged_with("opencode", stdout, &line(agent), ProcessExit::Signal(15), EndedBy::Aq);
        verdict.error.map(|error| error.class)
    };
    assert_eq!(ended("", "build"), Some(ErrorClass::Quota));
    assert_eq!(ended("", "title"), None, "it works without a title");
    assert_eq!(ended(&[STEP, SAID].join("\n"), "build"), None);
}
