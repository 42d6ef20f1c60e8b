use aq_runner::engine::next_session;

use crate::{killed, numbers, run};

const START: &str = include_str!("data/codex_start.jsonl");
const WORK: &str = include_str!("data/codex_work.jsonl");

fn done(input: u64, cached: u64, output: u64) -> String {
    format!(
        "{{\"usage\":{{\"input_tokens\":{input},\"cached_input_tokens\":{cached},\
        \"cache_write_input_tokens\":0,\"output_tokens\":{output},\"reasoning_output_tokens\":7}},\
        \"type\":\"turn.completed\"}}\n"
    )
}

fn failed(message: &str) -> String {
    format!(
        r#"{START}{{"type":"error","message":"Reconnecting... 1/5 ({message})"}}
{{"type":"error","message":"{message}"}}
{{"type":"turn.failed","error":{{"message":"{message}"}}}}
"#
    )
}

#[test]
fn success_counts_uncached_tokens() {
    let all = format!("{START}{WORK}{}", done(1234, 200, 56));
    run("codex", 0, &all, "").is("ok - 01a2-0341 - | 1034 200 56 - | -");
    run("codex", 1, &all, "Error: usage limit, try again in 5s\n")
        .is("failed unknown 01a2-0341 - | 1034 200 56 - | -");
    assert_eq!(run("codex", 0, &all, "").verdict().turns, Some(2));
}

#[test]
fn a_resumed_thread_counts_what_is_new() {
    let turn = |input, cached, output| format!("{START}{}", done(input, cached, output));
    let first = run("codex", 0, &turn(1234, 200, 56), "").settled(None, None);
    assert_eq!(numbers(&first.run), "1034 200 56 -");
    let second = turn(2468, 400, 112);
    let second = run("codex", 0, &second, "").settled(Some("01a2-0341"), first.total.as_ref());
    assert_eq!(numbers(&second.run), "1034 200 56 -");
    // A turn without any output in between changes nothing.
    let third = turn(4936, 800, 224);
    let third = run("codex", 0, &third, "").settled(Some("01a2-0341"), second.total.as_ref());
    assert_eq!(numbers(&third.run), "2068 400 112 -");
    let unknown = turn(4936, 800, 224);
    let unknown = run("codex", 0, &unknown, "").settled(Some("01a2-0341"), None);
    assert_eq!(numbers(&unknown.run), "- - - -");
}

#[test]
fn failed_turns_have_their_class() {
    for (message, class, reset) in [
        (
            "unexpected status 401 Unauthorized: Incorrect API key provided: k. Find it at \
            https://x.test/keys., url: http://127.0.0.1:1/401/v1/responses",
            "auth",
            "-",
        ),
        ("Missing environment variable: `MOCK_API_KEY`.", "auth", "-"),
        ("exceeded retry limit, last status: 429 Too Many Requests", "quota", "-"),
        ("Quota exceeded. Check your plan and billing details.", "quota", "-"),
        (
            "You’ve hit your usage limit. Upgrade to Pro (https://x.test/pro) or try again at \
            1:36 PM.",
            "quota",
            "2026-11-22T13:36:00Z",
        ),
        (
            "You've hit your usage limit. Try again in 2 days 17 hours 14 minutes.",
            "quota",
            "2026-11-25T05:14:00Z",
        ),
        ("rate limit exceeded: Please try again in 1.5s.", "quota", "2026-11-22T12:00:01.5Z"),
        (
            "We’re currently experiencing high demand, which may cause temporary errors.",
            "capacity",
            "-",
        ),
        (
            "unexpected status 503 Service Unavailable: overloaded, please try again later",
            "capacity",
            "-",
        ),
        ("Codex ran out of room in the model's context window.", "context_overflow", "-"),
        ("stream disconnected before completion: error sending request", "network", "-"),
        ("something new", "unknown", "-"),
    ] {
        run("codex", 1, &failed(message), "")
            .is(&format!("failed {class} 01a2-0341 - | - - - - | {reset}"));
    }
}

#[test]
fn errors_that_were_overcome_or_not_final_are_none() {
    let retried = failed("last status: 429 Too Many Requests");
    let retried = retried.lines().take(4).collect::<Vec<_>>().join("\n");
    let all = format!("{retried}\n{WORK}{}", done(10, 0, 1));
    run("codex", 0, &all, "").is("ok - 01a2-0341 - | 10 0 1 - | -");
    killed("codex", -15, &retried).is("failed quota 01a2-0341 - | - - - - | -");
    killed("codex", -15, &format!("{retried}\n{WORK}")).is("failed - 01a2-0341 - | - - - - | -");
    run("codex", -9, &retried, "").is("failed unknown 01a2-0341 - | - - - - | -");
}

#[test]
fn unknown_thread_is_not_resumed() {
    let stderr = "Error: thread/resume: thread/resume failed: no rollout found for thread id \
        01a2-0000 (code -32600)\n";
    let lost = run("codex", 1, "", stderr);
    lost.is("failed unknown - - | - - - - | -");
    assert_eq!(next_session(Some("01a2-0000"), &lost.verdict(), lost.ended), None);
    run(
        "codex",
        1,
        "",
        "Not inside a trusted directory and --skip-git-repo-check was not specified.\n",
    )
    .is("failed config - - | - - - - | -");
}
