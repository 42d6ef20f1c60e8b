//! Words of an argv with `{placeholders}` in them.

use std::ffi::{OsStr, OsString};

/// Represents a whole list of words, and only as a word of its own.
pub(super) const LISTS: [&str; 4] = ["permission_args", "model_args", "resume_args", "args"];

/// The names of the placeholders in `word`: lower-case letters and `_` between braces. Other
/// braces, as in JSON, are plain text.
pub(super) fn placeholders(word: &str) -> Vec<&str> {
    pieces(word).into_iter().filter_map(|(_, name)| name).collect()
}

/// The list that `word` means.
pub(super) fn list(word: &str) -> Option<&str> {
    let name = word.strip_prefix('{')?.strip_suffix('}')?;
    LISTS.contains(&name).then_some(name)
}

/// `word` with its placeholders replaced, once: braces in a value stay as they are.
pub(super) fn render(word: &str, value: impl Fn(&str) -> Option<OsString>) -> OsString {
    let mut rendered = OsString::new();
    for (text, name) in pieces(word) {
        rendered.push(text);
        if let Some(name) = name {
            rendered.push(value(name).as_deref().unwrap_or(OsStr::new("")));
        }
    }
    rendered
}

/// Text and the placeholder after it, in turn.
fn pieces(word: &str) -> Vec<(&str, Option<&str>)> {
    let mut pieces = Vec::new();
    let (mut text_from, mut at) = (0, 0);
    while let Some(open) = word[at..].find('{').map(|open| at + open) {
        let name = &word[open + 1..];
        let len = name.bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'_').count();
        if len > 0 && name.as_bytes().get(len) == Some(&b'}') {
            pieces.push((&word[text_from..open], Some(&name[..len])));
            text_from = open + len + 2;
            at = text_from;
        } else {
            at = open + 1;
        }
    }
    pieces.push((&word[text_from..], None));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_braced_names_are_templates() {
        assert_eq!(placeholders("--a={model}/{session}"), ["model", "session"]);
        assert_eq!(placeholders("{{model}}"), ["model"]);
        for none in ["", "plain", "{", "{}", "{model", "{\"a\":1}", "{a b}", "{A}", "}{"] {
            assert!(placeholders(none).is_empty(), "{none:?}");
        }
        assert_eq!(list("{args}"), Some("args"));
        assert_eq!(list("x{args}"), None);
        assert_eq!(list("{model}"), None);
    }

    #[test]
    fn value_is_put_in_once() {
        let value = |name: &str| (name == "model").then(|| OsString::from("{model}é"));
        assert_eq!(render("ü{model}-{model}{", value), "ü{model}é-{model}é{");
    }
}
