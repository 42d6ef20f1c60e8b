//! Anthropic's Messages API.

use serde_json::{Value, json};

use super::answer::{Content, Fault, ModelApi, Stream, USAGE};
use super::http::Response;

pub(super) struct AnthropicApi;

impl ModelApi for AnthropicApi {
    fn tools<'a>(&self, call: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let tools = call["tools"].as_array().into_iter().flatten();
        tools.filter_map(|tool| Some((tool["name"].as_str()?, &tool["input_schema"]))).collect()
    }

    fn whole(&self, call: &Value, content: &Content) -> Value {
        let block = match content {
            Content::Text(text) => json!({ "type": "text", "text": text }),
            Content::Tool { name, arguments } => {
                json!({ "type": "tool_use", "id": tool_id(call), "name": name, "input": arguments })
            }
        };
        let mut message = message(call, USAGE.output);
        message["content"] = json!([block]);
        message["stop_reason"] = json!(reason(content));
        message
    }

    /// One block of content, begun empty and then filled.
    fn stream(&self, call: &Value, content: &Content) -> Stream {
        let (block, delta) = match content {
            Content::Text(text) => (
                json!({ "type": "text", "text": "" }),
                json!({ "type": "text_delta", "text": text }),
            ),
            Content::Tool { name, arguments } => (
                json!({ "type": "tool_use", "id": tool_id(call), "name": name, "input": {} }),
                json!({ "type": "input_json_delta", "partial_json": arguments.to_string() }),
            ),
        };
        Stream {
            begun: vec![
                json!({ "type": "message_start", "message": message(call, 1) }),
                json!({ "type": "content_block_start", "index": 0, "content_block": block }),
                json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
            ],
            rest: vec![
                json!({ "type": "content_block_stop", "index": 0 }),
                json!({
                    "type": "message_delta",
                    "delta": { "stop_reason": reason(content), "stop_sequence": null },
                    "usage": { "output_tokens": USAGE.output },
                }),
                json!({ "type": "message_stop" }),
            ],
        }
    }

    fn fault(&self, fault: Fault) -> Response {
        let error = |status, kind: &str, message: &str| {
            let error = json!({ "type": kind, "message": message });
            let body = json!({ "type": "error", "error": error, "request_id": "req_1" });
            Response::json(status, &body)
        };
        match fault {
            Fault::WrongKey => error(401, "authentication_error", "invalid x-api-key"),
            Fault::TooMany { retry_after_s } => {
                let text = "This would exceed your organization's rate limit.";
                error(429, "rate_limit_error", text).with("retry-after", retry_after_s)
            }
            Fault::NoCredit => error(
                400,
                "invalid_request_error",
                "Your credit balance is too low to access the Anthropic API.",
            ),
            Fault::UsedUp { until } => {
                error(429, "rate_limit_error", "This would exceed your account's rate limit.")
                    .with("anthropic-ratelimit-unified-status", "rejected")
                    .with("anthropic-ratelimit-unified-reset", until)
                    .with("anthropic-ratelimit-unified-representative-claim", "five_hour")
            }
            Fault::Broken => error(500, "api_error", "Internal server error"),
            Fault::Overloaded => error(529, "overloaded_error", "Overloaded"),
            Fault::TooLong => error(
                400,
                "invalid_request_error",
                "prompt is too long: 250000 tokens > 200000 maximum",
            ),
        }
    }
}

/// Each call of a tool in a session needs a name of its own.
fn tool_id(call: &Value) -> String {
    format!("toolu_{}", call["messages"].as_array().map_or(0, Vec::len))
}

fn reason(content: &Content) -> &'static str {
    match content {
        Content::Text(_) => "end_turn",
        Content::Tool { .. } => "tool_use",
    }
}

fn message(call: &Value, output: u64) -> Value {
    let usage = json!({
        "input_tokens": USAGE.input,
        "cache_creation_input_tokens": USAGE.cache_write,
        "cache_read_input_tokens": USAGE.cached,
        "output_tokens": output,
    });
    let id = format!("msg_{}", call["messages"].as_array().map_or(0, Vec::len));
    json!({
        "id": id, "type": "message", "role": "assistant", "model": call["model"], "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage,
    })
}
