//! The engines that are in no class: what each of them prints, and what is made of it.

use std::fs;

use aq_runner::engine::{RunTokens, SessionTotal, UsageCounting};
use serde_json::json;

use crate::{killed, numbers, run};

/// Events as lines.
fn lines(events: &[serde_json::Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

fn qwen_start() -> serde_json::Value {
    json!({"type": "system", "subtype": "init", "session_id": "1f-2", "model": "m",
        "permission_mode": "yolo", "qwen_code_version": "0.24.4"})
}

fn qwen_says(text: &str, output: u64) -> serde_json::Value {
    json!({"type": "assistant", "session_id": "1f-2", "message": {
        "id": "a", "content": [{"type": "text", "text": text}],
        "usage": {"input_tokens": 1234 * output.min(1), "output_tokens": output,
            "cache_read_input_tokens": 200 * output.min(1)}}})
}

#[test]
fn qwens_input_holds_cached_tokens() {
    let result = json!({"type": "result", "subtype": "success", "is_error": false,
        "num_turns": 1, "result": "done", "permission_denials": [],
        "usage": {"input_tokens": 2468, "output_tokens": 112, "cache_read_input_tokens": 400}});
    let all = lines(&[qwen_start(), qwen_says("done", 56), result]);
    run("qwen", 0, &all, "").is("ok - 1f-2 m | 2068 400 112 - | -");
    // The numbers of its result are those of the session.
    let earlier = RunTokens {
        input_tokens: Some(1034),
        cached_tokens: Some(200),
        output_tokens: Some(56),
        ..RunTokens::default()
    };
    let total = SessionTotal { session_id: "1f-2".to_owned(), usage: earlier };
    let settled = run("qwen", 0, &all, "").settled(Some("1f-2"), Some(&total));
    assert_eq!(numbers(&settled.run), "1034 200 56 -");
    // A stream that was cut is reported with zeros, also beside what it had said.
    let cut = json!({"type": "result", "subtype": "error_during_execution", "is_error": true,
        "num_turns": 1, "usage": {"input_tokens": 0, "output_tokens": 0},
        "error": {"message": "Model stream ended without a finish reason."}});
    let all = lines(&[qwen_start(), qwen_says("hi", 0), cut]);
    run("qwen", 1, &all, "").is("failed network 1f-2 m | - - - - | -");
    // Killed, it has said what each call took.
    let cut = lines(&[qwen_start(), qwen_says("I go on", 56)]);
    killed("qwen", -15, &cut).is("failed - 1f-2 m | 1034 200 56 - | -");
}

#[test]
fn qwens_errors_are_messages_of_its_own() {
    let error = "[API Error: 401 Incorrect API key provided: k.]";
    let result = json!({"type": "result", "subtype": "error_during_execution", "is_error": true,
        "num_turns": 1, "usage": {"input_tokens": 0, "output_tokens": 0},
        "error": {"message": error}});
    let all = lines(&[qwen_start(), qwen_says(error, 0), result]);
    run("qwen", 1, &all, "").is("failed auth 1f-2 m | - - - - | -");
    let gone = "No saved session found with ID 1f-3. Run `qwen --resume` without an ID.\n";
    assert!(run("qwen", 1, "", gone).verdict().session_gone);
}

#[test]
fn kilo_prints_as_opencode() {
    let step = |reason: &str| {
        json!({"type": "step_finish", "sessionID": "ses_1", "part": {"reason": reason, "cost": 0,
            "tokens": {"input": 1034, "output": 49, "reasoning": 7,
                "cache": {"read": 200, "write": 0}}}})
    };
    let start = json!({"type": "step_start", "sessionID": "ses_1", "part": {}});
    let all = lines(&[start.clone(), step("tool-calls"), start, step("stop")]);
    run("kilo", 0, &all, "").is("ok - ses_1 - | 2068 400 98 0 | -");
    let error = json!({"type": "error", "sessionID": "ses_1", "error": {"name": "APIError",
        "data": {"message": "Incorrect API key provided: k.", "statusCode": 401}}});
    run("kilo", 1, &lines(&[error]), "").is("failed auth ses_1 - | - - - - | -");
}

fn pi_message(stop: &str, text: &str, error: &str) -> serde_json::Value {
    let n = u64::from(stop != "error");
    json!({"type": "message_end", "message": {"role": "assistant", "model": "m",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": text}],
        "usage": {"input": 1034 * n, "output": 56 * n, "cacheRead": 200 * n, "cacheWrite": 30 * n,
            "cost": {"total": 0.25}},
        "stopReason": stop, "errorMessage": error}})
}

#[test]
fn pi_exits_with_zero_whatever_happened() {
    let session = json!({"type": "session", "version": 3, "id": "01a2-b"});
    let turn = json!({"type": "turn_start"});
    let settled = json!({"type": "agent_settled", "aborted": false});
    let good = [
        session.clone(),
        turn.clone(),
        pi_message("toolUse", "", ""),
        turn.clone(),
        pi_message("stop", "done", ""),
        settled.clone(),
    ];
    run("pi", 0, &lines(&good), "").is("ok - 01a2-b m | 2068 400 112 0.5 | -");
    assert_eq!(run("pi", 0, &lines(&good), "").verdict().final_text.as_deref(), Some("done"));

    let words =
        "401: {\"message\":\"Incorrect API key provided: k.\",\"code\":\"invalid_api_key\"}";
    let bad = [session.clone(), turn.clone(), pi_message("error", "", words), settled.clone()];
    run("pi", 0, &lines(&bad), "").is("failed auth 01a2-b m | - - - - | -");
    let why = run("pi", 0, &lines(&bad), "").verdict().why.unwrap();
    assert_eq!(why, "pi: 401: Incorrect API key provided: k.");

    // It tries again by itself, and gets over it.
    let again = json!({"type": "auto_retry_start", "delayMs": 2000, "errorMessage": "429: slow"});
    let limit = pi_message("error", "", "429: {\"message\":\"Rate limit reached\"}");
    let over = [session.clone(), turn, limit, again, pi_message("stop", "done", ""), settled];
    run("pi", 0, &lines(&over), "").is("ok - 01a2-b m | 1034 200 56 0.25 | -");
    let aborted = json!({"type": "agent_settled", "aborted": true});
    run("pi", 0, &lines(&[session, aborted]), "").is("failed unknown 01a2-b - | - - - - | -");
}

#[test]
fn kimi_code_names_session_last() {
    let version = json!({"role": "meta", "type": "system.version", "version": "2.1.0"});
    let call = json!({"role": "assistant", "tool_calls": [{"type": "function", "id": "c"}]});
    let answer = json!({"role": "tool", "tool_call_id": "c", "content": "x"});
    let said = json!({"role": "assistant", "content": "done"});
    let hint = json!({"role": "meta", "type": "session.resume_hint", "session_id": "session_9d"});
    let all = lines(&[version.clone(), call.clone(), answer.clone(), said, hint]);
    run("kimi-code", 0, &all, "").is("ok - session_9d - | - - - - | -");
    run("kimi-code", 0, &lines(&[version.clone(), call, answer]), "")
        .is("failed unknown - - | - - - - | -");
    let key = "error: failed to run prompt: provider.auth_error: 401 Incorrect API key provided.\n";
    run("kimi-code", 1, &lines(&[version]), key).is("failed auth - - | - - - - | -");
    let gone = "error: failed to run prompt: Session \"session_0\" not found.\n";
    assert!(run("kimi-code", 1, "", gone).verdict().session_gone);
    let retry = json!({"role": "meta", "type": "turn.step.retrying", "delay_ms": 553.3,
        "error_name": "APIStatusError", "error_message": "500 The server failed",
        "status_code": 500});
    killed("kimi-code", -15, &lines(&[retry])).is("failed capacity - - | - - - - | -");
}

#[test]
fn cline_counts_the_whole_run() {
    let usage = |n: u64| {
        json!({"type": "agent_event", "event": {"type": "usage", "inputTokens": 1234,
            "totalInputTokens": 1234 * n, "totalOutputTokens": 56 * n,
            "totalCacheReadTokens": 200 * n, "totalCost": 0.5}})
    };
    let result = |reason: &str, text: &str, n: u64| {
        let used = json!({"inputTokens": 1234 * n, "outputTokens": 56 * n,
            "cacheReadTokens": 200 * n, "cacheWriteTokens": 0,
            "totalCost": if n > 0 { 0.5 } else { 0.0 }});
        json!({"type": "run_result", "finishReason": reason, "usage": used,
            "aggregateUsage": used, "text": text, "model": {"id": "m", "provider": "p"}})
    };
    let all = lines(&[usage(1), usage(2), result("completed", "done", 2)]);
    run("cline", 0, &all, "").is("ok - - m | 2068 400 112 0.5 | -");
    killed("cline", -9, &lines(&[usage(1)])).is("failed - - - | 1034 200 56 0.5 | -");
    let error = json!({"type": "agent_event", "event": {"type": "error", "errorClass": "auth",
        "error": {"name": "Error", "message": "it was refused"}}});
    let all = lines(&[error, result("error", "it was refused", 0)]);
    run("cline", 1, &all, "").is("failed auth - m | - - - - | -");
}

#[test]
fn vibe_leaves_numbers_in_directory() {
    let record = |kind: &str, role: &str| {
        json!({"type": kind, "role": role, "sessionId": "07-c6", "outcome": {"type": "committed"},
            "content": [{"type": "text", "text": "done"}], "state": {"decision": "execute"}})
    };
    let all = lines(&[
        record("message", "user"),
        record("effect", "assistant"),
        record("message", "assistant"),
    ]);
    let done = run("vibe", 0, &all, "");
    done.is("ok - 07-c6 - | - - - - | -");
    let scratch = tempfile::tempdir().unwrap();
    let export = json!({"session_id": "07-c6", "cost_usd": 0.5, "usage": {"input_tokens": 2468,
        "output_tokens": 112, "cached_input_tokens": 400, "total_tokens": 2580}});
    fs::write(scratch.path().join("export.json"), export.to_string()).unwrap();
    let settled = done.settled_with(Some(scratch.path()), None, None);
    assert_eq!(numbers(&settled.run), "2068 400 112 0.5");
    let cut = lines(&[record("message", "user"), record("effect", "assistant")]);
    run("vibe", 2, &cut, "Error: boom\n").is("failed unknown 07-c6 - | - - - - | -");
    let key = "Error: Invalid API key (from env var K). Please check your API key.\n";
    run("vibe", 1, &lines(&[record("message", "user")]), key)
        .is("failed auth 07-c6 - | - - - - | -");
}

#[test]
fn droid_ends_with_a_completion() {
    let start = json!({"type": "system", "subtype": "init", "session_id": "68-c3", "model": "m"});
    let call = json!({"type": "tool_call", "session_id": "68-c3", "id": "c"});
    let answer = json!({"type": "tool_result", "session_id": "68-c3", "id": "c", "isError": false});
    let said = json!({"type": "message", "role": "assistant", "session_id": "68-c3", "text": "ok"});
    let end = json!({"type": "completion", "finalText": "done", "numTurns": 2,
        "session_id": "68-c3", "usage": {"input_tokens": 2068, "output_tokens": 112,
        "cache_read_input_tokens": 400, "cache_creation_input_tokens": 0}});
    let all = lines(&[start.clone(), call, answer, said, end]);
    let verdict = run("droid", 0, &all, "");
    verdict.is("ok - 68-c3 m | 2068 400 112 - | -");
    assert_eq!(verdict.verdict().turns, Some(2));
    let error = |source: &str, text: &str| {
        json!({
            "type": "error", "source": source, "session_id": "68-c3", "message": text,
        })
    };
    let words = "401 Incorrect API key provided: k.";
    let bad = lines(&[start, error("agent_loop", words), error("cli", "Exec failed")]);
    run("droid", 1, &bad, "").is("failed auth 68-c3 m | - - - - | -");
}

#[test]
fn spans_are_said_by_description() {
    let total = json!({"type": "result", "subtype": "success", "is_error": false, "num_turns": 1,
        "usage": {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 0}});
    let mut records = crate::registry().records("qwen").unwrap();
    records.stdout(lines(&[qwen_start(), total]).as_bytes());
    assert_eq!(records.usage_so_far().counted, UsageCounting::Session);
}
