//! OpenCode (`opencode run`). Tested with 1.18.

use serde_json::Value;

use super::definition::{Definition, variables, words};
use super::reason::{error_line, join};
use super::records::{Format, Seen};

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
        env: variables(&[("OPENCODE_DISABLE_AUTOUPDATE", "1")]),
        ..Definition::named("opencode")
    }
}

pub(super) static FORMAT: Format = Format {
    name: "jsonl-opencode",
    event: Some(event),
    stderr: Some(error_line),
    final_event: "a step that finished with \"stop\"",
};

fn event(event: &Value, seen: &mut Seen) {
    seen.session(&event["sessionID"]);
    let part = &event["part"];
    match event["type"].as_str() {
        Some("step_start") => seen.begin_turn(),
        Some("text") => seen.text(&part["text"]),
        Some("tool_use") => tool(&part["state"], seen),
        Some("step_finish") => {
            seen.count_turn();
            match part["reason"].as_str() {
                Some("stop") => seen.succeed(),
                Some("tool-calls") => {}
                other => seen.error(&join([Some("step finished with"), other], " ")),
            }
        }
        Some("error") => {
            let data = &event["error"]["data"];
            let status = data["statusCode"].as_u64().map(|code| format!("API error {code}"));
            let name = event["error"]["name"].as_str();
            seen.fail(&join([status.as_deref().or(name), data["message"].as_str()], ": "));
        }
        _ => {}
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
