//! Google's `generateContent` and `streamGenerateContent`.

use serde_json::{Value, json};

use super::answer::{Content, Fault, ModelApi, Stream, USAGE};
use super::http::Response;

pub(super) struct GeminiApi;

impl ModelApi for GeminiApi {
    fn tools<'a>(&self, call: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let tools = call["tools"].as_array().into_iter().flatten();
        let functions = tools.filter_map(|tool| tool["functionDeclarations"].as_array()).flatten();
        let schema = |tool: &'a Value| match &tool["parametersJsonSchema"] {
            Value::Null => &tool["parameters"],
            schema => schema,
        };
        functions.filter_map(|tool| Some((tool["name"].as_str()?, schema(tool)))).collect()
    }

    fn whole(&self, _call: &Value, content: &Content) -> Value {
        chunk(&json!([part(content)]), true)
    }

    fn stream(&self, _call: &Value, content: &Content) -> Stream {
        Stream {
            begun: vec![chunk(&json!([part(content)]), false)],
            rest: vec![chunk(&json!([{ "text": "" }]), true)],
        }
    }

    fn fault(&self, fault: Fault) -> Response {
        let error = |code, status: &str, message: &str, detail: Value| {
            let details = if detail.is_null() { json!([]) } else { json!([detail]) };
            let error =
                json!({ "code": code, "message": message, "status": status, "details": details });
            Response::json(code, &json!({ "error": error }))
        };
        let kind = |name: &str| format!("type.googleapis.com/google.rpc.{name}");
        match fault {
            Fault::WrongKey => error(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                json!({
                    "@type": kind("ErrorInfo"), "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                }),
            ),
            Fault::TooMany { retry_after_s } => error(
                429,
                "RESOURCE_EXHAUSTED",
                "Resource has been exhausted (e.g. check quota).",
                json!({ "@type": kind("RetryInfo"), "retryDelay": format!("{retry_after_s}s") }),
            ),
            Fault::NoCredit | Fault::UsedUp { .. } => error(
                429,
                "RESOURCE_EXHAUSTED",
                "You exceeded your current quota, please check your plan and billing details.",
                json!({
                    "@type": kind("QuotaFailure"),
                    "violations": [{
                        "quotaMetric": "generativelanguage.googleapis.com/requests",
                        "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
                    }],
                }),
            ),
            Fault::Broken => error(500, "INTERNAL", "An internal error has occurred.", Value::Null),
            Fault::Overloaded => error(
                503,
                "UNAVAILABLE",
                "The model is overloaded. Please try again later.",
                Value::Null,
            ),
            Fault::TooLong => error(
                400,
                "INVALID_ARGUMENT",
                "The input token count (2500000) exceeds the maximum number of tokens allowed \
                 (1048576).",
                Value::Null,
            ),
        }
    }
}

fn part(content: &Content) -> Value {
    match content {
        Content::Text(text) => json!({ "text": text }),
        Content::Tool { name, arguments } => {
            json!({ "functionCall": { "name": name, "args": arguments } })
        }
    }
}

/// A piece of an answer; the last one has the usage.
fn chunk(parts: &Value, is_last: bool) -> Value {
    let mut candidate = json!({ "content": { "role": "model", "parts": parts }, "index": 0 });
    let mut chunk = json!({ "modelVersion": "mock", "responseId": "r1" });
    if is_last {
        candidate["finishReason"] = json!("STOP");
        chunk["usageMetadata"] = json!({
            "promptTokenCount": USAGE.input,
            "cachedContentTokenCount": USAGE.cached,
            "candidatesTokenCount": USAGE.output,
            "thoughtsTokenCount": USAGE.reasoning,
            "totalTokenCount": USAGE.input + USAGE.output + USAGE.reasoning,
        });
    }
    chunk["candidates"] = json!([candidate]);
    chunk
}
