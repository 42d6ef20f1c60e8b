//! A vendor's records about an error.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::class::{of_status, of_words, status_in};
use super::{ErrorClass, reset_in_record, reset_time};

/// Shortest id by which errors are found on stderr, in bytes.
const STDERR_ID: RangeInclusive<usize> = 6..=100;
/// The most that is kept of a vendor's words, in bytes.
const WORDS_MAX: usize = 8 << 10;

/// Collected while the engine speaks; empty again when it got over the error.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct FaultEvidence {
    /// The HTTP status of the vendor's service.
    pub(in crate::engine) status: Option<u16>,
    /// The vendor's name of the error: `rate_limit`, `authentication_failed`, ...
    pub(in crate::engine) kind: Option<String>,
    /// The vendor's words.
    pub(in crate::engine) words: String,
    /// The class that an event has decided by itself.
    decided: Option<ErrorClass>,
    /// Text in lines of stderr that say more about it.
    stderr_id: Option<String>,
    /// The records that may hold the time at which it ends.
    records: Vec<Value>,
}

impl FaultEvidence {
    pub(in crate::engine) fn from_words(words: &str) -> Self {
        let mut evidence = Self::default();
        evidence.say(words);
        evidence
    }

    pub(in crate::engine) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The last words count.
    pub(in crate::engine) fn say(&mut self, words: &str) {
        self.words = words[..words.floor_char_boundary(WORDS_MAX)].to_owned();
    }

    pub(in crate::engine) fn status(&mut self, status: &Value) {
        // Some programs put an exit code there.
        let http = status.as_u64().filter(|status| (400..600).contains(status));
        self.status = http.and_then(|status| u16::try_from(status).ok()).or(self.status);
    }

    pub(in crate::engine) fn kind(&mut self, kind: &Value) {
        if let Some(kind) = kind.as_str().filter(|kind| kind.len() <= 100) {
            self.kind = Some(kind.to_owned());
        }
    }

    /// The last id counts.
    pub(in crate::engine) fn stderr_id(&mut self, id: &Value) {
        let id = id.as_str().filter(|id| STDERR_ID.contains(&id.len()));
        self.stderr_id = id.map(str::to_owned).or(self.stderr_id.take());
    }

    /// Adds the lines of stderr about this error, by its id.
    pub(in crate::engine) fn on_stderr(&self, stderr: &str) -> Option<String> {
        let id = self.stderr_id.as_deref()?;
        let line = stderr.lines().find(|line| line.contains(id))?;
        Some(logged_error(line).to_owned())
    }

    /// The class that the event itself decides.
    pub(in crate::engine) fn is_of_class(&mut self, class: ErrorClass) {
        self.decided = Some(class);
    }

    /// The last record counts.
    pub(in crate::engine) fn record(&mut self, record: &Value) {
        self.records = vec![record.clone()];
    }

    /// Returns the class. The vendor's name of it says more than its words, and those say more than
    /// a status.
    fn class(&self) -> ErrorClass {
        if let Some(decided) = self.decided {
            return decided;
        }
        let kind = self.kind.as_deref();
        // "invalid request" and such say nothing; 403 and 400 come with every kind of trouble.
        let ours = |kind: &str| kind.parse().ok().filter(|class| *class != ErrorClass::Unknown);
        let named = kind.and_then(|kind| ours(kind).or_else(|| of_words(kind)));
        let status = self.status.or_else(|| status_in(&self.words));
        let words = of_words(&self.words);
        match (named, words, status.and_then(of_status)) {
            (_, Some(words @ ErrorClass::ContextOverflow), _) => words,
            // A general name, for whatever is between; nobody answered with a status.
            (Some(ErrorClass::Capacity), Some(words @ ErrorClass::Network), None) => words,
            (Some(named), _, _) => named,
            // A gateway's or a proxy's status, with words such as "timeout" beside it.
            (_, Some(ErrorClass::Network | ErrorClass::Config), Some(status)) => status,
            // Words about a plan come with the status of any refusal.
            (_, Some(words), _) => words,
            (_, None, Some(status)) => status,
            (_, None, None) => ErrorClass::Unknown,
        }
    }

    pub(in crate::engine) fn judge(self) -> EngineError {
        EngineError { class: self.class(), evidence: self }
    }
}

/// Extracts the error from a line of a log: its `error="..."`, or else all of it.
pub(in crate::engine) fn logged_error(line: &str) -> &str {
    let quoted = line.split_once("error=\"").and_then(|(_, rest)| rest.split('"').next());
    quoted.unwrap_or(line)
}

/// The error of an engine, by its vendor's own records.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineError {
    /// Whose fault it is.
    pub class: ErrorClass,
    evidence: FaultEvidence,
}

impl EngineError {
    /// When the vendor says that it ends: the latest time that its records and words name. `local`
    /// is the zone of times that come without one. Ask when the run has just ended: "in 5 minutes"
    /// counts from `now`.
    pub fn resets_at(&self, now: Timestamp, local: &TimeZone) -> Option<Timestamp> {
        let records = self.evidence.records.iter();
        let recorded = records.filter_map(|record| reset_in_record(record, now)).max();
        recorded.max(reset_time(&self.evidence.words, now, local))
    }

