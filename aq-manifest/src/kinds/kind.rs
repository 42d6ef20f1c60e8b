//! The trait of every kind of value.

use serde_json::Value as Json;

use crate::reader::ValueReader;
use crate::yaml::YamlNode;

/// A kind of value.
pub(crate) trait ValueKind {
    type Value;

    /// Reads the value; `None` when it is wrong, which the reader has noted.
    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<Self::Value>;

    /// The JSON Schema of what `read` takes.
    fn schema() -> Json;
}
