use crate::{killed, run};

const STEP: &str = r#"{"type":"step_start","sessionID":"ses_1","part":{"type":"step-start"}}
"#;
const SAID: &str = include_str!("data/opencode_said.jsonl");

fn finish(reason: &str, cost: f64) -> String {
    format!(
        "{{\"type\":\"step_finish\",\"sessionID\":\"ses_1\",\"part\":{{\"reason\":\"{reason}\",\
        \"tokens\":{{\"total\":1290,\"input\":1034,\"output\":49,\"reasoning\":7,\
        \"cache\":{{\"write\":30,\"read\":200}}}},\"cost\":{cost}}}}}\n"
    )
}

fn failed(name: &str, data: &str) -> String {
    format!(
        "{{\"type\":\"error\",\"sessionID\":\"ses_1\",\"error\":{{\"name\":\"{name}\",\
        \"data\":{{{data}}}}}}}\n"
    )
}

#[test]
fn its_steps_are_summed_up() {
    let all = [STEP, SAID, &finish("tool-calls", 0.5), STEP, SAID, &finish("stop", 0.25)].concat();
    let ok = run("opencode", 0, &all, "");
    ok.is("ok - ses_1 - | 2068 400 98 0.75 | -");
    let usage = ok.settled(Some("ses_1"), None).run;
    assert_eq!((usage.reasoning_tokens, usage.cache_write_tokens), (Some(14), Some(60)));
    let cut = [STEP, SAID, &finish("unknown", 0.5)].concat();
    killed("opencode", -15, &cut).is("failed - ses_1 - | 1034 200 49 0.5 | -");
    run("opencode", 0, &cut, "").is("failed unknown ses_1 - | 1034 200 49 0.5 | -");
}

#[test]
fn error_events_have_their_class() {
    for (name, data, class, reset) in [
        (
            "APIError",
            r#""message":"Incorrect API key provided: k.","statusCode":401,"isRetryable":false"#,
            "auth",
            "-",
        ),
        ("ProviderAuthError", r#""message":"no provider","providerID":"x""#, "auth", "-"),
        (
            "APIError",
            concat!(
                r#""message":"Rate limit reached. Please try again in 2.468s.","statusCode":429,"#,
                r#""responseHeaders":{"retry-after":"2"}"#,
            ),
            "quota",
            "2026-11-22T12:00:02.468Z",
        ),
        (
            "APIError",
            concat!(
                r#""message":"Slow down","statusCode":429,"#,
                r#""responseHeaders":{"Retry-After":"90"},"#,
                r#""responseBody":"{\"error\":{\"type\":\"tokens\"}}""#,
            ),
            "quota",
            "2026-11-22T12:01:30Z",
        ),
        (
            "APIError",
            concat!(
                r#""message":"The server had an error while processing your request.","#,
                r#""statusCode":500"#,
            ),
            "capacity",
            "-",
        ),
        (
            "ContextOverflowError",
            r#""message":"Too big","statusCode":400"#,
            "context_overflow",
            "-",
        ),
        (
            "UnknownError",
            r#""message":"Unexpected server error. Check server logs for details.","ref":"err_1""#,
            "unknown",
            "-",
        ),
    ] {
        run("opencode", 1, &failed(name, data), "")
            .is(&format!("failed {class} ses_1 - | - - - - | {reset}"));
    }
}

#[test]
fn unknown_session_is_on_stderr() {
    let gone = run("opencode", 1, "", "\u{1b}[91m\u{1b}[1mError: \u{1b}[0mSession not found\n");
    gone.is("failed unknown - - | - - - - | -");
    assert!(gone.verdict().session_gone);
}
