//! `retry: {max, backoff, on}`.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::scalar::duration_schema;
use super::{ChoiceOf, OneOrMore, ValueKind, WholeKind};
use crate::reader::ValueReader;
use crate::yaml::{YamlNode, YamlValue};
use crate::{FailureClass, RetryBackoff, RetryPolicy};

const MAX_ATTEMPTS: u64 = 1000;
const MAX_FACTOR: f64 = 100.0;
/// The longest pause when a growing backoff does not say.
const DEFAULT_MAX_BACKOFF: Duration = Duration::from_secs(3600);
const DEFAULT_FACTOR: f64 = 2.0;

/// When to try again.
pub(crate) struct RetryRule;
/// The failures that are tried again.
type Classes = OneOrMore<ChoiceOf<FailureClass>, 16>;

impl ValueKind for RetryRule {
    type Value = RetryPolicy;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<RetryPolicy> {
        let [max, backoff, on] =
            reader.fields(node, ["max", "backoff", "on"], "write `retry: {max: 3}`")?;
        let backoff =
            backoff.map_or(Some(RetryBackoff::default()), |node| read_backoff(node, reader));
        let on = on.map_or(Some(FailureClass::ALL.to_vec()), |node| Classes::read(node, reader));
        let Some(max) = max else {
            let help = "add `max`, the number of attempts in all";
            reader.error(node, "does not say how often", Some(help.into()));
            return None;
        };
        let max = WholeKind::read(max, reader).and_then(|n| {
            let good = (1..=MAX_ATTEMPTS).contains(&n);
            if !good {
                let help =
                    format!("`max` is the number of attempts in all, from 1 to {MAX_ATTEMPTS}");
                reader.error(max, "is out of range", Some(help));
            }
            good.then(|| u32::try_from(n).ok()).flatten()
        })?;
        Some(RetryPolicy { max, backoff: backoff?, on: on? })
    }

    fn schema() -> Json {
        json!({
            "type": "object",
            "required": ["max"],
            "properties": {
                "max": {
                    "type": "integer", "minimum": 1, "maximum": MAX_ATTEMPTS,
                    "description": "Attempts in all, the first one included."
                },
                "backoff": {
                    "description": "The pause before each further attempt.",
                    "default": "30s",
                    "oneOf": [duration_schema(), {
                        "type": "object",
                        "required": ["initial"],
                        "properties": {
                            "initial": duration_schema(),
                            "factor": {
                                "type": "number", "minimum": 1, "maximum": MAX_FACTOR,
                                "default": DEFAULT_FACTOR
                            },
                            "max": duration_schema()
                        }
                    }]
                },
                "on": {
                    "description": "The failures that are tried again.",
                    "default": ChoiceOf::<FailureClass>::schema()["enum"],
                    "oneOf": Classes::schema()["oneOf"]
                }
            }
        })
    }
}

fn read_backoff(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<RetryBackoff> {
    if !matches!(node.value, YamlValue::Map(_)) {
        return reader.duration(node).map(RetryBackoff::fixed);
    }
    let help = "write `backoff: {initial: 30s, factor: 2, max: 10m}`";
    let [initial, factor_node, max_node] =
        reader.fields(node, ["initial", "factor", "max"], help)?;
    let factor = factor_node.map_or(Some(DEFAULT_FACTOR), |node| {
        let factor = reader.number(node)?;
        let good = (1.0..=MAX_FACTOR).contains(&factor);
        if !good {
            reader.error(node, "is out of range", Some(format!("1 to {MAX_FACTOR}")));
        }
        good.then_some(factor)
    });
    let max = max_node.map_or(Some(None), |node| reader.duration(node).map(Some));
    let Some(initial) = initial else {
        reader.error(node, "has no `initial` pause", Some(help.into()));
        return None;
    };
    let initial = reader.duration(initial)?;
    let max = max?.unwrap_or(DEFAULT_MAX_BACKOFF.max(initial));
    if max < initial {
        let help = "`max` is the longest pause and cannot be below `initial`";
        reader.error(max_node.unwrap_or(node), "is too short", Some(help.into()));
        return None;
    }
    Some(RetryBackoff { initial, factor: factor?, max })
}
