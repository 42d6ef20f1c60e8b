//! The syntaxes of settings files, each read into one JSON value.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The syntax of a settings file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SettingsSyntax {
    Json,
    JsonWithComments,
    Toml,
}

impl SettingsSyntax {
    /// Reads a text; nothing at all is no settings.
    pub(super) fn parse(self, text: &str) -> Result<Value, String> {
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        match self {
            Self::Json => serde_json::from_str(text).map_err(|e| e.to_string()),
            Self::JsonWithComments => {
                serde_json::from_slice(&without_comments(text)).map_err(|e| e.to_string())
            }
            Self::Toml => Ok(plain_toml(text)),
        }
    }
}

/// Puts spaces in place of comments and of commas at the end of lists, so that places stay.
fn without_comments(text: &str) -> Vec<u8> {
    let mut out = text.as_bytes().to_vec();
    let mut comma = None;
    let mut at = 0;
    while at < out.len() {
        let rest = &out[at..];
        let end = match rest[0] {
            b'"' => at + string_length(rest),
            b'/' if rest.starts_with(b"//") => at + length_to(rest, b"\n", 0),
            b'/' if rest.starts_with(b"/*") => at + length_to(rest, b"*/", 2),
            _ => at + 1,
        };
        match rest[0] {
            b'/' if end > at + 1 => {
                for byte in out[at..end].iter_mut().filter(|byte| **byte != b'\n') {
                    *byte = b' ';
                }
            }
            b',' => comma = Some(at),
            b']' | b'}' => {
                if let Some(comma) = comma.take() {
                    out[comma] = b' ';
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        at = end;
    }
    out
}

fn string_length(text: &[u8]) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The bytes before `mark`, or to the end of it when it is `after` bytes long.
fn length_to(text: &[u8], mark: &[u8], after: usize) -> usize {
    let found = text.windows(mark.len()).skip(after).position(|window| window == mark);
    found.map_or(text.len(), |at| at + 2 * after)
}

/// The tables and plain values of a TOML text. What it does not know (lists, texts over several
/// lines) is passed over: nothing that is looked for is in these.
fn plain_toml(text: &str) -> Value {
    let mut root = Value::Object(Map::new());
    let mut table: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').filter(|rest| !rest.starts_with('[')) {
            table = name.split(']').next().map(keys).unwrap_or_default();
        } else if let Some((key, value)) = line.split_once('=')
            && !line.starts_with('#')
        {
            let value = value.split('#').next().unwrap_or_default().trim();
            let value = match value {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                text => Value::from(text.trim_matches(['"', '\''])),
            };
            put(&mut root, table.iter().cloned().chain(keys(key)), value);
        }
    }
    root
}

fn keys(dotted: &str) -> Vec<String> {
    let key = |key: &str| key.trim().trim_matches(['"', '\'']).to_owned();
    dotted.split('.').map(key).take(20).collect()
}

fn put(root: &mut Value, path: impl Iterator<Item = String>, value: Value) {
    let mut at = root;
    for key in path {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[key];
    }
    *at = value;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn comments_and_last_commas_are_passed_over() {
        let text =
            "\u{feff}// \"one\"\n{\"a\": [1, 2, /* , ] */ ], \"b\": \"// no, }\\\" /* \",\n} //";
        let read = SettingsSyntax::JsonWithComments.parse(text).unwrap();
        assert_eq!(read, json!({"a": [1, 2], "b": "// no, }\" /* "}));
        assert!(SettingsSyntax::Json.parse(text).is_err());
        for broken in ["{", "{,}x", "/* {}", "{\"a\" 1}", "[1,,2]"] {
            assert!(SettingsSyntax::JsonWithComments.parse(broken).is_err(), "{broken}");
        }
        assert_eq!(SettingsSyntax::Json.parse(" \n"), Ok(Value::Null));
    }

    #[test]
    fn tables_of_toml_are_read() {
        let text = "model = \"x\" # y\n[mcp_servers.\"docs\"]\nrequired = true\nargs = [\"a\"]\n\
                    [[list]]\n# a = 1\n[a]\nb.c = false\n";
        let read = SettingsSyntax::Toml.parse(text).unwrap();
        assert_eq!(read["mcp_servers"]["docs"]["required"], json!(true));
        assert_eq!((&read["model"], &read["a"]["b"]["c"]), (&json!("x"), &json!(false)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]{}\",/*\\\\a=.#\n é]{0,40}") {
            for syntax in [
                SettingsSyntax::Json, SettingsSyntax::JsonWithComments, SettingsSyntax::Toml,
            ] {
                let _ = syntax.parse(&text);
            }
        }
    }
}
