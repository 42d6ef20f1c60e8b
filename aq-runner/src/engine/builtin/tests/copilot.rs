use crate::engine::testing::{command, job, judged, judged_with, plain_and_full, why};
use crate::engine::{EndedBy, ErrorClass, ProcessExit, next_session};

const TURN: &str = r#"{"type":"assistant.turn_start","data":{"turnId":"0"}}"#;
const SAID: &str = r#"{"type":"assistant.message","data":{"model":"gpt-4.1","content":"done"}}"#;
const OK: &str = r#"{"type":"result","sessionId":"f482-e6f0","exitCode":0,"usage":{}}"#;

#[test]
fn argv() {
    let [plain, full] = plain_and_full("copilot");
    let start = "--output-format json --no-ask-user --no-auto-update \
                 --usage-output-file /scratch/aq-usage.json";
    assert_eq!(plain, format!("{start} --allow-tool=write"));
    assert_eq!(full, format!("{start} --yolo --model big --resume=0a-1b --extra two words"));
    let command = command("copilot", &job());
    assert_eq!(command.usage_file.unwrap().to_str(), Some("/scratch/aq-usage.json"));
}

#[test]
fn success_is_a_result_with_exit_code_0() {
    let call = r#"{"type":"assistant.message","data":{"model":"gpt-4.1","content":""}}"#;
    let all = [TURN, SAID, TURN, call, OK].join("\n");
    let verdict = judged("copilot", &all, ProcessExit::Code(0));
    assert!(verdict.success);
    assert_eq!(verdict.session_id.as_deref(), Some("f482-e6f0"));
    assert_eq!(verdict.model.as_deref(), Some("gpt-4.1"));
    assert_eq!(verdict.final_text.as_deref(), Some("done"));
    assert_eq!(verdict.turns, Some(2));
}

#[test]
fn denied_tool_call_is_counted() {
    let denied = concat!(
        r#"{"type":"tool.execution_complete","data":{"success":false,"error":{"message":"no","#,
        r#""code":"denied"}}}"#,
    );
    let failed = denied.replace("denied", "other");
    let all = [TURN, denied, &failed, OK].join("\n");
    let verdict = judged("copilot", &all, ProcessExit::Code(0));
    assert_eq!((verdict.success, verdict.permission_denials), (true, 1));
}

#[test]
fn session_error_is_the_reason() {
    let error = concat!(
        r#"{"type":"session.error","data":{"errorType":"authentication","message":"HTTP 401","#,
        r#""statusCode":401}}"#,
    );
    let all = [TURN, error, &OK.replace("\"exitCode\":0", "\"exitCode\":1")].join("\n");
    let verdict = judged("copilot", &all, ProcessExit::Code(1));
    assert_eq!(why(verdict), "copilot: authentication: HTTP 401");
}

#[test]
fn a_result_without_a_turn_is_no_success() {
    assert_eq!(why(judged("copilot", OK, ProcessExit::Code(0))), "copilot: it called no model");
    let error = concat!(
        r#"{"type":"session.error","data":{"errorType":"authentication","message":"HTTP 401","#,
        r#""statusCode":401}}"#,
    );
    let verdict = judged("copilot", &[error, OK].join("\n"), ProcessExit::Code(0));
    assert_eq!(why(verdict), "copilot: authentication: HTTP 401");
}

#[test]
fn aborted_run_is_no_success() {
    let abort = r#"{"type":"abort","data":{"reason":"user_initiated"}}"#;
    let all = [TURN, SAID, abort, OK].join("\n");
    assert_eq!(why(judged("copilot", &all, ProcessExit::Code(0))), "copilot: aborted");
    assert!(!judged("copilot", &[TURN, SAID].join("\n"), ProcessExit::Code(0)).success);
}

#[test]
fn a_refused_call_is_what_it_tries_to_overcome() {
    let refused = r#"{"type":"model.call_failure","data":{"statusCode":429,"retryAttempt":0}}"#;
    let again = r#"{"type":"assistant.turn_retry","data":{"turnId":"0","reason":"rate_limit"}}"#;
    let ended = |events: &[&str]| {
        let verdict =
            judged_with("copilot", &events.join("\n"), "", ProcessExit::Signal(15), EndedBy::Aq);
        verdict.error.map(|error| error.class)
    };
    assert_eq!(ended(&[TURN, refused, again]), Some(ErrorClass::Quota));
    assert_eq!(ended(&[TURN, refused, again, TURN, refused]), Some(ErrorClass::Quota));
    assert_eq!(ended(&[TURN, refused, again, SAID]), None);
}

#[test]
fn a_prompt_that_is_too_long_leaves_the_session() {
    let refused = r#"{"type":"model.call_failure","data":{"statusCode":400}}"#;
    let error = concat!(
        r#"{"type":"session.error","data":{"errorType":"query","#,
        r#""message":"The provider rejected the prompt as too long, but automatic recovery "#,
        r#"could not reduce it. Reduce context before retrying."}}"#,
    );
    let all = [TURN, refused, error, &OK.replace("\"exitCode\":0", "\"exitCode\":1")].join("\n");
    let verdict = judged("copilot", &all, ProcessExit::Code(1));
    assert_eq!(verdict.error.as_ref().map(|error| error.class), Some(ErrorClass::ContextOverflow));
    assert_eq!(next_session(Some("f482-e6f0"), &verdict, EndedBy::Engine), None);
}
