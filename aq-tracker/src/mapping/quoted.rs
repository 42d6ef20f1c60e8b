//! Text as a value of front matter.

/// A value that YAML reads as this text: its double quotes know the escapes of JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
