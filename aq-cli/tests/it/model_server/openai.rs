//! OpenAI's Responses API, which `codex` speaks.

use serde_json::{Value, json};

use super::http::Response;
use super::{Answer, USAGE};

pub(super) fn models() -> Response {
    Response::json(200, &json!({ "object": "list", "data": [], "models": [] }))
}

/// `None`: it hangs.
pub(super) fn answer(answer: &Answer, call: &Value) -> Option<Response> {
    let error = |status, kind: &str, message: &str| {
        let error = json!({ "message": message, "type": kind, "code": kind, "param": null });
        Response::json(status, &json!({ "error": error }))
    };
    Some(match answer {
        Answer::Run(command) => turn(call, &tool_call(call, command)),
        Answer::Say(text) => turn(call, &message(text)),
        Answer::WrongKey => error(401, "invalid_api_key", "Incorrect API key provided."),
        Answer::TooMany { retry_after_s } => {
            let text = format!("Rate limit reached. Please try again in {retry_after_s}s.");
            error(429, "rate_limit_exceeded", &text).with("retry-after", retry_after_s)
        }
        Answer::UsedUp { until } => {
            let message = "The usage limit has been reached";
            let error = json!({
                "type": "usage_limit_reached", "message": message, "plan_type": "plus",
                "resets_at": until,
            });
            Response::json(429, &json!({ "error": error }))
        }
        Answer::Broken => error(500, "server_error", "The server had an error."),
        Answer::Hang => return None,
    })
}

fn turn(call: &Value, item: &Value) -> Response {
    let usage = json!({
        "input_tokens": USAGE.input,
        "input_tokens_details": { "cached_tokens": USAGE.cached },
        "output_tokens": USAGE.output,
        "output_tokens_details": { "reasoning_tokens": USAGE.reasoning },
        "total_tokens": USAGE.input + USAGE.output,
    });
    let response = |status: &str, output: &[&Value], usage: &Value| {
        json!({
            "id": "resp_1", "object": "response", "model": call["model"], "status": status,
            "output": output, "usage": usage,
        })
    };
    Response::events(&[
        json!({ "type": "response.created", "response": response("in_progress", &[], &Value::Null) }),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
        json!({ "type": "response.completed", "response": response("completed", &[item], &usage) }),
    ])
}

fn message(text: &str) -> Value {
    let content = json!([{ "type": "output_text", "text": text, "annotations": [] }]);
    json!({
        "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": content,
    })
}

/// A call of the tool that runs commands, under the name that this version offers it.
fn tool_call(call: &Value, command: &str) -> Value {
    let offered: Vec<&str> =
        call["tools"].as_array().into_iter().flatten().flat_map(|t| t["name"].as_str()).collect();
    let name = ["exec_command", "shell_command"].into_iter().find(|name| offered.contains(name));
    let arguments = json!({ "cmd": command, "command": command }).to_string();
    json!({
        "type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed",
        "name": name.unwrap_or_else(|| panic!("no tool for commands among {offered:?}")),
        "arguments": arguments,
    })
}
