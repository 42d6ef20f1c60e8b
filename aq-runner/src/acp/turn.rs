//! One prompt turn: updates of the agent in, events for the log out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::event::{self, EXCERPT_MAX, MESSAGE_MAX, clip, title};

/// Tools that are followed at a time.
const TOOLS_MAX: usize = 1000;
/// The longest id of a tool call that is followed, in bytes.
const TOOL_ID_MAX: usize = 200;
/// Entries of a plan that are shown.
const PLAN_MAX: usize = 100;

/// The agent's work on a prompt, as far as it was reported. Memory is bounded.
#[derive(Debug, Default)]
pub(super) struct PromptTurn {
    /// The agent has said something.
    pub(super) spoke: bool,
    /// The agent has called a tool.
    pub(super) called: bool,
    /// The tool that it was not allowed to use, while it has done and said nothing since.
    pub(super) refused: Option<String>,
    pub(super) context_used: Option<u64>,
    /// Cost of this run, where it is known.
    pub(super) cost_usd: Option<f64>,
    /// Cost of the session before; `None`: not known, so that this run's is not either.
    cost_before: Option<f64>,
    message: String,
    /// The last chunk of the message, which is not in `message` yet.
    chunk: String,
    thought: String,
    tools: BTreeMap<String, ToolState>,
    plan: Value,
    events: Vec<Value>,
}

#[derive(Debug, Default)]
struct ToolState {
    title: String,
    kind: String,
    is_over: bool,
}

impl PromptTurn {
    /// A turn of a session that has cost so much before.
    pub(super) fn new(cost_before: Option<f64>) -> Self {
        Self { cost_before, ..Self::default() }
    }

    /// Takes one `update` of `session/update`. Unknown kinds are passed over.
    pub(super) fn update(&mut self, update: &Value) {
        match update["sessionUpdate"].as_str() {
            Some("agent_message_chunk") => self.said(update["content"]["text"].as_str()),
            Some("agent_thought_chunk") => self.thought(update["content"]["text"].as_str()),
            Some("tool_call" | "tool_call_update") => self.tool(update),
            Some("plan") => self.planned(&update["entries"]),
            Some("usage_update") => self.used(update),
            _ => {}
        }
    }

