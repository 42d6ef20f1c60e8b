//! Conditions on an event.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::json_path::JsonPath;

/// Conditions that must all hold, by the place that they look at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::engine) struct ConditionSet(BTreeMap<JsonPath, ValueCondition>);

impl ConditionSet {
    /// Tests for no condition at all.
    pub(in crate::engine) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Tests an event.
    pub(in crate::engine) fn hold(&self, event: &Value) -> bool {
        self.0.iter().all(|(path, condition)| condition.holds(&path.all(event)))
    }
}

/// Condition on the values at one place: `x`, `[x, y]`, or a map of [`ValueTests`].
#[derive(Clone, Debug)]
enum ValueCondition {
    OneOf(Vec<Value>),
    Tests(ValueTests),
}

/// Tests of which all that are given must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct ValueTests {
    /// There is a value, or none (null is none).
    present: Option<bool>,
    /// No value is one of these.
    #[serde(deserialize_with = "super::one_or_many")]
    not: Vec<Value>,
    /// A text begins with one of these.
    #[serde(deserialize_with = "super::one_or_many")]
    starts_with: Vec<String>,
    /// A text ends with one of these.
    #[serde(deserialize_with = "super::one_or_many")]
    ends_with: Vec<String>,
    /// A text holds one of these.
    #[serde(deserialize_with = "super::one_or_many")]
    contains: Vec<String>,
    /// A number is at least this.
    at_least: Option<f64>,
}

impl ValueCondition {
    fn holds(&self, values: &[&Value]) -> bool {
        match self {
            Self::OneOf(wanted) => values.iter().any(|value| wanted.contains(value)),
            Self::Tests(tests) => tests.hold(values),
        }
    }
}

impl ValueTests {
    fn hold(&self, values: &[&Value]) -> bool {
        let text = |wanted: &[String], fits: fn(&str, &str) -> bool| {
            let texts = || values.iter().filter_map(|value| value.as_str());
            wanted.is_empty() || texts().any(|text| wanted.iter().any(|want| fits(text, want)))
        };
        self.present.is_none_or(|present| present != values.is_empty())
            && !values.iter().any(|value| self.not.contains(value))
            && text(&self.starts_with, |text, want| text.starts_with(want))
            && text(&self.ends_with, |text, want| text.ends_with(want))
            && text(&self.contains, |text, want| text.contains(want))
            && self.at_least.is_none_or(|least| {
                values.iter().filter_map(|value| value.as_f64()).any(|number| number >= least)
            })
    }
}

impl<'de> Deserialize<'de> for ValueCondition {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(ConditionVisitor)
    }
}

struct ConditionVisitor;

impl<'de> Visitor<'de> for ConditionVisitor {
    type Value = ValueCondition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a text, number or true/false, a list of them, or tests such as `present: true`",
        )
    }

    fn visit_bool<E>(self, value: bool) -> Result<ValueCondition, E> {
        Ok(ValueCondition::OneOf(vec![value.into()]))
    }

    fn visit_i64<E>(self, value: i64) -> Result<ValueCondition, E> {
        Ok(ValueCondition::OneOf(vec![value.into()]))
    }

    fn visit_u64<E>(self, value: u64) -> Result<ValueCondition, E> {
        Ok(ValueCondition::OneOf(vec![value.into()]))
    }

    fn visit_str<E>(self, value: &str) -> Result<ValueCondition, E> {
        Ok(ValueCondition::OneOf(vec![value.into()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<ValueCondition, A::Error> {
        let wanted = Vec::<Value>::deserialize(SeqAccessDeserializer::new(list))?;
        match wanted.is_empty() {
            true => Err(A::Error::invalid_length(0, &"at least one value")),
            false => Ok(ValueCondition::OneOf(wanted)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ValueCondition, A::Error> {
        ValueTests::deserialize(MapAccessDeserializer::new(map)).map(ValueCondition::Tests)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hold(conditions: Value, event: &Value) -> bool {
        serde_json::from_value::<ConditionSet>(conditions).unwrap().hold(event)
    }

    #[test]
    fn all_conditions_must_hold() {
        let event = || json!({"type": "result", "code": 0, "ok": true, "parts": [{"n": "x"}]});
        for (conditions, want) in [
            (json!({}), true),
            (json!({"type": "result", "code": 0}), true),
            (json!({"type": "result", "code": 1}), false),
            (json!({"type": ["end", "result"]}), true),
            (json!({"ok": true, "parts.*.n": "x"}), true),
            (json!({"none": {"present": false}, "ok": {"present": true}}), true),
            (json!({"none": {"not": 0}, "code": {"not": [1, 2]}}), true),
            (json!({"code": {"not": 0}}), false),
            (json!({"type": {"starts-with": "re", "ends-with": ["x", "lt"]}}), true),
            (json!({"type": {"contains": "sul"}, "code": {"at-least": 0}}), true),
            (json!({"code": {"at-least": 0.5}}), false),
            (json!({"type": {"starts-with": "x"}}), false),
        ] {
            assert_eq!(hold(conditions.clone(), &event()), want, "{conditions}");
        }
    }

    #[test]
    fn unknown_tests_and_empty_lists_are_refused() {
        for (bad, want) in [
            (json!({"a": {"begins": "x"}}), "unknown field"),
            (json!({"a": []}), "at least one value"),
            (json!({"a..b": 1}), "is no path"),
            (json!({"a": null}), "a text, number"),
        ] {
            let error = serde_json::from_value::<ConditionSet>(bad).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }
}
