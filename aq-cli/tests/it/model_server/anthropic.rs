//! Anthropic's Messages API, which `claude` speaks.

use serde_json::{Value, json};

use super::http::Response;
use super::{Answer, USAGE};

/// `None`: it hangs.
pub(super) fn answer(answer: &Answer, call: &Value) -> Option<Response> {
    let error = |status, kind: &str, message: &str| {
        let error = json!({ "type": kind, "message": message });
        Response::json(status, &json!({ "type": "error", "error": error, "request_id": "req_1" }))
    };
    Some(match answer {
        Answer::Run(command) => {
            let block = json!({ "type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {} });
            let input = json!({ "command": command, "description": "run it" }).to_string();
            turn(call, &block, &json!({ "type": "input_json_delta", "partial_json": input }))
        }
        Answer::Say(text) => {
            let delta = json!({ "type": "text_delta", "text": text });
            turn(call, &json!({ "type": "text", "text": "" }), &delta)
        }
        Answer::WrongKey => error(401, "authentication_error", "invalid x-api-key"),
        Answer::TooMany { retry_after_s } => {
            error(429, "rate_limit_error", "This would exceed your organization's rate limit.")
                .with("retry-after", retry_after_s)
        }
        Answer::UsedUp { until } => {
            error(429, "rate_limit_error", "This would exceed your account's rate limit.")
                .with("anthropic-ratelimit-unified-status", "rejected")
                .with("anthropic-ratelimit-unified-reset", until)
                .with("anthropic-ratelimit-unified-representative-claim", "five_hour")
        }
        Answer::Broken => error(500, "api_error", "Internal server error"),
        Answer::Hang => return None,
    })
}

/// One block of content, begun empty and then filled.
fn turn(call: &Value, block: &Value, delta: &Value) -> Response {
    let usage = json!({
        "input_tokens": USAGE.input,
        "cache_creation_input_tokens": USAGE.cache_write,
        "cache_read_input_tokens": USAGE.cached,
        "output_tokens": 1,
    });
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": call["model"],
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    let reason = if block["type"] == "tool_use" { "tool_use" } else { "end_turn" };
    Response::events(&[
        json!({ "type": "message_start", "message": message }),
        json!({ "type": "content_block_start", "index": 0, "content_block": block }),
        json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({
            "type": "message_delta",
            "delta": { "stop_reason": reason, "stop_sequence": null },
            "usage": { "output_tokens": USAGE.output },
        }),
        json!({ "type": "message_stop" }),
    ])
}
