//! The steps of an agent behind aq's own adapter.

use serde_json::Value;

use super::reader::StepLog;
use super::step::{AgentStep, TextClip, ToolCall};

/// Reads one record. `false`: it is of a kind that is not shown.
pub(in crate::engine) fn acp_steps(record: &Value, steps: &mut StepLog) -> bool {
    match record["type"].as_str() {
        Some("session") => steps.push(AgentStep::Began { model: None }),
        Some("message") => steps.text(&record["text"], AgentStep::Said),
        Some("thought") => steps.text(&record["text"], AgentStep::Thought),
        Some("note" | "error" | "session_gone") => steps.text(&record["text"], AgentStep::Problem),
        Some("denied") => {
            let tool = record["tool"].as_str().unwrap_or_default();
            steps.push(AgentStep::Problem(TextClip::line(&format!("not allowed: {tool}"))));
        }
        Some("tool") => tool(record, steps),
        Some("plan") => {
            let entries = record["entries"].as_array().map_or(&[][..], Vec::as_slice);
            let one = |entry: &Value| {
                let text = TextClip::line(entry["content"].as_str().unwrap_or_default());
                (entry["status"] == "completed", text)
            };
            steps.push(AgentStep::Planned(entries.iter().take(100).map(one).collect()));
        }
        // Read with the verdict.
        Some("agent" | "model" | "usage" | "result") => {}
        _ => return false,
    }
    true
}

fn tool(record: &Value, steps: &mut StepLog) {
    let title = record["title"].as_str().filter(|title| !title.is_empty());
    let name = title.or(record["kind"].as_str()).unwrap_or("a tool");
    let telling = ["command", "path", "file_path", "filePath", "query", "pattern"];
    let Some(call) = steps.call(ToolCall::new(&record["id"], name, &record["input"], &telling))
    else {
        return;
    };
    // Often the command is known only now, and takes the place of the tool's name.
    if name != call.tool.text && call.about.is_empty() {
        call.about = TextClip::line(name);
    }
    if let Some(status @ ("completed" | "failed")) = record["status"].as_str() {
        call.failed = status == "failed";
        call.answer = Some(TextClip::answer(record["text"].as_str().unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::with_config;
    use crate::engine::{AgentStep, EngineConfig};

    #[test]
    fn records_become_steps() {
        let yaml = "engines: {mine: {protocol: acp}}";
        let registry = with_config(&serde_yaml::from_str::<EngineConfig>(yaml).unwrap());
        let mut steps = registry.steps(50);
        steps.engine("mine");
        for line in [
            r#"{"type":"session","id":"s1"}"#,
            r#"{"type":"message","text":"I look."}"#,
            r#"{"type":"tool","id":"1","title":"Shell","status":"pending","input":{}}"#,
            r#"{"type":"tool","id":"1","title":"ls","status":"failed","text":"no"}"#,
            r#"{"type":"denied","tool":"rm"}"#,
            r#"{"type":"plan","entries":[{"content":"a","status":"completed"}]}"#,
            r#"{"type":"usage","spans":"run","input_tokens":5}"#,
            r#"{"type":"result","success":true}"#,
        ] {
            steps.line(line.as_bytes());
        }
        let got: Vec<&AgentStep> = steps.steps().map(|(_, step)| step).collect();
        let [AgentStep::Began { .. }, AgentStep::Said(_), AgentStep::Called(call), rest @ ..] =
            &got[..]
        else {
            panic!("{got:?}");
        };
        assert_eq!((call.tool.text.as_str(), call.about.text.as_str()), ("Shell", "ls"));
        assert!(call.failed && call.answer.as_ref().is_some_and(|answer| answer.text == "no"));
        let [AgentStep::Problem(_), AgentStep::Planned(plan), AgentStep::Ended(end)] = rest else {
            panic!("{rest:?}");
        };
        assert!(plan[0].0 && end.success && end.usage.input_tokens == Some(5));
        assert_eq!(steps.unknown(), 0);
    }
}
