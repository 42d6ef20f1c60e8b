//! Claude Code (`claude -p`). Tested with 2.1.197 and 2.1.330.

use serde_json::Value;

use super::definition::{Definition, variables, words};
use super::reason::{error_line, join};
use super::records::{Format, Seen};

pub(super) fn definition() -> Definition {
    Definition {
        // `--verbose` is required with stream-json.
        argv: words(&[
            "-p",
            "--output-format",
            "stream-json",
            "--verbose",
            "{permission_args}",
            "{model_args}",
            "{resume_args}",
            "{args}",
        ]),
        yolo_args: words(&["--dangerously-skip-permissions"]),
        safe_args: words(&["--permission-mode", "acceptEdits"]),
        model_args: words(&["--model", "{model}"]),
        resume_args: words(&["--resume", "{session}"]),
        output: &FORMAT,
        class: words(&["agentic-coder"]),
        env: variables(&[
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ("DISABLE_AUTOUPDATER", "1"),
        ]),
        // As root it refuses to run without permission checks unless it is told that the machine
        // is a sandbox.
        root_yolo_env: variables(&[("IS_SANDBOX", "1")]),
        // The first one makes a nested start refuse to run; the others tie it to the outer
        // session and its editor.
        child_env: words(&["CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SSE_PORT"]),
        ..Definition::named("claude")
    }
}

pub(super) static FORMAT: Format = Format {
    name: "jsonl-claude",
    event: Some(event),
    stderr: Some(error_line),
    final_event: "a result event",
};

fn event(event: &Value, seen: &mut Seen) {
    seen.session(&event["session_id"]);
    match event["type"].as_str() {
        Some("system") => system(event, seen),
        // A turn of a sub-agent names its parent and is none of the main loop's.
        Some("assistant") if event["parent_tool_use_id"].is_null() => seen.begin_turn(),
        Some("result") => result(event, seen),
        _ => {}
    }
}

fn system(event: &Value, seen: &mut Seen) {
    match event["subtype"].as_str() {
        Some("init") => seen.model(&event["model"]),
        Some("api_retry") => {
            let status = event["error_status"].as_u64().map(|code| format!("API error {code}"));
            seen.error(&join([status.as_deref(), event["error"].as_str()], " "));
        }
        _ => {}
    }
}

fn result(event: &Value, seen: &mut Seen) {
    seen.denials(event["permission_denials"].as_array().map_or(0, Vec::len));
    if let Some(turns) = event["num_turns"].as_u64() {
        seen.turns(turns);
    }
    let subtype = event["subtype"].as_str().unwrap_or("no subtype");
    // An API error comes as the subtype "success" with `is_error`.
    if subtype == "success" && event["is_error"].as_bool() != Some(true) {
        seen.text(&event["result"]);
        return seen.succeed();
    }
    let text = event["errors"][0].as_str().or(event["result"].as_str());
    let kind = match event["api_error_status"].as_u64() {
        Some(code) if text.is_some_and(|text| text.contains(&code.to_string())) => None,
        Some(code) => Some(format!("API error {code}")),
        None if subtype == "success" => None,
        None => Some(subtype.to_owned()),
    };
    seen.fail(&join([kind.as_deref(), text], ": "));
}
