//! The steps of Claude Code's stream.

use serde_json::Value;

use super::reader::StepLog;
use super::step::{AgentStep, TextClip, ToolCall};

/// The fields that name in a line the purpose of a call: the first that is there.
const TELLING: [&str; 9] = [
    "command",
    "file_path",
    "notebook_path",
    "path",
    "pattern",
    "url",
    "query",
    "description",
    "skill",
];

/// Reads one record. `false`: it is of a kind that is not shown.
pub(in crate::engine) fn claude_steps(record: &Value, steps: &mut StepLog) -> bool {
    match record["type"].as_str() {
        Some("system") if record["subtype"] == "init" => {
            steps.push(AgentStep::Began { model: record["model"].as_str().map(TextClip::line) });
        }
        Some("system") if record["subtype"] == "api_retry" => {
            let error = record["error"].as_str().unwrap_or("an error");
            let status = record["error_status"].as_u64();
            let status = status.map_or(String::new(), |status| format!(" ({status})"));
            steps.push(AgentStep::Problem(TextClip::line(&format!(
                "tries again after {error}{status}"
            ))));
        }
        Some("assistant") => {
            for part in parts(record) {
                said(part, record, steps);
            }
        }
        Some("user") => {
            for part in parts(record).filter(|part| part["type"] == "tool_result") {
                answered(part, steps);
            }
        }
        // Its text is the agent's last message once more; its numbers are read with the verdict.
        Some("result") => {}
        _ => return false,
    }
    true
}

fn parts(record: &Value) -> impl Iterator<Item = &Value> {
    record["message"]["content"].as_array().into_iter().flatten()
}

fn said(part: &Value, record: &Value, steps: &mut StepLog) {
    // What an error is dressed up as.
    let is_error = record["message"]["model"] == "<synthetic>";
    match part["type"].as_str() {
        Some("text") if is_error => steps.text(&part["text"], AgentStep::Problem),
        Some("text") => steps.text(&part["text"], AgentStep::Said),
        Some("thinking") => steps.text(&part["thinking"], AgentStep::Thought),
        Some("tool_use" | "server_tool_use" | "mcp_tool_use") => {
            let (tool, input) = (part["name"].as_str().unwrap_or("tool"), &part["input"]);
            if let ("TodoWrite", Some(todos)) = (tool, input["todos"].as_array()) {
                return steps.push(AgentStep::Planned(plan(todos)));
            }
            let mut call = ToolCall::new(&part["id"], tool, input, &TELLING);
            call.nested = !record["parent_tool_use_id"].is_null();
            steps.push(AgentStep::Called(call));
        }
        _ => {}
    }
}

fn plan(todos: &[Value]) -> Vec<(bool, TextClip)> {
    let one = |todo: &Value| {
        (
            todo["status"] == "completed",
            TextClip::line(todo["content"].as_str().unwrap_or_default()),
        )
    };
    todos.iter().take(100).map(one).collect()
}

fn answered(part: &Value, steps: &mut StepLog) {
    // A call before the window, or of a list of things to do, has no place to show its answer.
    let Some(call) = steps.called(&part["tool_use_id"]) else { return };
    let content = &part["content"];
    let text = match content.as_array() {
        None => content.as_str().unwrap_or_default().to_owned(),
        Some(parts) => parts.iter().map(shown).collect::<Vec<_>>().join("\n"),
    };
    call.answer = Some(TextClip::answer(&text));
    call.failed = part["is_error"].as_bool().unwrap_or_default();
}

fn shown(part: &Value) -> String {
    match part["text"].as_str() {
        Some(text) => text.to_owned(),
        None => format!("[{}]", part["type"].as_str().unwrap_or("part")),
    }
}
