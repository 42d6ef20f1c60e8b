//! OpenAI's Chat Completions API, which most agents speak with a model of somebody else.

use serde_json::{Value, json};

use super::answer::{Content, Fault, ModelApi, Stream, USAGE};
use super::http::Response;
use super::responses::openai_fault;

pub(super) struct ChatApi;

impl ModelApi for ChatApi {
    fn tools<'a>(&self, call: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let tools = call["tools"].as_array().into_iter().flatten().map(|tool| &tool["function"]);
        tools.filter_map(|tool| Some((tool["name"].as_str()?, &tool["parameters"]))).collect()
    }

    fn whole(&self, call: &Value, content: &Content) -> Value {
        let mut message = message(call, content);
        message["role"] = json!("assistant");
        let choice = json!({ "index": 0, "message": message, "finish_reason": reason(content) });
        completion(call, "chat.completion", &json!([choice]), &usage())
    }

    fn stream(&self, call: &Value, content: &Content) -> Stream {
        let chunk = |delta: &Value, reason: Option<&str>| {
            let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
            completion(call, "chat.completion.chunk", &json!([choice]), &Value::Null)
        };
        let mut delta = message(call, content);
        delta["role"] = json!("assistant");
        let end = completion(call, "chat.completion.chunk", &json!([]), &usage());
        Stream {
            begun: vec![chunk(&delta, None)],
            rest: vec![chunk(&json!({}), Some(reason(content))), end],
        }
    }

    fn fault(&self, fault: Fault) -> Response {
        openai_fault(fault)
    }

    fn last_line(&self) -> &'static str {
        "data: [DONE]\n\n"
    }
}

fn message(call: &Value, content: &Content) -> Value {
    match content {
        Content::Text(text) => json!({ "content": text }),
        Content::Tool { name, arguments } => {
            let nth = call["messages"].as_array().map_or(0, Vec::len);
            let function = json!({ "name": name, "arguments": arguments.to_string() });
            let tool = json!({
                "index": 0, "id": format!("call_{nth}"), "type": "function", "function": function,
            });
            json!({ "content": null, "tool_calls": [tool] })
        }
    }
}

fn reason(content: &Content) -> &'static str {
    match content {
        Content::Text(_) => "stop",
        Content::Tool { .. } => "tool_calls",
    }
}

fn usage() -> Value {
    json!({
        "prompt_tokens": USAGE.input,
        "completion_tokens": USAGE.output,
        "total_tokens": USAGE.input + USAGE.output,
        "prompt_tokens_details": { "cached_tokens": USAGE.cached },
        "completion_tokens_details": { "reasoning_tokens": USAGE.reasoning },
    })
}

fn completion(call: &Value, object: &str, choices: &Value, usage: &Value) -> Value {
    json!({
        "id": "chatcmpl-1", "object": object, "created": 0, "model": call["model"],
        "choices": choices, "usage": usage,
    })
}
