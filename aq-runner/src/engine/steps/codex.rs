//! The steps of Codex's stream.

use serde_json::{Value, json};

use super::reader::StepLog;
use super::step::{AgentStep, TextClip, ToolCall};

/// Reads one record. `false`: it is of a kind that is not shown.
pub(in crate::engine) fn codex_steps(record: &Value, steps: &mut StepLog) -> bool {
    match record["type"].as_str() {
        Some("thread.started") => steps.push(AgentStep::Began { model: None }),
        Some("item.started" | "item.updated") => item(&record["item"], false, steps),
        Some("item.completed") => item(&record["item"], true, steps),
        Some("error") => steps.text(&record["message"], AgentStep::Problem),
        // Their errors and numbers are read with the verdict.
        Some("turn.started" | "turn.completed" | "turn.failed") => {}
        _ => return false,
    }
    true
}

fn item(item: &Value, is_complete: bool, steps: &mut StepLog) {
    match item["type"].as_str() {
        Some("agent_message") if is_complete => steps.text(&item["text"], AgentStep::Said),
        Some("reasoning") if is_complete => steps.text(&item["text"], AgentStep::Thought),
        Some("error") if is_complete => steps.text(&item["message"], AgentStep::Problem),
        Some("todo_list") if is_complete => {
            let items = item["items"].as_array().map_or(&[][..], Vec::as_slice);
            let one = |todo: &Value| {
                let text = TextClip::line(todo["text"].as_str().unwrap_or_default());
                (todo["completed"] == true, text)
            };
            steps.push(AgentStep::Planned(items.iter().take(100).map(one).collect()));
        }
        Some("agent_message" | "reasoning" | "error" | "todo_list") | None => {}
        Some(kind) => call(kind, item, is_complete, steps),
    }
}

/// Commands, changes of files, calls of tools; also kinds that came after this was written.
fn call(kind: &str, item: &Value, is_complete: bool, steps: &mut StepLog) {
    let input = match kind {
        "command_execution" => json!({ "command": item["command"] }),
        "file_change" => json!({ "path": changes(&item["changes"]) }),
        "web_search" => json!({ "query": item["query"] }),
        _ => item["arguments"].clone(),
    };
    let tool = match (item["server"].as_str(), item["tool"].as_str()) {
        (Some(server), Some(tool)) => format!("{server}: {tool}"),
        (None, Some(tool)) => tool.to_owned(),
        _ => kind.replace('_', " "),
    };
    let new = ToolCall::new(&item["id"], &tool, &input, &["command", "path", "query", "prompt"]);
    let Some(call) = steps.call(new) else { return };
    if !is_complete {
        return;
    }
    let status = item["status"].as_str();
    let code = item["exit_code"].as_i64();
    call.failed =
        matches!(status, Some("failed" | "declined")) || code.is_some_and(|code| code != 0);
    let text = item["aggregated_output"].as_str().or_else(|| item["error"]["message"].as_str());
    let mut text = text.map_or_else(|| result(&item["result"]), str::to_owned);
    if let Some(code) = code.filter(|&code| code != 0) {
        text = format!("exit code {code}\n{text}");
    }
    if status == Some("declined") {
        text = format!("declined\n{text}");
    }
    call.answer = Some(TextClip::answer(&text));
}

fn changes(changes: &Value) -> String {
    let one = |change: &Value| {
        let (kind, path) = (change["kind"].as_str(), change["path"].as_str().unwrap_or_default());
        format!("{} {path}", kind.unwrap_or("change"))
    };
    let all = changes.as_array().map_or(&[][..], Vec::as_slice).iter().take(200).map(one);
    all.collect::<Vec<_>>().join("\n")
}

fn result(result: &Value) -> String {
    let parts = result["content"].as_array();
    let texts = parts.into_iter().flatten().filter_map(|part| part["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}
