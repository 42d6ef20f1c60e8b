use crate::engine::testing::{judged, judged_with, plain_and_full, why};
use crate::engine::{EndedBy, Exit};

const STEP: &str = r#"{"type":"step_start","sessionID":"ses_1","part":{"type":"step-start"}}"#;
const SAID: &str = r#"{"type":"text","sessionID":"ses_1","part":{"text":"done"}}"#;

fn finish(reason: &str) -> String {
    format!(r#"{{"type":"step_finish","sessionID":"ses_1","part":{{"reason":"{reason}"}}}}"#)
}

#[test]
fn argv() {
    let [plain, full] = plain_and_full("opencode");
    assert_eq!(plain, "run --format json");
    assert_eq!(full, "run --format json --auto -m big -s 0a-1b --extra two words");
}

#[test]
fn success_is_a_last_step_that_stopped() {
    let all = [STEP, &finish("tool-calls"), STEP, SAID, &finish("stop")].join("\n");
    let verdict = judged("opencode", &all, Exit::Code(0));
    assert!(verdict.success);
    assert_eq!(verdict.session_id.as_deref(), Some("ses_1"));
    assert_eq!(verdict.final_text.as_deref(), Some("done"));
    assert_eq!(verdict.turns, Some(2));
    let more = format!("{all}\n{STEP}\n");
    assert!(!judged("opencode", &more, Exit::Code(0)).success);
}

#[test]
fn a_step_that_was_cut_is_no_success() {
    let all = [STEP, SAID, &finish("unknown")].join("\n");
    assert_eq!(
        why(judged("opencode", &all, Exit::Code(0))),
        "opencode: exit code 0, but without a step that finished with \"stop\": \
         step finished with unknown"
    );
    assert!(!judged("opencode", &finish("tool-calls"), Exit::Code(0)).success);
}

#[test]
fn a_stop_without_a_model_call_is_no_success() {
    let none = r#"{"type":"step_finish","part":{"reason":"stop","tokens":{"input":0,"output":0,"cache":{"read":0,"write":0}}}}"#;
    let verdict = judged("opencode", &format!("{STEP}\n{none}\n"), Exit::Code(0));
    assert_eq!(why(verdict), "opencode: it called no model");
    let all = [STEP, SAID, none].join("\n");
    assert!(judged("opencode", &all, Exit::Code(0)).success, "its model reports no usage");
}

#[test]
fn an_error_event_is_the_reason() {
    let error = r#"{"type":"error","sessionID":"ses_1","error":{"name":"APIError","data":{"message":"Incorrect API key","statusCode":401}}}"#;
    let verdict = judged("opencode", error, Exit::Code(1));
    assert_eq!(why(verdict), "opencode: API error 401: Incorrect API key");
    let stderr = "\u{1b}[91m\u{1b}[1mError: \u{1b}[0mSession not found\n";
    assert_eq!(
        why(judged_with("opencode", "", stderr, Exit::Code(1), EndedBy::Engine)),
        "opencode: exit code 1: Error: Session not found"
    );
}

#[test]
fn a_rejected_call_is_counted_and_a_failed_one_is_not() {
    let tool = |error: &str| {
        format!(
            r#"{{"type":"tool_use","part":{{"state":{{"status":"error","error":"{error}"}}}}}}"#
        )
    };
    let rejected = tool("The user rejected permission to use this specific tool call.");
    let all = [rejected, tool("permission denied"), finish("stop")].join("\n");
    let verdict = judged("opencode", &all, Exit::Code(0));
    assert_eq!((verdict.success, verdict.permission_denials), (true, 1));
}
