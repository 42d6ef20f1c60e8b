use aq_runner::engine::{RunTokens, SessionTotal};

use crate::{killed, numbers, run};

const INIT: &str = include_str!("data/claude_init.jsonl");
/// The same message is an event for each of its parts; the numbers are of its start.
const CALLS: &str = include_str!("data/claude_calls.jsonl");
/// Key order as in newer versions; a model on the side is in `modelUsage` only.
const DONE: &str = include_str!("data/claude_done.jsonl");

/// An API error: a message that no model wrote, then a result that calls itself a success.
fn refused(status: &str, kind: &str, text: &str) -> String {
    let lines = include_str!("data/claude_refused.jsonl");
    INIT.to_owned() + &lines.replace("STATUS", status).replace("KIND", kind).replace("TEXT", text)
}

fn rate_limit(status: &str, resets: u64) -> String {
    format!(
        "{{\"type\":\"rate_limit_event\",\"rate_limit_info\":{{\"status\":\"{status}\",\
         \"resetsAt\":{resets},\"rateLimitType\":\"five_hour\",\"overageStatus\":\"rejected\",\
         \"overageDisabledReason\":\"org_level_disabled\"}},\"session_id\":\"a05d-88f1\"}}\n"
    )
}

#[test]
fn success_counts_all_models() {
    let all = format!("{INIT}{}{CALLS}{DONE}", rate_limit("allowed", 1_795_400_000));
    run("claude", 0, &all, "").is("ok - a05d-88f1 opus[1m] | 2568 400 117 0.0157 | -");
    // The result alone, as `--output-format json` prints it.
    run("claude", 0, DONE, "").is("ok - a05d-88f1 opus[1m] | 2568 400 117 0.0157 | -");
    let usage = run("claude", 0, &all, "").settled(Some("a05d-88f1"), None);
    assert_eq!(usage.run.cache_write_tokens, Some(60));
    assert_eq!(usage.total, None, "its numbers are for the run, also when it resumes");
}

#[test]
fn newer_versions_count_whole_session() {
    let init = |version: &str| {
        INIT.replace("\"model\"", &format!("\"claude_code_version\":\"{version}\",\"model\""))
    };
    for (version, expected) in [("2.1.276", 2568), ("2.1.277", 2468), ("nonsense", 2568)] {
        let all = format!("{}{CALLS}{DONE}", init(version));
        let first = SessionTotal {
            session_id: "a05d-88f1".to_owned(),
            usage: RunTokens { input_tokens: Some(100), ..RunTokens::default() },
        };
        let settled = run("claude", 0, &all, "").settled(Some("a05d-88f1"), Some(&first));
        assert_eq!(settled.run.input_tokens, Some(expected), "{version}");
    }
}

#[test]
fn refusals_have_their_class() {
    for (status, kind, text, want) in [
        ("401", "authentication_failed", "Invalid API key · Fix external API key", "auth"),
        ("null", "authentication_failed", "Not logged in · Please run /login", "auth"),
        (
            "429",
            "rate_limit",
            "API Error: Request rejected (429) · This request would exceed your organization's \
            rate limit of 30,000 input tokens per minute.",
            "quota",
        ),
        ("400", "billing_error", "Credit balance is too low", "quota"),
        (
            "500",
            "server_error",
            "API Error: 500 Internal server error. This is a server-side issue, usually temporary \
            — try again in a moment.",
            "capacity",
        ),
        ("null", "server_error", "API Error: Repeated 529 Overloaded errors", "capacity"),
        ("400", "invalid_request", "Prompt is too long", "context_overflow"),
        ("null", "unknown", "API Error: Connection error.", "network"),
        ("400", "invalid_request", "API Error: 400 no such thing", "unknown"),
    ] {
        let all = refused(status, kind, text);
        let want = format!("failed {want} a05d-88f1 opus[1m] | - - - - | -");
        run("claude", 1, &all, "").is(&want);
        // The result alone has no model.
        let result = all.lines().last().unwrap();
        run("claude", 1, result, "").is(&want.replace("opus[1m]", "-"));
    }
}

#[test]
fn a_limit_names_its_end() {
    for (text, reset) in [
        ("You've hit your session limit · resets 12:50am (Asia/Shanghai)", "2026-11-22T16:50:00Z"),
        (
            "You’ve hit your weekly limit · resets Jan 15, 8am (Europe/Berlin)",
            "2027-01-15T07:00:00Z",
        ),
        ("Claude AI usage limit reached|1795400000", "2026-11-23T02:13:20Z"),
    ] {
        let want = format!("failed quota a05d-88f1 opus[1m] | - - - - | {reset}");
        run("claude", 1, &refused("429", "rate_limit", text), "").is(&want);
    }
}

