//! Places of what a vendor says about an error.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::json_path::{JsonPath, JsonPaths};
use crate::engine::fault::ErrorClass;
use crate::engine::reason::{join, service_answer};
use crate::engine::seen::ObservedRun;

/// Places of what an event says about an error of the engine's vendor.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(in crate::engine) struct ErrorRule {
    /// Its text. A service's answer in it, as JSON, is reduced to its message.
    text: JsonPaths,
    /// The text where the event has none; `{name}` is the error's name.
    words: Option<String>,
    /// Name of the error, such as `rate_limit`: put before the text, or in its place.
    name: Option<JsonPaths>,
    /// The same, and not put before the text.
    code: Option<JsonPaths>,
    /// HTTP status of the vendor's service.
    status: Option<JsonPaths>,
    /// Object that may name the time at which a limit ends.
    details: Option<JsonPath>,
    /// Class of the error, where the event itself decides it.
    class: Option<ErrorClass>,
    /// The text can be the agent's own: it is shown, and says nothing about the class.
    agents_text: bool,
    /// Id of the error: a line of stderr that holds it says more.
    stderr_id: Option<JsonPaths>,
    /// The engine waits for so many milliseconds before it goes on.
    wait_ms: Option<JsonPath>,
    /// The same in seconds.
    wait_s: Option<JsonPath>,
}

impl ErrorRule {
    /// An error that may be overcome.
    pub(super) fn not_final(&self, event: &Value, seen: &mut ObservedRun) {
        let reason = self.reason(event);
        self.with_evidence(event, seen, |seen| seen.error(&reason));
        if let Some(wait) = self.wait(event) {
            seen.waits(wait);
        }
    }

    /// The engine's last word.
    pub(super) fn last_word(&self, event: &Value, seen: &mut ObservedRun) {
        let reason = self.reason(event);
        self.with_evidence(event, seen, |seen| seen.fail(&reason));
    }

    fn with_evidence(
        &self,
        event: &Value,
        seen: &mut ObservedRun,
        say: impl FnOnce(&mut ObservedRun),
    ) {
        let value = |paths: &Option<JsonPaths>| {
            paths.as_ref().map_or(Value::Null, |paths| paths.first(event).clone())
        };
        let before = seen.evidence.words.clone();
        say(seen);
        if self.agents_text {
            seen.evidence.say(&before);
        }
        seen.evidence.kind(&value(&self.name));
        seen.evidence.kind(&value(&self.code));
        seen.evidence.status(&value(&self.status));
        if let Some(details) = &self.details {
            seen.evidence.record(details.first(event));
        }
        seen.evidence.stderr_id(&value(&self.stderr_id));
        if let Some(class) = self.class {
            seen.evidence.is_of_class(class);
        }
    }

    /// One line for people: the status or else the name, and the text.
    fn reason(&self, event: &Value) -> String {
        let mut name = self.name.as_ref().and_then(|paths| paths.text(event));
        let text = self.text.text(event).filter(|text| !text.is_empty());
        let text = match (text, &self.words) {
            (Some(text), _) => service_answer(&text),
            (None, Some(words)) if words.contains("{name}") => {
                words.replace("{name}", &name.take().unwrap_or_default())
            }
            (None, Some(words)) => words.clone(),
            (None, None) => name.take().unwrap_or_default(),
        };
        let number = |paths: &JsonPaths| paths.first(event).as_u64();
        let http = |code: &u64| (400..600).contains(code);
        let status = self.status.as_ref().and_then(number).filter(http);
        let is_said = |code: &u64| text.contains(&code.to_string());
        let before = match status.filter(|code| !is_said(code)) {
            Some(code) => Some(format!("API error {code}")),
            None => name,
        };
        join([before.as_deref(), Some(text.as_str())], ": ")
    }

    fn wait(&self, event: &Value) -> Option<Duration> {
        let number = |path: &Option<JsonPath>| path.as_ref()?.first(event).as_f64();
        let seconds = number(&self.wait_s).or_else(|| Some(number(&self.wait_ms)? / 1000.0))?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}
