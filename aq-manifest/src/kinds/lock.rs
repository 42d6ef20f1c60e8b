//! The name of a lock.

use serde_json::Value as Json;

use super::{LineKind, ValueKind};
use crate::reader::ValueReader;
use crate::yaml::YamlNode;

/// Words that are booleans to some reader of YAML, and no name that anybody chose.
const SWITCHES: [&str; 8] = ["no", "off", "n", "false", "yes", "on", "y", "true"];

/// A lock: text of one line. `lock: no` means no lock to whoever writes it, which is `none`.
pub(crate) struct LockKind;

impl ValueKind for LockKind {
    type Value = String;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<String> {
        if let Some(text) = reader.plain(node)
            && SWITCHES.contains(&text.to_ascii_lowercase().as_str())
        {
            let help = format!("write `none` for no lock; \"{text}\" in quotes is a lock's name");
            reader.error(node, "is a switch, not a lock's name", Some(help));
            return None;
        }
        LineKind::read(node, reader)
    }

    fn schema() -> Json {
        LineKind::schema()
    }
}
