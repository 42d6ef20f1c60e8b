//! Gemini CLI (`gemini`). Tested with 0.61.

use serde_json::Value;

use super::definition::{Definition, variables, words};
use super::format::Format;
use super::login::LoginFacts;
use super::reason::{error_line, join};
use super::seen::Seen;
use super::usage::{Counted, Usage, tokens, without};

pub(super) fn definition() -> Definition {
    Definition {
        // Without `--skip-trust` it exits with 55, and yolo is silently turned off.
        argv: words(&[
            "-o",
            "stream-json",
            "--skip-trust",
            "{permission_args}",
            "{model_args}",
            "{resume_args}",
            "{args}",
        ]),
        yolo_args: words(&["--approval-mode", "yolo"]),
        safe_args: words(&["--approval-mode", "auto_edit"]),
        model_args: words(&["-m", "{model}"]),
        resume_args: words(&["--resume", "{session}"]),
        output: &FORMAT,
        class: words(&["agentic-coder"]),
        // Its wrapper process ignores SIGTERM.
        env: variables(&[("GEMINI_CLI_NO_RELAUNCH", "true")]),
        child_env: words(&["GEMINI_CLI"]),
        account_env: words(&["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_CLOUD_PROJECT"]),
        login: Some(LoginFacts {
            dir: ".gemini",
            own: &["oauth_creds.json", ".env"],
            ..LoginFacts::default()
        }),
        tried: words(&["0.61.0"]),
        ..Definition::named("gemini")
    }
}

pub(super) static FORMAT: Format = Format {
    name: "jsonl-gemini",
    event: Some(event),
    stderr: Some(error_of_stderr),
    final_event: "a result event",
    left_behind: None,
    asked_mode: None,
    steps: None,
};

fn event(event: &Value, seen: &mut Seen) {
    match event["type"].as_str() {
        Some("init") => {
            seen.session(&event["session_id"]);
            seen.model(&event["model"]);
        }
        Some("message") if event["role"] == "assistant" => {
            seen.model_acts();
            seen.more_text(&event["content"]);
        }
        Some("message") => seen.drop_text(),
        Some("tool_use") => {
            seen.model_acts();
            seen.drop_text();
        }
        Some("tool_result") => {
            seen.tool_answers();
            if event["error"]["type"] == "policy_violation" {
                seen.denied();
            }
        }
        Some("error") => seen.error(event["message"].as_str().unwrap_or_default()),
        Some("result") => result(event, seen),
        None => document(event, seen),
        _ => {}
    }
}

/// The one object of `-o json`: on stdout, or on stderr when it failed.
fn document(object: &Value, seen: &mut Seen) {
    let is_result = ["response", "stats", "error"].iter().any(|key| !object[key].is_null());
    if !is_result || !object["session_id"].is_string() {
        return;
    }
    seen.session(&object["session_id"]);
    name_model(&object["stats"]["models"], seen);
    let models = object["stats"]["models"].as_object();
    let usage =
        models.and_then(|models| models.values().map(model_usage).reduce(|a, b| a.plus(&b)));
    seen.used(usage.unwrap_or_default(), Counted::Run);
    if object["error"].is_object() {
        return fail(&object["error"], seen);
    }
    seen.text(&object["response"]);
    // When its input was cut off, it calls no model and says that all went well.
    seen.succeed_if_called();
}

/// Of one model in `-o json`. `input` is what of `prompt` was not cached; the output holds no
/// thoughts.
fn model_usage(model: &Value) -> Usage {
    let counts = &model["tokens"];
    let cached = tokens(&counts["cached"]);
    Usage {
        input_tokens: tokens(&counts["input"])
            .or_else(|| without(tokens(&counts["prompt"]), cached)),
        cached_tokens: cached,
        output_tokens: tokens(&counts["candidates"]),
        reasoning_tokens: tokens(&counts["thoughts"]),
        ..Usage::default()
    }
}

/// Of a whole run in stream-json: thoughts are in the total only.
fn stream_usage(stats: &Value) -> Usage {
    let [cached, all_input, output, total] =
        ["cached", "input_tokens", "output_tokens", "total_tokens"].map(|key| tokens(&stats[key]));
    let thoughts = || total?.checked_sub(all_input?)?.checked_sub(output?);
    Usage {
        input_tokens: tokens(&stats["input"]).or_else(|| without(all_input, cached)),
        cached_tokens: cached,
        output_tokens: output,
        reasoning_tokens: thoughts(),
        ..Usage::default()
    }
}

fn fail(error: &Value, seen: &mut Seen) {
    seen.fail(&plain(error["message"].as_str().unwrap_or_default()));
    seen.evidence.kind(&error["type"]);
    seen.evidence.status(&error["code"]);
    seen.evidence.record(error);
}

fn name_model(models: &Value, seen: &mut Seen) {
    // `init` may say "auto"; a single model here is the one that was used.
    if let Some(models) = models.as_object()
        && models.len() == 1
        && let Some(name) = models.keys().next()
    {
        seen.model(&Value::from(name.as_str()));
    }
}

