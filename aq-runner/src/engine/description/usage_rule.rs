//! Places of numbers of usage.

use aq_caps::ToolVersion;
use serde::Deserialize;
use serde_json::Value;

use super::json_path::{JsonPath, JsonPaths};
use crate::engine::usage::{RunTokens, dollars, tokens, without};

/// Places of an event's numbers of usage, and what they span. Of several values at a place the sum
/// counts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(in crate::engine) struct UsageRule {
    /// Span of the numbers. Default `run`.
    pub(super) spans: UsageSpan,
    /// First version of the engine whose numbers span the session, and not the run.
    pub(super) session_since: Option<EngineVersion>,
    /// Place that distinguishes calls, with `call` and `partial`: of events with one value here
    /// the last one counts.
    pub(super) per: Option<JsonPath>,
    /// Input tokens without cached ones.
    input: Option<JsonPaths>,
    /// Input tokens with cached ones, where `input` is not said.
    all_input: Option<JsonPaths>,
    /// Tokens read from a cache.
    cached: Option<JsonPaths>,
    /// Tokens written to a cache, where they are not in the input.
    cache_write: Option<JsonPaths>,
    /// Output tokens.
    output: Option<JsonPaths>,
    /// Tokens of reasoning, where they are not in the output.
    reasoning: Option<JsonPaths>,
    /// Everything that was read and written: what is in no other number is reasoning.
    all: Option<JsonPaths>,
    /// Cost in US dollars.
    cost: Option<JsonPaths>,
}

/// Span of the numbers of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::engine) enum UsageSpan {
    /// One call of the model: the sum counts.
    Call,
    /// The same, but the numbers are of the call's start, and give way to any others.
    Partial,
    /// The run so far: the last event counts.
    #[default]
    Run,
    /// The session so far, with the runs that this one goes on from.
    Session,
}

/// Version of an engine, as its output says it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::engine) struct EngineVersion(ToolVersion);

impl TryFrom<String> for EngineVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("{text:?} is no version such as 2.1.0"))
    }
}

impl EngineVersion {
    /// Tests a version that an engine said.
    pub(super) fn is_reached_by(&self, said: Option<&str>) -> bool {
        let said = said.and_then(|said| said.parse::<ToolVersion>().ok());
        said.is_some_and(|said| said >= self.0)
    }
}

impl UsageRule {
    /// The numbers of an event.
    pub(super) fn read(&self, event: &Value) -> RunTokens {
        let count = |paths: &Option<JsonPaths>| sum(paths.as_ref()?.all(event), tokens, add);
        let cached = count(&self.cached);
        let all_input = count(&self.all_input);
        let (input, output) = (count(&self.input), count(&self.output));
        let input = input.or_else(|| without(all_input, cached));
        let with_cached = || all_input.or_else(|| Some(input? + cached.unwrap_or_default()));
        let rest = || count(&self.all)?.checked_sub(with_cached()?)?.checked_sub(output?);
        RunTokens {
            input_tokens: input,
            cached_tokens: cached,
            cache_write_tokens: count(&self.cache_write),
            output_tokens: output,
            reasoning_tokens: count(&self.reasoning).or_else(rest),
            cost_usd: self
                .cost
                .as_ref()
                .and_then(|paths| sum(paths.all(event), dollars, |a, b| a + b)),
            ..RunTokens::default()
        }
    }
}

fn add(a: u64, b: u64) -> u64 {
    a.saturating_add(b)
}

/// The sum of the values that are numbers; `None` without any.
fn sum<T>(values: Vec<&Value>, number: fn(&Value) -> Option<T>, add: fn(T, T) -> T) -> Option<T> {
    values.into_iter().filter_map(number).reduce(add)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(rule: Value, event: &Value) -> RunTokens {
        serde_json::from_value::<UsageRule>(rule).unwrap().read(event)
    }

    #[test]
    fn cached_inside_or_outside_input() {
        let event = json!({"in": 1234, "cached": 200, "out": 56});
        let inside = json!({"all-input": "in", "cached": "cached", "output": "out"});
        assert_eq!(read(inside, &event).input_tokens, Some(1034));
        let outside = json!({"input": "in", "cached": "cached"});
        assert_eq!(read(outside, &event).input_tokens, Some(1234));
    }

    #[test]
    fn what_is_left_of_all_is_reasoning() {
        let rule = json!({"all-input": "in", "cached": "c", "output": "out", "all": "all"});
        let used = read(rule.clone(), &json!({"in": 10, "c": 4, "out": 3, "all": 15}));
        assert_eq!((used.input_tokens, used.reasoning_tokens), (Some(6), Some(2)));
        assert_eq!(read(rule, &json!({"in": 10, "out": 3})).reasoning_tokens, None);
    }

    #[test]
    fn values_of_many_places_are_summed() {
        let event = json!({"models": {"a": {"n": 1, "usd": 0.5}, "b": {"n": 2, "usd": 0.25}}});
        let used = read(json!({"output": "models.*.n", "cost": "models.*.usd"}), &event);
        assert_eq!((used.output_tokens, used.cost_usd), (Some(3), Some(0.75)));
        assert!(read(json!({"output": "none"}), &json!({})).is_empty());
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let since = EngineVersion::try_from("2.1.277".to_owned()).unwrap();
        assert!(since.is_reached_by(Some("2.1.1000")) && !since.is_reached_by(Some("2.1.30")));
        assert!(!since.is_reached_by(None) && !since.is_reached_by(Some("new")));
        assert!(serde_json::from_value::<UsageRule>(json!({"session-since": "x"})).is_err());
    }
}
