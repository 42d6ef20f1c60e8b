//! Gemini CLI (`gemini`). Tested with 0.61.

use serde_json::Value;

use super::definition::{Definition, variables, words};
use super::reason::error_line;
use super::records::{Format, Seen};

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
        ..Definition::named("gemini")
    }
}

pub(super) static FORMAT: Format = Format {
    name: "jsonl-gemini",
    event: Some(event),
    stderr: Some(error_of_stderr),
    final_event: "a result event",
};

fn event(event: &Value, seen: &mut Seen) {
    match event["type"].as_str() {
        Some("init") => {
            seen.session(&event["session_id"]);
            seen.model(&event["model"]);
        }
        Some("message") if event["role"] == "assistant" => seen.more_text(&event["content"]),
        Some("message" | "tool_use") => seen.drop_text(),
        Some("tool_result") if event["error"]["type"] == "policy_violation" => seen.denied(),
        Some("error") => seen.error(event["message"].as_str().unwrap_or_default()),
        Some("result") => result(event, seen),
        _ => {}
    }
}

fn result(event: &Value, seen: &mut Seen) {
    // `init` may say "auto"; a single model here is the one that was used.
    if let Some(models) = event["stats"]["models"].as_object()
        && models.len() == 1
        && let Some(name) = models.keys().next()
    {
        seen.model(&Value::from(name.as_str()));
    }
    match event["status"].as_str() {
        Some("success") => seen.succeed(),
        _ => seen.fail(event["error"]["message"].as_str().unwrap_or_default()),
    }
}

/// Errors before the first request come as one JSON object over several lines.
fn error_of_stderr(tail: &str) -> Option<String> {
    tail.match_indices('{')
        .filter(|&(at, _)| at == 0 || tail.as_bytes()[at - 1] == b'\n')
        .filter_map(|(at, _)| {
            serde_json::Deserializer::from_str(&tail[at..]).into_iter::<Value>().next()?.ok()
        })
        .find_map(|object| object["error"]["message"].as_str().map(str::to_owned))
        .or_else(|| error_line(tail))
}
