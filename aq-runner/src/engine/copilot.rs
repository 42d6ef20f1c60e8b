//! Copilot CLI (`copilot`). Tested with 1.0.102.

use serde_json::Value;

use super::definition::{Definition, words};
use super::reason::{error_line, join};
use super::records::{Format, Seen};

pub(super) fn definition() -> Definition {
    Definition {
        // Tokens are in the usage file only.
        argv: words(&[
            "--output-format",
            "json",
            "--no-ask-user",
            "--no-auto-update",
            "--usage-output-file",
            "{usage_file}",
            "{permission_args}",
            "{model_args}",
            "{resume_args}",
            "{args}",
        ]),
        yolo_args: words(&["--yolo"]),
        safe_args: words(&["--allow-tool=write"]),
        model_args: words(&["--model", "{model}"]),
        resume_args: words(&["--resume={session}"]),
        output: &FORMAT,
        class: words(&["chat-coder"]),
        ..Definition::named("copilot")
    }
}

pub(super) static FORMAT: Format = Format {
    name: "jsonl-copilot",
    event: Some(event),
    stderr: Some(error_line),
    final_event: "a result event",
};

fn event(event: &Value, seen: &mut Seen) {
    let data = &event["data"];
    match event["type"].as_str() {
        Some("assistant.turn_start") => {
            seen.begin_turn();
            seen.count_turn();
        }
        Some("assistant.message") => {
            seen.model(&data["model"]);
            seen.text(&data["content"]);
        }
        Some("tool.execution_complete") if data["error"]["code"] == "denied" => seen.denied(),
        Some("session.error") => {
            seen.error(&join([data["errorType"].as_str(), data["message"].as_str()], ": "));
        }
        // Its result afterwards says exit code 0.
        Some("abort") => seen.abort(),
        Some("result") => {
            seen.session(&event["sessionId"]);
            match event["exitCode"].as_i64() {
                Some(0) => seen.succeed(),
                _ => seen.fail(""),
            }
        }
        _ => {}
    }
}