    /// This error with another class.
    pub(in crate::engine) fn of_class(mut self, class: ErrorClass) -> Self {
        self.class = class;
        self
    }

    /// This error when the vendor has also rejected the run with `record` for its account's limit.
    pub(in crate::engine) fn with_limit(mut self, record: &Value) -> Self {
        let is_other = matches!(
            self.class,
            ErrorClass::Auth | ErrorClass::Config | ErrorClass::ContextOverflow
        );
        if !is_other {
            self.class = ErrorClass::Quota;
            self.evidence.records.push(record.clone());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_words_have_a_class() {
        use ErrorClass::*;
        for (class, words) in [
            (Auth, "Not logged in · Please run /login"),
            (Auth, "Invalid API key · Fix external API key"),
            (Auth, "unexpected status 401 Unauthorized: Incorrect API key provided"),
            (Auth, "Missing environment variable: `OPENAI_API_KEY`."),
            (Auth, "API error 400: API key not valid. Please pass a valid API key."),
            (
                Auth,
                "When using Gemini API, you must specify the GEMINI_API_KEY environment variable.",
            ),
            (Auth, "Error: No authentication information found."),
            (Auth, "API Error: 403 forbidden"),
            (Config, "Not inside a trusted directory and --skip-git-repo-check was not specified."),
            (Config, "--dangerously-skip-permissions cannot be used with root/sudo privileges"),
            (Config, "YOLO mode is disabled by your administrator"),
            (Config, "Config file at /home/me/opencode.json is not valid JSON(C)"),
            (Config, "required MCP servers failed to initialize: x"),
            (Config, "error: unexpected argument '--jsn' found"),
            (Quota, "exceeded retry limit, last status: 429 Too Many Requests"),
            (Quota, "Quota exceeded. Check your plan and billing details."),
            (Quota, "You’ve hit your usage limit. Upgrade to Pro or try again at 1:36 PM."),
            (Quota, "You've hit your session limit · resets 12:50am (Asia/Shanghai)"),
            (Quota, "Claude AI usage limit reached|1755500000"),
            (Quota, "[API Error: Resource has been exhausted (e.g. check quota).]"),
            (Quota, "Credit balance is too low"),
            (Quota, "rate limit exceeded: Please try again in 1.5s."),
            (Quota, "You exceeded your current quota (HTTP 403)"),
            (
                Capacity,
                "We’re currently experiencing high demand, which may cause temporary errors.",
            ),
            (Capacity, "API Error: 500 Internal server error. This is a server-side issue"),
            (Capacity, "API Error: Repeated 529 Overloaded errors"),
            (Capacity, "unexpected status 502 connection refused upstream"),
            (ContextOverflow, "Codex ran out of room in the model's context window."),
            (ContextOverflow, "The provider rejected the prompt as too long, but recovery failed"),
            (ContextOverflow, "prompt is too long: 250000 tokens > 200000 maximum"),
            (
                ContextOverflow,
                "The input token count (2500000) exceeds the maximum number of tokens allowed \
                (1048576).",
            ),
            (ContextOverflow, "Your input exceeds the context window of this model."),
            (Network, "stream disconnected before completion: error sending request for url"),
            (Network, "Model stream ended without a finish reason."),
            (Network, "API Error: Connection error."),
            (
                Network,
                "Last error: Failed to finalize chat-completions stream: missing finish_reason \
                for choice 0",
            ),
            (Unknown, "Unexpected server error. Check server logs for details."),
            (Unknown, "no rollout found for thread id 0a-1b"),
            (Unknown, ""),
        ] {
            assert_eq!(FaultEvidence::from_words(words).judge().class, class, "{words}");
        }
    }

    #[test]
    fn vendor_name_wins_over_words() {
        let class = |status: u64, kind: &str, words: &str| {
            let mut evidence = FaultEvidence::from_words(words);
            evidence.status(&Value::from(status));
            evidence.kind(&Value::from(kind));
            evidence.judge().class
        };
        assert_eq!(class(429, "overloaded_error", "slow down"), ErrorClass::Capacity);
        assert_eq!(class(429, "rate_limit", "please sign in for more"), ErrorClass::Quota);
        assert_eq!(
            class(400, "invalid_request", "prompt is too long"),
            ErrorClass::ContextOverflow
        );
        assert_eq!(class(503, "query", "connection reset"), ErrorClass::Capacity);
        assert_eq!(class(418, "query", "teapot"), ErrorClass::Unknown);
        assert_eq!(
            class(0, "server_error", "Connection dropped (ECONNRESET)"),
            ErrorClass::Network
        );
        assert_eq!(class(502, "server_error", "Connection dropped"), ErrorClass::Capacity);
    }

    #[test]
    fn rejected_limit_is_quota() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let record = serde_json::json!({"resetsAt": 1_795_400_000});
        let error = FaultEvidence::from_words("something").judge().with_limit(&record);
        assert_eq!(error.class, ErrorClass::Quota);
        let want = "2026-11-23T02:13:20Z".parse().unwrap();
        assert_eq!(error.resets_at(now, &TimeZone::UTC), Some(want));
        let other = FaultEvidence::from_words("Not logged in").judge().with_limit(&record);
        assert_eq!(other.class, ErrorClass::Auth);
    }
}
