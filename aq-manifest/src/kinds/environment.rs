//! `env: {NAME: value}`.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{TextKind, ValueKind};
use crate::reader::ValueReader;
use crate::yaml::{YamlNode, YamlValue};

const MAX_VARIABLES: usize = 256;
/// Bytes of a variable's name.
const MAX_NAME: usize = 256;

/// Names and values for the environment of the agent.
pub(crate) struct EnvironmentKind;

impl ValueKind for EnvironmentKind {
    type Value = BTreeMap<String, String>;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<BTreeMap<String, String>> {
        let YamlValue::Map(entries) = &node.value else {
            let help = "write `env: {NAME: value}`";
            let mut reader = reader.for_secrets("env");
            reader.wrong_type(node, "a map of names to values", Some(help.into()));
            return None;
        };
        if entries.len() > MAX_VARIABLES {
            reader.error(node, &format!("has more than {MAX_VARIABLES} entries"), None);
            return None;
        }
        let mut env = BTreeMap::new();
        let mut good = true;
        for (name_node, value_node) in entries {
            let name = read_variable(name_node, reader);
            let path = format!("env: {}", name.as_deref().unwrap_or_default());
            let mut reader = reader.for_secrets(&path);
            let value = TextKind::read(value_node, &mut reader);
            if let Some(value) = &value
                && value.contains("${")
                && env_reference(value).is_none()
            {
                let help = "only a value that is `${NAME}` as a whole is replaced";
                reader.warning(value_node, "keeps its `${` as it is", Some(help.into()));
            }
            match (name, value) {
                (Some(name), Some(value)) => {
                    env.insert(name, value);
                }
                _ => good = false,
            }
        }
        good.then_some(env)
    }

    fn schema() -> Json {
        json!({
            "type": "object",
            "propertyNames": {"pattern": "^(?!AQ_)[A-Za-z_][A-Za-z0-9_]*$"},
            "maxProperties": MAX_VARIABLES,
            "additionalProperties": TextKind::schema()
        })
    }
}

fn read_variable(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<String> {
    let name = node.key_text();
    if !is_variable(name) || name.len() > MAX_NAME {
        let help = "a variable's name has letters, digits and `_`, and starts with no digit";
        reader.error(node, "is not the name of a variable", Some(help.into()));
        return None;
    }
    if name.starts_with("AQ_") {
        let help = "names that start with `AQ_` are set by aq itself";
        reader.error(node, "cannot be set by a job", Some(help.into()));
        return None;
    }
    Some(name.to_owned())
}

/// The variable of aq's environment that a value of `env` means: `${NAME}`, as a whole.
///
/// ```
/// use aq_manifest::env_reference;
///
/// assert_eq!(env_reference("${DOCS_KEY}"), Some("DOCS_KEY"));
/// assert_eq!(env_reference("key ${DOCS_KEY}"), None);
/// ```
pub fn env_reference(value: &str) -> Option<&str> {
    value.strip_prefix("${")?.strip_suffix('}').filter(|name| is_variable(name))
}

fn is_variable(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}
