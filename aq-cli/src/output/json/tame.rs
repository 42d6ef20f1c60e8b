//! Texts without what a terminal would obey.

use anstream::adapter::strip_str;
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

/// Takes control sequences out of all texts, and what is left of characters that begin one.
pub(super) fn tame(value: &mut Value) {
    match value {
        Value::String(text) if has_sequence(text) => *text = without_sequences(text),
        Value::Array(items) => items.iter_mut().for_each(tame),
        Value::Object(fields) => {
            if fields.keys().any(|key| has_sequence(key)) {
                let old = std::mem::take(fields).into_iter();
                let tamed = |key: String| key.replace(begins_sequence, "");
                fields.extend(old.map(|(key, value)| (tamed(key), value)));
            }
            fields.values_mut().for_each(tame);
        }
        _ => {}
    }
}

/// As [`tame`], of a value that is the caller's own.
pub(super) fn tamed(mut value: Value) -> Value {
    tame(&mut value);
    value
}

/// A text that is tamed when it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct TamedText<'a>(pub(super) &'a str);

impl Serialize for TamedText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match has_sequence(self.0) {
            true => serializer.serialize_str(&without_sequences(self.0)),
            false => serializer.serialize_str(self.0),
        }
    }
}

fn without_sequences(text: &str) -> String {
    let mut text = strip_str(text).to_string();
    text.retain(|c| !begins_sequence(c));
    text
}

fn has_sequence(text: &str) -> bool {
    // Nearly all texts are ASCII, and a look at bytes is quick.
    let may_begin = |&byte: &u8| byte == 0x1b || byte == 0xc2;
    text.as_bytes().iter().any(may_begin) && text.chars().any(begins_sequence)
}

/// ESC, and the controls of one byte that mean the same.
fn begins_sequence(c: char) -> bool {
    matches!(c, '\u{1b}' | '\u{80}'..='\u{9f}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{TamedText, tame};

    #[test]
    fn texts_and_keys_lose_sequences() {
        let red = "\u{1b}[31mred\u{1b}[0m\u{9b}2J";
        let mut value = json!({ "a": [red, 1, null], red: { "b": "plain\ttext\n" } });
        tame(&mut value);
        let key = "[31mred[0m2J";
        assert_eq!(value, json!({ "a": ["red2J", 1, null], key: { "b": "plain\ttext\n" } }));
        let mut open = json!("\u{1b}]0;no end");
        tame(&mut open);
        assert!(!open.as_str().unwrap().contains('\u{1b}'), "{open}");
    }

    #[test]
    fn written_texts_are_tamed_alike() {
        for text in ["plain", "\u{1b}[31mred\u{1b}[0m\u{9b}2J", "ä\u{80}", "\u{a0}£", "\u{85}"] {
            let mut value = json!(text);
            tame(&mut value);
            assert_eq!(json!(TamedText(text)), value, "{text:?}");
        }
    }
}