#[test]
fn only_a_rejected_rate_limit_is_a_limit() {
    let failed = refused("null", "unknown", "Something is wrong");
    let with = |status: &str| format!("{}{failed}", rate_limit(status, 1_795_400_000));
    let got = |status: &str| run("claude", 1, &with(status), "").line();
    assert_eq!(got("rejected"), "failed quota a05d-88f1 opus[1m] | - - - - | 2026-11-23T02:13:20Z");
    assert_eq!(got("allowed_warning"), "failed unknown a05d-88f1 opus[1m] | - - - - | -");
    // It went on all the same, on paid usage.
    let all = format!("{INIT}{}{CALLS}{DONE}", rate_limit("rejected", 1_795_400_000));
    run("claude", 0, &all, "").is("ok - a05d-88f1 opus[1m] | 2568 400 117 0.0157 | -");
    run("claude", 1, &all, "").is("failed unknown a05d-88f1 opus[1m] | 2568 400 117 0.0157 | -");
}

#[test]
fn agents_text_is_no_error() {
    // The stream was cut, and the result repeats the agent's words.
    let cut = concat!(
        r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":null,"#,
        r#""num_turns":1,"result":"You've hit your session limit · resets 3pm (UTC)","#,
        r#""session_id":"a05d-88f1"}"#,
    );
    let max = concat!(
        r#"{"type":"result","subtype":"error_max_turns","is_error":true,"num_turns":9,"#,
        r#""result":"usage limit reached","session_id":"a05d-88f1"}"#,
    );
    for result in [cut, max] {
        let all = format!("{INIT}{CALLS}{result}");
        run("claude", 1, &all, "").is("failed unknown a05d-88f1 opus[1m] | 1234 200 - - | -");
    }
    let stderr = "Error: usage limit reached, try again in 5s\n";
    run("claude", 1, &format!("{INIT}{CALLS}"), stderr)
        .is("failed unknown a05d-88f1 opus[1m] | 1234 200 - - | -");
}

#[test]
fn a_refusal_to_start_is_classified_from_stderr() {
    for (stderr, class) in [
        (
            "--dangerously-skip-permissions cannot be used with root/sudo privileges for security \
            reasons\n",
            "config",
        ),
        ("Error: When using --print, --output-format=stream-json requires --verbose\n", "config"),
        ("No conversation found with session ID: 0a-1b\n", "unknown"),
        ("Error: Session ID 0a-1b is already in use.\n", "unknown"),
    ] {
        run("claude", 1, "", stderr).is(&format!("failed {class} - - | - - - - | -"));
    }
    let gone = run("claude", 1, "", "No conversation found with session ID: 0a-1b\n").verdict();
    assert!(gone.session_gone);
}

#[test]
fn ended_run_has_error_class() {
    let refused = refused("401", "authentication_failed", "Invalid API key");
    let retrying = refused.lines().take(2).collect::<Vec<_>>().join("\n");
    killed("claude", 143, &retrying).is("failed auth a05d-88f1 opus[1m] | - - - - | -");
    killed("claude", 143, &format!("{retrying}\n{CALLS}"))
        .is("failed - a05d-88f1 opus[1m] | 1234 200 - - | -");
    killed("claude", 143, &format!("{INIT}{CALLS}"))
        .is("failed - a05d-88f1 opus[1m] | 1234 200 - - | -");
    // What it wrote was not counted yet: unknown, and not 1.
    let interrupted = DONE.replace("\"is_error\":false", "\"is_error\":true");
    let all = format!("{INIT}{CALLS}{interrupted}");
    killed("claude", 0, &all).is("failed - a05d-88f1 opus[1m] | 2568 400 117 0.0157 | -");
}

#[test]
fn usage_and_turns_are_known_while_it_runs() {
    let mut records = crate::registry().records("claude").unwrap();
    records.stdout(INIT.as_bytes());
    assert_eq!((records.turns(), numbers(&records.usage_so_far().usage)), (None, "- - - -".into()));
    records.stdout(CALLS.as_bytes());
    records.stdout(CALLS.replace("msg_1", "msg_2").as_bytes());
    assert_eq!(numbers(&records.usage_so_far().usage), "2468 400 - -");
    assert_eq!(records.turns(), Some(2));
    records.stdout(DONE.as_bytes());
    assert_eq!(numbers(&records.usage_so_far().usage), "2568 400 117 0.0157");
}