    /// The events since the last call.
    pub(super) fn take_events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.events)
    }

    /// The turn is over: says what was not said yet.
    pub(super) fn end(&mut self) {
        self.end_thought();
        self.end_message();
    }

    /// The last words of the agent, where they came in one piece that reads like an error: Copilot
    /// reports that its model refused like this, and ends the turn as if all were well. They are
    /// taken out of the message. After work they have to name a status of HTTP, too.
    pub(super) fn take_error(&mut self) -> Option<String> {
        let has_status = ["HTTP 4", "HTTP 5", "error: 4", "error: 5"]
            .iter()
            .any(|status| self.chunk.contains(status));
        let is_error = self.chunk.starts_with("Error: ") && (!self.called || has_status);
        is_error.then(|| std::mem::take(&mut self.chunk))
    }

    fn said(&mut self, text: Option<&str>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        self.end_thought();
        // Copilot's own remarks, such as that its user has cancelled something.
        if !text.starts_with("Info: ") {
            self.spoke = true;
            self.refused = None;
        }
        let chunk = std::mem::take(&mut self.chunk);
        push_clipped(&mut self.message, &chunk, MESSAGE_MAX);
        push_clipped(&mut self.chunk, text, MESSAGE_MAX);
    }

    fn thought(&mut self, text: Option<&str>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        self.end_message();
        self.spoke = true;
        push_clipped(&mut self.thought, text, EXCERPT_MAX);
    }

    fn end_message(&mut self) {
        let chunk = std::mem::take(&mut self.chunk);
        push_clipped(&mut self.message, &chunk, MESSAGE_MAX);
        let message = std::mem::take(&mut self.message);
        if !message.trim().is_empty() {
            self.events.push(event::message(&message));
        }
    }

    fn end_thought(&mut self) {
        let thought = std::mem::take(&mut self.thought);
        if !thought.trim().is_empty() {
            self.events.push(event::thought(&thought));
        }
    }

    /// An event when a tool is first seen and one when it is over: what comes between is progress.
    fn tool(&mut self, update: &Value) {
        let Some(id) = update["toolCallId"].as_str().filter(|id| id.len() <= TOOL_ID_MAX) else {
            return;
        };
        self.called = true;
        self.end();
        if self.tools.len() >= TOOLS_MAX && !self.tools.contains_key(id) {
            self.tools.retain(|_, tool| !tool.is_over);
            if self.tools.len() >= TOOLS_MAX {
                self.tools.clear();
            }
        }
        let is_new = !self.tools.contains_key(id);
        if is_new {
            self.refused = None;
        }
        let tool = self.tools.entry(id.to_owned()).or_default();
        for (field, key) in [(&mut tool.title, "title"), (&mut tool.kind, "kind")] {
            if update[key].as_str().is_some_and(|text| !text.is_empty()) {
                title(&update[key]).clone_into(field);
            }
        }
        let status = update["status"].as_str().unwrap_or("pending");
        let is_over = matches!(status, "completed" | "failed");
        if !is_new && (!is_over || tool.is_over) {
            return;
        }
        tool.is_over = is_over;
        let mut event = json!({
            "type": "tool", "id": id, "title": tool.title, "kind": tool.kind,
            "status": clip(status, 50),
        });
        let input = &update["rawInput"];
        if input.is_object() && input.to_string().len() <= EXCERPT_MAX {
            event["input"] = input.clone();
        }
        let text = answered(&update["content"]);
        if is_over && !text.is_empty() {
            event["text"] = text.into();
        }
        self.events.push(event);
    }

    fn planned(&mut self, entries: &Value) {
        let entries = entries.as_array().map_or(&[][..], Vec::as_slice);
        let entry = |entry: &Value| {
            let (content, status) = (title(&entry["content"]), title(&entry["status"]));
            json!({"content": content, "status": status})
        };
        let plan: Value = entries.iter().take(PLAN_MAX).map(entry).collect();
        if plan != self.plan {
            self.end();
            self.plan = plan.clone();
            self.events.push(json!({"type": "plan", "entries": plan}));
        }
    }

    fn used(&mut self, update: &Value) {
        self.context_used = update["used"].as_u64().or(self.context_used);
        let amount = &update["cost"]["amount"];
        let cost = amount.as_f64().filter(|cost| cost.is_finite() && *cost >= 0.0);
        let (Some(cost), Some(before)) = (cost, self.cost_before) else { return };
        // One that is smaller was counted anew.
        let cost = if cost < before { cost } else { cost - before };
        if update["cost"]["currency"] != "USD" || self.cost_usd == Some(cost) {
            return;
        }
        self.cost_usd = Some(cost);
        // While it works, for budgets. Nothing spent yet is not worth a line.
        if cost > 0.0 {
            self.events.push(json!({"type": "usage", "spans": "run", "cost_usd": cost}));
        }
    }
}

fn push_clipped(text: &mut String, more: &str, most: usize) {
    text.push_str(clip(more, most.saturating_sub(text.len())));
}

