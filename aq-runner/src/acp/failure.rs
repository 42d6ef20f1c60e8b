//! Errors that an agent answers with: their words, and which of them say that a session is gone.

use serde_json::Value;

use super::event::clip;

/// The standard's code for "authentication required".
const AUTH_REQUIRED: i64 = -32000;
const INTERNAL_ERROR: i64 = -32603;
/// The longest piece of an error that is looked at, in bytes.
const PIECE_MAX: usize = 4 << 10;

/// An error of JSON-RPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallFailure {
    pub(super) text: String,
    pub(super) code: Option<i64>,
    /// The HTTP status that it means.
    pub(super) status: Option<u16>,
}

impl CallFailure {
    /// The error that answered `method`.
    pub(super) fn of(error: &Value, method: &str) -> Self {
        let code = error["code"].as_i64();
        let mut words = String::new();
        let mut say = |text: &str| {
            let text = clip(text.trim(), PIECE_MAX);
            if !text.is_empty() && !words.contains(text) {
                if !words.is_empty() {
                    words.push_str(": ");
                }
                words.push_str(text);
            }
        };
        let message = error["message"].as_str().unwrap_or_default();
        // The standard's own name for -32603 says nothing, and reads like an outage of the vendor.
        let said = match message.strip_prefix("Internal error") {
            Some(rest) if code == Some(INTERNAL_ERROR) => rest.trim_start_matches([':', ' ']),
            _ => message,
        };
        let inner = inner_message(said);
        say(inner.as_deref().unwrap_or(said));
        let data = &error["data"];
        say(data.as_str().unwrap_or_default());
        for key in ["message", "details", "detail", "error", "reason"] {
            say(data[key].as_str().unwrap_or_default());
        }
        let code_words = code.map_or_else(|| "an error".to_owned(), |code| format!("error {code}"));
        if words.is_empty() {
            words = format!("it answered {method} with {code_words} and no words");
        }
        let of_http = |value: &Value| {
            let status = value.as_u64().filter(|status| (400..600).contains(status))?;
            u16::try_from(status).ok()
        };
        let named = [&error["code"], &data["status"], &data["statusCode"], &data["httpStatus"]];
        let status = named.into_iter().find_map(of_http);
        let status = status.or((code == Some(AUTH_REQUIRED)).then_some(401));
        Self { text: words, code, status }
    }

    /// Tests for an agent that could not go on with a session because it does not have it. Any
    /// error does that would not meet a fresh session as well.
    pub(super) fn lacks_session(&self) -> bool {
        let text = self.text.to_lowercase();
        let holds = |words: &[&str]| words.iter().any(|word| text.contains(word));
        holds(&["not found", "no previous session", "does not exist", "unknown session"])
            || self.status.is_none()
                && !holds(&["auth", "log in", "login", "api key", "connect", "network", "fetch"])
    }
}

/// The message in an answer of a model's vendor that was passed on as it is.
fn inner_message(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with('{') || text.len() > PIECE_MAX {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let message = value["error"]["message"].as_str().or(value["message"].as_str())?;
    Some(message.to_owned()).filter(|message| !message.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_come_from_wherever_agents_put_them() {
        let text = |error: Value| CallFailure::of(&error, "session/prompt").text;
        let key = "401 Incorrect API key";
        for error in [
            json!({"code": -32603, "message": "Internal error", "data": {"details": key}}),
            json!({"code": -32603, "message": "Internal error", "data": {"message": key}}),
            json!({"code": -32603, "message": format!("Internal error: {key}")}),
            json!({"code": -32603, "message": "Internal error", "data": key}),
            json!({"code": -31002, "message": key, "data": null}),
            json!({"message": key, "data": {"error": key}}),
            json!({"message": json!({"error": {"message": key, "code": 4}}).to_string()}),
        ] {
            assert_eq!(text(error.clone()), key, "{error}");
        }
        let none = "it answered session/prompt with error -32603 and no words";
        assert_eq!(text(json!({"code": -32603, "message": "Internal error", "data": 7})), none);
        assert_eq!(text(json!(5)), "it answered session/prompt with an error and no words");
        assert_eq!(text(json!({"message": "x".repeat(1 << 20)})).len(), PIECE_MAX);
    }

    #[test]
    fn a_status_comes_from_codes_that_mean_one() {
        let status = |error: Value| CallFailure::of(&error, "x").status;
        assert_eq!(status(json!({"code": 400, "message": "bad"})), Some(400));
        assert_eq!(status(json!({"code": -32000, "message": "no"})), Some(401));
        assert_eq!(status(json!({"code": -32603, "data": {"statusCode": 429}})), Some(429));
        assert_eq!(status(json!({"code": -32603, "data": {"status": 7}})), None);
    }

    #[test]
    fn a_session_is_gone_unless_something_else_is_wrong() {
        let gone = |code: i64, message: &str| {
            CallFailure::of(&json!({"code": code, "message": message}), "x").lacks_session()
        };
        assert!(gone(-32603, "No previous sessions found for this project."));
        assert!(gone(-32000, "Session not found: 5"));
        assert!(gone(-32002, "Resource not found"));
        assert!(gone(-32603, "cannot read 'x' of undefined"));
        assert!(!gone(-32000, "Authentication required"));
        assert!(!gone(-32603, "Connection error."));
        assert!(!gone(503, "later"));
    }
}
