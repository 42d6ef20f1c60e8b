//! OpenAI's Responses API.

use serde_json::{Value, json};

use super::answer::{Content, Fault, ModelApi, Stream, USAGE};
use super::http::Response;

pub(super) struct ResponsesApi;

impl ModelApi for ResponsesApi {
    fn tools<'a>(&self, call: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let tools = call["tools"].as_array().into_iter().flatten();
        tools.filter_map(|tool| Some((tool["name"].as_str()?, &tool["parameters"]))).collect()
    }

    fn whole(&self, call: &Value, content: &Content) -> Value {
        response(call, "completed", &[&item(call, content)])
    }

    fn stream(&self, call: &Value, content: &Content) -> Stream {
        let item = item(call, content);
        let mut begun = vec![
            json!({ "type": "response.created", "response": response(call, "in_progress", &[]) }),
        ];
        if let Content::Text(text) = content {
            let (id, mut empty) = (item["id"].clone(), item.clone());
            empty["content"] = json!([]);
            empty["status"] = json!("in_progress");
            begun.extend([
                json!({ "type": "response.output_item.added", "output_index": 0, "item": empty }),
                json!({
                    "type": "response.output_text.delta", "item_id": id, "output_index": 0,
                    "content_index": 0, "delta": text,
                }),
            ]);
        }
        let completed = response(call, "completed", &[&item]);
        let rest = vec![
            json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
            json!({ "type": "response.completed", "response": completed }),
        ];
        Stream { begun, rest }
    }

    fn fault(&self, fault: Fault) -> Response {
        match fault {
            Fault::UsedUp { until } => {
                let message = "The usage limit has been reached";
                let error = json!({
                    "type": "usage_limit_reached", "message": message, "plan_type": "plus",
                    "resets_at": until,
                });
                Response::json(429, &json!({ "error": error }))
            }
            other => openai_fault(other),
        }
    }
}

/// The errors of both of OpenAI's APIs.
pub(super) fn openai_fault(fault: Fault) -> Response {
    let error = |status, kind: &str, code: &str, message: &str| {
        let error = json!({ "message": message, "type": kind, "code": code, "param": null });
        Response::json(status, &json!({ "error": error }))
    };
    match fault {
        Fault::WrongKey => {
            error(401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.")
        }
        Fault::TooMany { retry_after_s } => {
            let text = format!("Rate limit reached. Please try again in {retry_after_s}s.");
            error(429, "requests", "rate_limit_exceeded", &text).with("retry-after", retry_after_s)
        }
        Fault::NoCredit | Fault::UsedUp { .. } => error(
            429,
            "insufficient_quota",
            "insufficient_quota",
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        Fault::Broken => error(500, "server_error", "server_error", "The server had an error."),
        Fault::Overloaded => error(
            503,
            "server_error",
            "server_is_overloaded",
            "The engine is currently overloaded, please try again later",
        ),
        Fault::TooLong => error(
            400,
            "invalid_request_error",
            "context_length_exceeded",
            "Your input exceeds the context window of this model.",
        ),
    }
}

fn response(call: &Value, status: &str, output: &[&Value]) -> Value {
    let usage = (status == "completed").then(|| {
        json!({
            "input_tokens": USAGE.input,
            "input_tokens_details": { "cached_tokens": USAGE.cached },
            "output_tokens": USAGE.output,
            "output_tokens_details": { "reasoning_tokens": USAGE.reasoning },
            "total_tokens": USAGE.input + USAGE.output,
        })
    });
    json!({
        "id": "resp_1", "object": "response", "created_at": 0, "model": call["model"],
        "status": status, "output": output, "usage": usage,
    })
}

fn item(call: &Value, content: &Content) -> Value {
    let nth = call["input"].as_array().map_or(0, Vec::len);
    match content {
        Content::Text(text) => json!({
            "type": "message", "id": format!("msg_{nth}"), "role": "assistant",
            "status": "completed",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }],
        }),
        Content::Tool { name, arguments } => json!({
            "type": "function_call", "id": format!("fc_{nth}"), "call_id": format!("call_{nth}"),
            "status": "completed", "name": name, "arguments": arguments.to_string(),
        }),
    }
}
