//! The classes of errors, and what vendors call them.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Whose fault it is that an engine failed, as `engine_error` in meta says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum ErrorClass {
    /// No key, a wrong one, or one that may not do this.
    Auth,
    /// The engine is set up wrongly, or aq starts it wrongly. A job that sets `model` or `args` may
    /// itself be the cause: then it is no reason to keep others from the engine.
    Config,
    /// The account has used up what it may use for now: plan, credit, rate limit.
    Quota,
    /// The vendor's service fails or is overloaded (every HTTP status from 500 on).
    Capacity,
    /// The session has grown beyond what the model can read.
    ContextOverflow,
    /// The service was not reached, or the connection broke.
    Network,
    /// It failed, and does not say why in words that are known here.
    Unknown,
}

const NAMES: [(ErrorClass, &str); 7] = [
    (ErrorClass::Auth, "auth"),
    (ErrorClass::Config, "config"),
    (ErrorClass::Quota, "quota"),
    (ErrorClass::Capacity, "capacity"),
    (ErrorClass::ContextOverflow, "context_overflow"),
    (ErrorClass::Network, "network"),
    (ErrorClass::Unknown, "unknown"),
];

impl ErrorClass {
    /// Every name.
    pub(in crate::engine) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(_, name)| *name)
    }

    /// As meta has it.
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(class, _)| *class == self).map_or("unknown", |(_, name)| name)
    }

    /// Tests for an error that waiting mends: the job goes back, its attempt does not count, and
    /// the engine cools down.
    pub fn is_limit(self) -> bool {
        matches!(self, Self::Quota | Self::Capacity)
    }

    /// Tests for an error that a person has to mend: the job goes back, its attempt does not count,
    /// and the engine is out of use.
    pub fn needs_a_person(self) -> bool {
        matches!(self, Self::Auth | Self::Config)
    }

    /// Tests for a class that puts the job back without counting its attempt.
    pub fn ends_run_uncounted(self) -> bool {
        self.is_limit() || self.needs_a_person()
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// It is none of the names of [`ErrorClass`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no class of engine errors")]
pub struct NoSuchErrorClass(String);

impl FromStr for ErrorClass {
    type Err = NoSuchErrorClass;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(class, _)| *class).ok_or_else(|| NoSuchErrorClass(name.to_owned()))
    }
}

impl TryFrom<String> for ErrorClass {
    type Error = NoSuchErrorClass;

    fn try_from(name: String) -> Result<Self, NoSuchErrorClass> {
        name.parse()
    }
}

