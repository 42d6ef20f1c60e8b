//! Texts without what a terminal would obey.

use anstream::adapter::strip_str;
use serde_json::Value;

/// Takes control sequences out of all texts, and what is left of characters that begin one.
pub(super) fn tame(value: &mut Value) {
    match value {
        Value::String(text) if text.chars().any(begins_sequence) => {
            *text = strip_str(text).to_string();
            text.retain(|c| !begins_sequence(c));
        }
        Value::Array(items) => items.iter_mut().for_each(tame),
        Value::Object(fields) => {
            if fields.keys().any(|key| key.chars().any(begins_sequence)) {
                let old = std::mem::take(fields).into_iter();
                let tamed = |key: String| key.replace(begins_sequence, "");
                fields.extend(old.map(|(key, value)| (tamed(key), value)));
            }
            fields.values_mut().for_each(tame);
        }
        _ => {}
    }
}

/// ESC, and the controls of one byte that mean the same.
fn begins_sequence(c: char) -> bool {
    matches!(c, '\u{1b}' | '\u{80}'..='\u{9f}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::tame;

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
}