/// The beginning of what a tool answered.
fn answered(content: &Value) -> String {
    let mut text = String::new();
    for part in content.as_array().map_or(&[][..], Vec::as_slice).iter().take(PLAN_MAX) {
        let diff = part["path"].as_str().filter(|_| part["type"] == "diff");
        if let Some(piece) = part["content"]["text"].as_str().or(diff) {
            if !text.is_empty() {
                push_clipped(&mut text, "\n", EXCERPT_MAX);
            }
            push_clipped(&mut text, piece, EXCERPT_MAX);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(updates: &[Value]) -> Vec<Value> {
        events_after(Some(0.0), updates)
    }

    fn events_after(cost_before: Option<f64>, updates: &[Value]) -> Vec<Value> {
        let mut turn = PromptTurn::new(cost_before);
        updates.iter().for_each(|update| turn.update(update));
        turn.end();
        turn.take_events()
    }

    fn chunk(text: &str) -> Value {
        json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}})
    }

    fn tool(id: &str, kind: &str, status: &str) -> Value {
        json!({"sessionUpdate": kind, "toolCallId": id, "title": "sh", "status": status})
    }

    #[test]
    fn chunks_become_messages_at_tools_and_ends() {
        let got = events(&[
            chunk("I "),
            chunk("look."),
            tool("1", "tool_call", "pending"),
            tool("1", "tool_call_update", "in_progress"),
            tool("1", "tool_call_update", "completed"),
            tool("1", "tool_call_update", "completed"),
            json!({"sessionUpdate": "agent_thought_chunk", "content": {"text": "hm"}}),
            chunk("Done."),
        ]);
        let types: Vec<_> = got.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["message", "tool", "tool", "thought", "message"]);
        assert_eq!(got[0]["text"], "I look.");
        assert_eq!(
            (&got[1]["status"], &got[2]["status"]),
            (&json!("pending"), &json!("completed"))
        );
    }

    #[test]
    fn a_tool_that_was_never_announced_is_shown() {
        let content = json!([{"content": {"text": "a"}}, {"type": "diff", "path": "x"}, 5]);
        let got = events(&[json!({
            "sessionUpdate": "tool_call_update", "toolCallId": "1", "status": "completed",
            "content": content, "rawInput": {"command": "ls"},
        })]);
        assert_eq!((&got[0]["text"], &got[0]["input"]["command"]), (&json!("a\nx"), &json!("ls")));
    }

    #[test]
    fn floods_take_bounded_memory() {
        let mut turn = PromptTurn::default();
        let long = "ö".repeat(100_000);
        for n in 0..5000 {
            turn.update(&tool(&n.to_string(), "tool_call", "pending"));
            assert!(turn.tools.len() <= TOOLS_MAX);
            turn.update(&chunk(&long));
            turn.update(&chunk(&long));
            turn.take_events();
        }
        assert!(turn.message.len() + turn.chunk.len() <= 2 * MESSAGE_MAX);
        turn.update(&tool(&"x".repeat(300), "tool_call", "pending"));
        turn.end();
        let events = turn.take_events();
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0]["text"].as_str().unwrap().len() <= MESSAGE_MAX);
    }

    #[test]
    fn a_plan_is_shown_when_it_changes() {
        let plan = |status: &str| {
            let entries = json!([{"content": "a", "status": status, "priority": "high"}]);
            json!({"sessionUpdate": "plan", "entries": entries})
        };
        assert_eq!(events(&[plan("pending"), plan("pending"), plan("completed")]).len(), 2);
    }

    #[test]
    fn cost_in_dollars_is_shown_while_it_grows() {
        let cost = |amount: f64, currency: &str| {
            json!({"sessionUpdate": "usage_update", "used": 5, "size": 9,
                "cost": {"amount": amount, "currency": currency}})
        };
        let run = |amount: f64| json!({"type": "usage", "spans": "run", "cost_usd": amount});
        let got = events(&[cost(0.0, "USD"), cost(0.5, "USD"), cost(0.5, "USD"), cost(9.0, "EUR")]);
        assert_eq!(got, [run(0.5)]);
        assert_eq!(events_after(Some(0.5), &[cost(0.5, "USD"), cost(0.75, "USD")]), [run(0.25)]);
        assert_eq!(events_after(Some(0.5), &[cost(0.25, "USD")]), [run(0.25)]);
        assert_eq!(events_after(None, &[cost(0.75, "USD")]), Vec::<Value>::new());
    }

    #[test]
    fn last_words_in_one_piece_can_be_an_error() {
        let mut turn = PromptTurn::default();
        turn.update(&chunk("Info: again"));
        turn.update(&chunk("Error: HTTP 401"));
        assert_eq!(turn.take_error().as_deref(), Some("Error: HTTP 401"));
        turn.end();
        assert_eq!(turn.take_events()[0]["text"], "Info: again");
        turn.update(&chunk("Error: no"));
        turn.update(&chunk(" more"));
        assert_eq!(turn.take_error(), None);
    }

    #[test]
    fn unknown_and_malformed_updates_are_passed_over() {
        let odd = [
            json!(null),
            json!({"sessionUpdate": 5}),
            json!({"sessionUpdate": "current_mode_update", "currentModeId": "x"}),
            json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "image"}}),
            json!({"sessionUpdate": "agent_message_chunk"}),
            json!({"sessionUpdate": "tool_call", "toolCallId": 7}),
            json!({"sessionUpdate": "usage_update", "used": -1, "cost": "much"}),
        ];
        assert_eq!(events(&odd), Vec::<Value>::new());
    }
}
