//! Codex (`codex exec`). Tested with 0.169.

use serde_json::Value;

use super::definition::{Definition, words};
use super::reason::error_line;
use super::records::{Format, Seen};

pub(super) fn definition() -> Definition {
    Definition {
        // Options of `exec` may stand before the word `resume`; `-` reads the prompt from stdin.
        // Without a network the analytics cost five seconds a run.
        argv: words(&[
            "exec",
            "--json",
            "--skip-git-repo-check",
            "-c",
            "analytics.enabled=false",
            "{permission_args}",
            "{model_args}",
            "{args}",
            "{resume_args}",
            "-",
        ]),
        yolo_args: words(&["--dangerously-bypass-approvals-and-sandbox"]),
        safe_args: words(&["-s", "workspace-write"]),
        model_args: words(&["-m", "{model}"]),
        resume_args: words(&["resume", "{session}"]),
        output: &FORMAT,
        class: words(&["agentic-coder"]),
        // The sandbox marks tell a nested start that it has no network and may not sandbox again.
        child_env: words(&[
            "CODEX_THREAD_ID",
            "CODEX_CI",
            "CODEX_SANDBOX",
            "CODEX_SANDBOX_NETWORK_DISABLED",
        ]),
        ..Definition::named("codex")
    }
}

pub(super) static FORMAT: Format = Format {
    name: "jsonl-codex",
    event: Some(event),
    stderr: Some(error_line),
    final_event: "a turn.completed event",
};

fn event(event: &Value, seen: &mut Seen) {
    match event["type"].as_str() {
        Some("thread.started") => seen.session(&event["thread_id"]),
        Some("turn.started") => seen.begin_turn(),
        Some("item.completed") => item(&event["item"], seen),
        // Not final: also what it says while it reconnects.
        Some("error") => seen.error(event["message"].as_str().unwrap_or_default()),
        Some("turn.completed") => seen.succeed(),
        Some("turn.failed") => seen.fail(event["error"]["message"].as_str().unwrap_or_default()),
        _ => {}
    }
}

fn item(item: &Value, seen: &mut Seen) {
    if item["type"] == "agent_message" {
        seen.text(&item["text"]);
    }
    if item["status"] == "declined" {
        seen.denied();
    }
}
