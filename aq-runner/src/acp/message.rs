//! Messages of JSON-RPC 2.0, as far as they are used.

use serde_json::{Value, json};

/// The longest id of a request that is answered, as JSON, in bytes.
const ID_MAX: usize = 200;

/// One message of the agent's.
#[derive(Debug)]
pub(super) enum IncomingMessage {
    /// A call that waits for an answer.
    Request { id: Value, method: String, params: Value },
    /// A call that does not.
    Notification { method: String, params: Value },
    /// The answer to our call of this number.
    Answer { id: u64, outcome: Result<Value, Value> },
    /// Nothing that means anything here.
    Other,
    /// A message of the protocol that cannot be read: an answer may be lost with it.
    Broken,
}

impl IncomingMessage {
    /// Reads one line.
    pub(super) fn read(line: &[u8]) -> Self {
        let line = line.trim_ascii();
        // Bytes that are no UTF-8 are in a string, if anywhere.
        let text = String::from_utf8_lossy(line);
        let Ok(Value::Object(mut fields)) = serde_json::from_str(&text) else {
            let is_ours = text.starts_with('{') && text.contains("\"jsonrpc\"");
            return if is_ours { Self::Broken } else { Self::Other };
        };
        let mut take = |key: &str| fields.remove(key).unwrap_or_default();
        let (id, method, params) = (take("id"), take("method"), take("params"));
        if let Value::String(method) = method {
            return match id {
                Value::Null => Self::Notification { method, params },
                id if id.to_string().len() <= ID_MAX => Self::Request { id, method, params },
                _ => Self::Broken,
            };
        }
        let (result, error) = (take("result"), take("error"));
        match id.as_u64() {
            Some(id) => {
                let outcome = if error.is_null() { Ok(result) } else { Err(error) };
                Self::Answer { id, outcome }
            }
            None => Self::Other,
        }
    }
}

pub(super) fn request(id: u64, method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

pub(super) fn notification(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

pub(super) fn answer(id: &Value, result: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string()
}

/// The answer to a request for something that was never offered.
pub(super) fn not_offered(id: &Value, method: &str) -> String {
    let method: String = method.chars().take(100).collect();
    let message = format!("{method} is not offered: the client has no such capability");
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": message}}).to_string()
}
