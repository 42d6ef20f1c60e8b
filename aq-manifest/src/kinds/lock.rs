//! The name of a lock.

use serde_json::Value as Json;

use super::{Kind, Line};
use crate::reader::Reader;
use crate::yaml::Node;

/// Words that are booleans to some reader of YAML, and no name that anybody chose.
const SWITCHES: [&str; 8] = ["no", "off", "n", "false", "yes", "on", "y", "true"];

/// A lock: text of one line. `lock: no` means no lock to whoever writes it, which is `none`.
pub(crate) struct Lock;

impl Kind for Lock {
    type Value = String;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<String> {
        if let Some(text) = reader.plain(node)
            && SWITCHES.contains(&text.to_ascii_lowercase().as_str())
        {
            let help = format!("write `none` for no lock; \"{text}\" in quotes is a lock's name");
            reader.error(node, "is a switch, not a lock's name", Some(help));
            return None;
        }
        Line::read(node, reader)
    }

    fn schema() -> Json {
        Line::schema()
    }
}
