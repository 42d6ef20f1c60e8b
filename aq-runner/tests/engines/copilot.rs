use std::fs;

use crate::{killed, numbers, run};

const TURN: &str = r#"{"type":"session.tools_updated","data":{"model":"gpt"},"ephemeral":true}
{"type":"assistant.turn_start","data":{"turnId":"0"}}
"#;
const SAID: &str = include_str!("data/copilot_said.jsonl");

fn result(exit: i32) -> String {
    format!(
        "{{\"type\":\"result\",\"sessionId\":\"f482-e6f0\",\"exitCode\":{exit},\
        \"usage\":{{\"premiumRequests\":0}}}}\n"
    )
}

fn failed(data: &str) -> String {
    format!("{TURN}{{\"type\":\"session.error\",\"data\":{{{data}}}}}\n{}", result(1))
}

#[test]
fn file_tokens_add_up() {
    let all = format!("{TURN}{SAID}{}", result(0));
    let ok = run("copilot", 0, &all, "");
    ok.is("ok - f482-e6f0 gpt | - - - - | -");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("usage.json");
    let write = |input: u64, cached: u64, output: u64| {
        let usage = format!(
            "{{\"totalNanoAiu\":9,\"modelMetrics\":{{\"gpt\":{{\"requests\":{{\"count\":1,\
            \"cost\":1}},\"usage\":{{\"inputTokens\":{input},\"outputTokens\":{output},\
            \"cacheReadTokens\":{cached},\"reasoningTokens\":7}}}}}}}}"
        );
        fs::write(&file, usage).unwrap();
    };
    write(1234, 200, 56);
    let first = ok.settled_with(Some(&file), None, None);
    assert_eq!(numbers(&first.run), "1034 200 56 -");
    write(2468, 400, 112);
    let second = ok.settled_with(Some(&file), Some("f482-e6f0"), first.total.as_ref());
    assert_eq!(numbers(&second.run), "1034 200 56 -");
    // Killed before it named its session, it still wrote the file.
    write(4936, 800, 224);
    let cut = killed("copilot", -15, TURN);
    let third = cut.settled_with(Some(&file), Some("f482-e6f0"), second.total.as_ref());
    assert_eq!(numbers(&third.run), "2068 400 112 -");
}

#[test]
fn session_errors_have_their_class() {
    for (data, class, reset) in [
        (
            concat!(
                r#""errorType":"authentication","message":"Authentication failed with provider "#,
                r#"at http://127.0.0.1:1/401/v1 (HTTP 401).\n  Check your "#,
                r#"COPILOT_PROVIDER_API_KEY.","statusCode":401"#,
            ),
            "auth",
            "-",
        ),
        (
            concat!(
                r#""errorType":"rate_limit","message":"retried 5 times (total retry wait time: "#,
                r#"10.55 seconds) Last error: 429 Rate limit reached for m on tokens per min "#,
                r#"(TPM): Limit 30000. Please try again in 2.468s.","statusCode":429"#,
            ),
            "quota",
            "2026-11-22T12:00:02.468Z",
        ),
        (
            concat!(
                r#""errorType":"quota","message":"You've used up your premium requests. Please "#,
                r#"try again in 15 hours 23 minutes.""#,
            ),
            "quota",
            "2026-11-23T03:23:00Z",
        ),
        (
            concat!(
                r#""errorType":"query","message":"retried 5 times Last error: 500 The server "#,
                r#"had an error while processing your request.","statusCode":500"#,
            ),
            "capacity",
            "-",
        ),
        (
            concat!(
                r#""errorType":"query","message":"retried 5 times Last error: Failed to "#,
                r#"finalize chat-completions stream: missing finish_reason for choice 0""#,
            ),
            "network",
            "-",
        ),
        (
            concat!(
                r#""errorType":"query","message":"400 Your input exceeds the context window of "#,
                r#"this model.","statusCode":400"#,
            ),
            "context_overflow",
            "-",
        ),
    ] {
        run("copilot", 1, &failed(data), "")
            .is(&format!("failed {class} f482-e6f0 - | - - - - | {reset}"));
    }
}

#[test]
fn ended_copilot_exits_with_0() {
    let abort = "{\"type\":\"abort\",\"data\":{\"reason\":\"user_initiated\"}}\n";
    let all = format!("{TURN}{SAID}{abort}{}", result(0));
    killed("copilot", -15, &all).is("failed - f482-e6f0 gpt | - - - - | -");
    run("copilot", 0, &all, "").is("failed unknown f482-e6f0 gpt | - - - - | -");
}

#[test]
fn before_its_first_event_stderr_says_why() {
    let login = "Error: No authentication information found.\n\n\
        To authenticate, you can:\n  • Run 'gh auth login'\n";
    run("copilot", 1, "", login).is("failed auth - - | - - - - | -");
    let gone = "Error: No session, task, or name matched '7121'.\n\n\
        To resume by name: copilot --resume=<name>\n";
    assert!(run("copilot", 1, "", gone).verdict().session_gone);
    // Text mode: the words of its summary are for people.
    let summary = "\nChanges    +0 -0\nTokens     ↑ 1.2k (200 cached) • ↓ 56 (7 reasoning)\n";
    let usage = run("copilot", 0, "hi\n", summary).settled(None, None).run;
    assert_eq!((numbers(&usage), usage.estimated), ("1000 200 56 -".to_owned(), true));
}
