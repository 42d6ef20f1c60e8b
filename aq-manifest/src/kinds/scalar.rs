//! Booleans, numbers, durations and words of a closed list.

use std::marker::PhantomData;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::ValueKind;
use crate::reader::ValueReader;
use crate::string_enum::StringEnum;
use crate::suggest::alternatives;
use crate::yaml::YamlNode;

/// `true` or `false`.
pub(crate) struct BoolKind;
/// A whole number, not negative.
pub(crate) struct WholeKind;
/// A duration of at least a second.
pub(crate) struct PauseKind;
/// One of the words of an enum.
pub(crate) struct ChoiceOf<W>(PhantomData<W>);

impl ValueKind for BoolKind {
    type Value = bool;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<bool> {
        let value = reader.as_bool(node);
        if value.is_none() {
            let meant = reader.scalar(node).map(str::to_ascii_lowercase);
            let help = match meant.as_deref() {
                Some("true" | "yes" | "on" | "y") => Some("write `true`".to_owned()),
                Some("false" | "no" | "off" | "n") => Some("write `false`".to_owned()),
                _ => None,
            };
            reader.wrong_type(node, "`true` or `false`", help);
        }
        value
    }

    fn schema() -> Json {
        json!({"type": "boolean"})
    }
}

impl ValueKind for WholeKind {
    type Value = u64;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<u64> {
        let value = reader.plain(node).and_then(|text| text.parse().ok());
        if value.is_none() {
            reader.wrong_type(node, "a whole number, not negative", None);
        }
        value
    }

    fn schema() -> Json {
        json!({"type": "integer", "minimum": 0})
    }
}

impl ValueKind for PauseKind {
    type Value = Duration;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<Duration> {
        let duration = reader.duration(node)?;
        if duration.is_zero() {
            reader.error(node, "is zero", Some("write at least `1s`".into()));
            return None;
        }
        Some(duration)
    }

    fn schema() -> Json {
        duration_schema()
    }
}

impl<W: StringEnum> ValueKind for ChoiceOf<W> {
    type Value = W;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<W> {
        let words = W::all().iter().map(|value| value.word());
        let Some(text) = reader.scalar(node) else {
            reader.wrong_type(node, &alternatives(words), None);
            return None;
        };
        let found = W::all().iter().copied().find(|value| value.word() == text);
        if found.is_none() {
            reader.unknown_word(node, text, W::WHAT, words);
        }
        found
    }

    fn schema() -> Json {
        json!({"enum": W::all().iter().map(|value| value.word()).collect::<Vec<_>>()})
    }
}

pub(super) fn duration_schema() -> Json {
    json!({
        "type": "string",
        "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$",
        "examples": ["90s", "45m", "2h", "1d", "1h30m"]
    })
}
