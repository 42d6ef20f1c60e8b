//! The trait of every kind of value.

use serde_json::Value as Json;

use crate::reader::Reader;
use crate::yaml::Node;

/// A kind of value.
pub(crate) trait Kind {
    type Value;

    /// Reads the value; `None` when it is wrong, which the reader has been told.
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self::Value>;

    /// The JSON Schema of what `read` takes.
    fn schema() -> Json;
}
