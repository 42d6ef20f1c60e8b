use crate::{killed, run};

const INIT: &str = r#"{"type":"init","timestamp":"t","session_id":"b9ce-fabd","model":"auto"}
{"type":"message","role":"user","content":"explain: Your quota will reset after 5s"}
"#;
const SAID: &str = include_str!("data/gemini_said.jsonl");
const CHATTER: &str = "Warning: 256-color support not detected.\nRipgrep is not available.\n";

fn result(status: &str, stats: [u64; 4]) -> String {
    let [total, input, output, cached] = stats;
    let counts = format!(
        "\"total_tokens\":{total},\"input_tokens\":{input},\"output_tokens\":{output},\
        \"cached\":{cached},\"input\":{}",
        input - cached
    );
    format!(
        "{{\"type\":\"result\",{status},\"stats\":{{{counts},\"duration_ms\":1,\
        \"models\":{{\"flash\":{{{counts}}}}}}}}}\n"
    )
}

fn failed(message: &str) -> String {
    let message = serde_json::json!({ "type": "unknown", "message": message });
    format!("{INIT}{}", result(&format!("\"status\":\"error\",\"error\":{message}"), [0; 4]))
}

/// As `-o json` prints it: over several lines.
fn document(error: &str) -> String {
    format!(
        r#"{{
  "session_id": "b9ce-fabd",
  "response": "hi",
  "stats": {{
    "models": {{
      "flash": {{
        "tokens": {{
          "input": 2068, "prompt": 2468, "candidates": 112, "total": 2594,
          "cached": 400, "thoughts": 14, "tool": 0
        }}
      }}
    }}
  }}{error}
}}
"#
    )
}

#[test]
fn success_has_thoughts_beside_output() {
    let all = format!("{INIT}{SAID}{}", result("\"status\":\"success\"", [2594, 2468, 112, 400]));
    let run = run("gemini", 0, &all, CHATTER);
    run.is("ok - b9ce-fabd flash | 2068 400 112 - | -");
    assert_eq!(run.settled(None, None).run.reasoning_tokens, Some(14));
}

#[test]
fn one_object_over_several_lines_is_read_as_well() {
    let all = document("");
    let ok = run("gemini", 0, &all, CHATTER);
    ok.is("ok - b9ce-fabd flash | 2068 400 112 - | -");
    assert_eq!(ok.verdict().final_text.as_deref(), Some("hi"));
    let error = ",\n  \"error\": {\n    \"type\": \"INVALID_STREAM\",\n    \"message\": \
        \"Model stream ended without a finish reason.\"\n  }";
    run("gemini", 0, &document(error), "")
        .is("failed network b9ce-fabd flash | 2068 400 112 - | -");
    let torn = &all[..all.len() - 3];
    run("gemini", 0, torn, "").is("failed unknown - - | - - - - | -");
}

#[test]
fn an_input_that_was_cut_off_is_no_success() {
    let all = format!("{INIT}{}", result("\"status\":\"success\"", [0; 4]));
    run("gemini", 0, &all, "").is("failed unknown b9ce-fabd flash | - - - - | -");
}

#[test]
fn failures_have_their_class() {
    for (exit, message, class, reset) in [
        (
            144,
            concat!(
                r#"[API Error: {"error":{"code":400,"message":"API key not valid. Please pass a "#,
                r#"valid API key.","status":"INVALID_ARGUMENT"}}]"#,
            ),
            "auth",
            "-",
        ),
        (
            173,
            "[API Error: Resource has been exhausted (e.g. check quota).\n\
            Suggested retry after 2s.]\nPlease wait and try again later.",
            "quota",
            "2026-11-22T12:00:02Z",
        ),
        (
            173,
            "[API Error: You have exhausted your capacity on this model. Your quota will reset \
            after 1h5s.]",
            "quota",
            "2026-11-22T13:00:05Z",
        ),
        (
            244,
            concat!(
                r#"[API Error: {"error":{"code":500,"message":"An internal error has occurred.","#,
                r#""status":"INTERNAL"}}]"#,
            ),
            "capacity",
            "-",
        ),
        (
            244,
            concat!(
                r#"[API Error: {"error":{"code":503,"message":"The model is overloaded. Please "#,
                r#"try again later.","status":"UNAVAILABLE"}}]"#,
            ),
            "capacity",
            "-",
        ),
        (
            144,
            concat!(
                r#"[API Error: {"error":{"code":400,"message":"The input token count (2500000) "#,
                r#"exceeds the maximum number of tokens allowed (1048576).","#,
                r#""status":"INVALID_ARGUMENT"}}]"#,
            ),
            "context_overflow",
            "-",
        ),
        (1, "[API Error: fetch failed]", "network", "-"),
    ] {
        run("gemini", exit, &failed(message), CHATTER)
            .is(&format!("failed {class} b9ce-fabd flash | - - - - | {reset}"));
    }
}

#[test]
fn before_its_first_event_stderr_says_why() {
    let object = "Warning: x\n\
        {\n  \"session_id\": \"b9ce-fabd\",\n  \"error\": {\n    \"type\": \"Error\",\n    \
        \"message\": \"you must specify the GEMINI_API_KEY environment variable.\",\n    \
        \"code\": 41\n  }\n}\n";
    run("gemini", 41, "", object).is("failed auth b9ce-fabd - | - - - - | -");
    let trust =
        "Gemini CLI is not running in a trusted directory. To proceed, use `--skip-trust`.\n";
    run("gemini", 55, "", trust).is("failed config - - | - - - - | -");
    let gone = run(
        "gemini",
        42,
        "",
        "Error resuming session: No previous sessions found for this project.\n",
    );
    gone.is("failed unknown - - | - - - - | -");
    assert!(gone.verdict().session_gone);
}

#[test]
fn told_to_end_it_says_nothing_more() {
    killed("gemini", 0, &format!("{INIT}{SAID}")).is("failed - b9ce-fabd auto | - - - - | -");
    let waits = "Attempt 1 failed: Resource has been exhausted (e.g. check quota).\n";
    run("gemini", -9, INIT, waits).is("failed unknown b9ce-fabd auto | - - - - | -");
}