fn result(event: &Value, seen: &mut Seen) {
    seen.used(stream_usage(&event["stats"]), Counted::Run);
    name_model(&event["stats"]["models"], seen);
    match event["status"].as_str() {
        Some("success") => seen.succeed_if_called(),
        _ => fail(&event["error"], seen),
    }
}

/// What the service answered, out of a message that holds its answer as JSON.
fn plain(message: &str) -> String {
    let error = message
        .find('{')
        .and_then(|at| first_object(&message[at..]))
        .map(|mut answer| answer["error"].take());
    match error {
        Some(error) if error["message"].is_string() => {
            let code = error["code"].as_u64().map(|code| format!("API error {code}"));
            join([code.as_deref(), error["message"].as_str()], ": ")
        }
        _ => message.to_owned(),
    }
}

fn first_object(text: &str) -> Option<Value> {
    serde_json::Deserializer::from_str(text).into_iter().next()?.ok()
}

/// Errors before the first request come as one JSON object over several lines.
fn error_of_stderr(tail: &str) -> Option<String> {
    tail.match_indices('{')
        .filter(|&(at, _)| at == 0 || tail.as_bytes()[at - 1] == b'\n')
        .filter_map(|(at, _)| first_object(&tail[at..]))
        .find_map(|object| object["error"]["message"].as_str().map(plain))
        .or_else(|| error_line(tail))
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::{command, job, judged, judged_with, plain_and_full, why};
    use crate::engine::{EndedBy, Exit};

    const INIT: &str = r#"{"type":"init","session_id":"b9ce-fabd","model":"auto"}"#;
    const OK: &str = r#"{"type":"result","status":"success","stats":{"models":{"gemini-2.5-flash":{"input":1}}}}"#;

    fn message(role: &str, text: &str) -> String {
        format!(r#"{{"type":"message","role":"{role}","content":"{text}","delta":true}}"#)
    }

    #[test]
    fn argv() {
        let [plain, full] = plain_and_full("gemini");
        assert_eq!(plain, "-o stream-json --skip-trust --approval-mode auto_edit");
        assert_eq!(
            full,
            "-o stream-json --skip-trust --approval-mode yolo -m big --resume 0a-1b --extra two words"
        );
        let env = command("gemini", &job()).env_set;
        assert_eq!(env, [("GEMINI_CLI_NO_RELAUNCH".into(), "true".into())]);
    }

    #[test]
    fn success_is_a_result_event_that_says_so() {
        let call = r#"{"type":"tool_use","tool_name":"read_file"}"#;
        let said = ["user", "assistant", "assistant"].map(|role| message(role, "hi"));
        let all = [INIT, &said[0], &message("assistant", "wait"), call, &said[1], &said[2], OK];
        let verdict = judged("gemini", &all.join("\n"), Exit::Code(0));
        assert!(verdict.success);
        assert_eq!(verdict.session_id.as_deref(), Some("b9ce-fabd"));
        assert_eq!(verdict.model.as_deref(), Some("gemini-2.5-flash"));
        assert_eq!(verdict.final_text.as_deref(), Some("hihi"));
    }

    #[test]
    fn an_http_status_in_the_exit_code_is_no_signal() {
        let failed = r#"{"type":"result","status":"error","error":{"type":"unknown","message":"[API Error: {\"error\":{\"code\":400,\"message\":\"API key not valid.\"}}]"}}"#;
        let verdict = judged("gemini", &format!("{INIT}\n{failed}\n"), Exit::Code(144));
        assert_eq!(why(verdict), "gemini: API error 400: API key not valid.");
        let plain = failed.replace("[API Error: {", "no answer {");
        let verdict = judged("gemini", &plain.replace("\\\"error\\\"", "x"), Exit::Code(173));
        assert!(why(verdict).starts_with("gemini: no answer {x"));
    }

    #[test]
    fn an_error_before_the_first_request_is_json_on_stderr() {
        let text = "Warning: {x\n{\n  \"session_id\": \"b1cf\",\n  \"error\": {\n    \"type\": \"Error\",\n    \
                    \"message\": \"set GEMINI_API_KEY\\nand retry\",\n    \"code\": 41\n  }\n}\n";
        assert_eq!(
            why(judged_with("gemini", "", text, Exit::Code(41), EndedBy::Engine)),
            "gemini: set GEMINI_API_KEY and retry"
        );
    }

    #[test]
    fn ended_by_a_signal_it_exits_with_0_and_is_no_success() {
        let chatter = "Ripgrep is not available.\n";
        let verdict = judged_with("gemini", INIT, chatter, Exit::Code(0), EndedBy::Engine);
        assert_eq!(why(verdict), "gemini: exit code 0, but without a result event");
    }

    #[test]
    fn a_call_that_its_policy_refused_is_counted() {
        let refused =
            r#"{"type":"tool_result","status":"error","error":{"type":"policy_violation"}}"#;
        let verdict = judged("gemini", &[INIT, refused, OK].join("\n"), Exit::Code(0));
        assert_eq!((verdict.success, verdict.permission_denials), (true, 1));
    }
}