/// Words of vendors, lower case, by class; the first class that fits counts. A `+` joins words that
/// must all be there.
const WORDS: [(ErrorClass, &[&str]); 6] = [
    (
        ErrorClass::ContextOverflow,
        &[
            "context window",
            "contextoverflow",
            "context length",
            "context_length",
            "context_window",
            "context limit",
            "context size",
            "maximum context",
            "prompt is too long",
            "prompt as too long",
            "prompt_too_long",
            "input is too long",
            "input_too_large",
            "request too large",
            "token count+exceeds",
            "maximum number of tokens",
            "request_too_large",
        ],
    ),
    (
        ErrorClass::Quota,
        &[
            "quota",
            "usage limit",
            "usage_limit",
            "session limit",
            "weekly limit",
            "daily limit",
            "monthly limit",
            "hit your+limit",
            "reached your+limit",
            "limit reached",
            "limit exceeded",
            "limit will reset",
            "rate limit",
            "rate_limit",
            "rate-limit",
            "ratelimit",
            "too many requests",
            "resource_exhausted",
            "resource has been exhausted",
            "credit balance",
            "insufficient credit",
            "insufficient balance",
            "out of credits",
            "billing",
            "payment required",
            "spending limit",
            "spend limit",
            "premium request",
        ],
    ),
    (
        ErrorClass::Auth,
        &[
            "unauthorized",
            "unauthenticated",
            "authenticat",
            "autherror",
            "not logged in",
            "log in",
            "login",
            "sign in",
            "api key+invalid",
            "api key+not valid",
            "api key+incorrect",
            "api key+missing",
            "api key+expired",
            "api key+required",
            "no api key",
            "invalid_api_key",
            "api_key_invalid",
            "invalid x-api-key",
            "missing environment variable",
            "api_key+environment variable",
            "set an auth method",
            "oauth",
            "credentials",
            "token+expired",
            "token+revoked",
            "permission_denied",
            "permission_error",
            "forbidden",
        ],
    ),
    (
        ErrorClass::Capacity,
        &[
            "overloaded",
            "high demand",
            "at capacity",
            "over capacity",
            "no capacity",
            "server is busy",
            "temporarily unavailable",
            "service unavailable",
            "service_unavailable",
            "internal server error",
            "internal error",
            "server_error",
            "server had an error",
            "bad gateway",
            "gateway timeout",
        ],
    ),
    (
        ErrorClass::Config,
        &[
            "yolo mode is disabled",
            "config file+not valid json",
            "required mcp servers failed",
            "trusted directory",
            "trust this directory",
            "untrusted",
            "cannot be used with root",
            "requires --",
            "unknown option",
            "unknown argument",
            "unknown arguments",
            "unexpected argument",
            "unrecognized option",
            "invalid option",
            "error loading config",
            "invalid config",
            "invalid settings",
            "invalid value+for",
            "config.toml",
            "settings.json",
            "model not found",
            "model_not_found",
            "model+does not exist",
            "model+not supported",
            "unknown model",
            "invalid model",
        ],
    ),
    (
        ErrorClass::Network,
        &[
            "econnrefused",
            "econnreset",
            "enotfound",
            "etimedout",
            "eai_again",
            "ehostunreach",
            "enetunreach",
            "epipe",
            "connection",
            "could not connect",
            "unable to connect",
            "failed to connect",
            "error sending request",
            "stream+disconnected",
            "stream+ended",
            "stream+closed",
            "stream+interrupted",
            "stream+incomplete",
            "invalid_stream",
            "missing finish_reason",
            "fetch failed",
            "socket hang up",
            "network",
            "dns error",
            "timed out",
            "timeout",
            "certificate",
            "tls handshake",
            "terminated",
        ],
    ),
];

/// The class that a vendor's words name, when they name one.
pub(super) fn of_words(text: &str) -> Option<ErrorClass> {
    let text = text.to_lowercase();
    let fits = |words: &&str| words.split('+').all(|word| text.contains(word));
    WORDS.iter().find(|(_, known)| known.iter().any(fits)).map(|(class, _)| *class)
}

/// The class that an HTTP status names by itself.
pub(super) fn of_status(status: u16) -> Option<ErrorClass> {
    match status {
        401 | 403 | 407 => Some(ErrorClass::Auth),
        402 | 429 => Some(ErrorClass::Quota),
        413 => Some(ErrorClass::ContextOverflow),
        408 => Some(ErrorClass::Network),
        500..=599 => Some(ErrorClass::Capacity),
        _ => None,
    }
}

/// The HTTP status that is said in words: `HTTP 401`, `status 429`, `API Error: 500`, `rejected
/// (429)`.
pub(super) fn status_in(text: &str) -> Option<u16> {
    const BEFORE: [&str; 6] = ["status", "http", "error", "code", "rejected", "statuscode"];
    let apart = |c: char| c.is_whitespace() || matches!(c, ':' | '"' | '=' | '(' | ')' | ',' | '.');
    let mut before = String::new();
    for word in text.split(apart).filter(|word| !word.is_empty()) {
        let status =
            word.parse().ok().filter(|status| word.len() == 3 && (400..600).contains(status));
        if status.is_some() && BEFORE.contains(&before.as_str()) {
            return status;
        }
        before = word.to_lowercase();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (class, name) in NAMES {
            assert_eq!((class.as_str(), name.parse()), (name, Ok(class)));
        }
        assert!("quotas".parse::<ErrorClass>().is_err());
    }

    #[test]
    fn a_status_is_found_where_it_is_called_one() {
        for (text, want) in [
            ("unexpected status 401 Unauthorized: x", Some(401)),
            ("last status: 429 Too Many Requests", Some(429)),
            ("API Error: Request rejected (429) · too much", Some(429)),
            ("API Error: 500 Internal", Some(500)),
            ("at http://127.0.0.1:18080/401/v1 (HTTP 403).", Some(403)),
            ("{\"error\":{\"code\":503,\"message\":\"x\"}}", Some(503)),
            ("line 429 of http://x/500", None),
            ("exit code 41", None),
            ("error 4290", None),
        ] {
            assert_eq!(status_in(text), want, "{text}");
        }
    }
}
