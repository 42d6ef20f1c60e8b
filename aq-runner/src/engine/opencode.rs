//! OpenCode (`opencode run`). Tested with 1.18.

use serde_json::Value;

use super::definition::{Definition, variables, words};
use super::format::Format;
use super::login::LoginFacts;
use super::reason::{error_line, join};
use super::seen::Seen;
use super::usage::{Usage, dollars, tokens};

pub(super) fn definition() -> Definition {
    Definition {
        argv: words(&[
            "run",
            "--format",
            "json",
            "{permission_args}",
            "{model_args}",
            "{resume_args}",
            "{args}",
        ]),
        // Answers what its own `permission` config says to ask; there is no safe mode to ask for.
        yolo_args: words(&["--auto"]),
        model_args: words(&["-m", "{model}"]),
        resume_args: words(&["-s", "{session}"]),
        output: &FORMAT,
        class: words(&["agentic-coder"]),
        child_env: words(&["OPENCODE", "OPENCODE_PID", "AGENT"]),
        env: variables(&[("OPENCODE_DISABLE_AUTOUPDATE", "1")]),
        login: Some(LoginFacts {
            dir: ".local/share/opencode",
            own: &["auth.json"],
            others: &[".config/opencode/opencode.json", ".config/opencode/opencode.jsonc"],
            keys: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY"],
            ..LoginFacts::default()
        }),
        tried: words(&["1.18.33"]),
        ..Definition::named("opencode")
    }
}

pub(super) static FORMAT: Format = Format {
    name: "jsonl-opencode",
    event: Some(event),
    stderr: Some(error_line),
    final_event: "a step that finished with \"stop\"",
    left_behind: None,
    asked_mode: None,
    steps: None,
};

fn event(event: &Value, seen: &mut Seen) {
    seen.session(&event["sessionID"]);
    let part = &event["part"];
    match event["type"].as_str() {
        Some("step_start") => seen.begin_turn(),
        Some("text") => seen.text(&part["text"]),
        Some("tool_use") => {
            seen.spoke = true;
            tool(&part["state"], seen);
        }
        Some("step_finish") => {
            seen.count_turn();
            seen.used_more(&used(part));
            match part["reason"].as_str() {
                Some("stop") => seen.succeed_if_called(),
                Some("tool-calls") => {}
                other => seen.error(&join([Some("step finished with"), other], " ")),
            }
            seen.spoke = true;
        }
        Some("error") => {
            let data = &event["error"]["data"];
            let status = data["statusCode"].as_u64().map(|code| format!("API error {code}"));
            let name = event["error"]["name"].as_str();
            seen.fail(&join([status.as_deref().or(name), data["message"].as_str()], ": "));
            seen.evidence.kind(&event["error"]["name"]);
            seen.evidence.status(&data["statusCode"]);
            seen.evidence.record(data);
        }
        _ => {}
    }
}

/// Of one step. Its input holds no cached tokens, and its output no reasoning.
fn used(part: &Value) -> Usage {
    let counts = &part["tokens"];
    Usage {
        input_tokens: tokens(&counts["input"]),
        cached_tokens: tokens(&counts["cache"]["read"]),
        cache_write_tokens: tokens(&counts["cache"]["write"]),
        output_tokens: tokens(&counts["output"]),
        reasoning_tokens: tokens(&counts["reasoning"]),
        cost_usd: dollars(&part["cost"]),
        ..Usage::default()
    }
}

/// The two sentences that its permission check answers a tool call with.
const REFUSALS: [&str; 2] = [
    "The user rejected permission to use this specific tool call",
    "The user has specified a rule which prevents you from using this specific tool call",
];

fn tool(state: &Value, seen: &mut Seen) {
    let error = state["error"].as_str().unwrap_or_default();
    if state["status"] == "error" && REFUSALS.iter().any(|text| error.starts_with(text)) {
        seen.denied();
    }
}

#[cfg(test)]
mod tests {
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
}
