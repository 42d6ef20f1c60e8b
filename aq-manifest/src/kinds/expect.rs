//! `expect: {leave-out: [GLOB]}`.

use serde_json::{Value as Json, json};

use super::{GlobKind, ListOf, ValueKind};
use crate::ExpectedLeftovers;
use crate::reader::ValueReader;
use crate::yaml::YamlNode;

/// Leftovers of a job that are no surprise.
pub(crate) struct LeftoversKind;
/// Together they make one automaton, as those of `allowed-scope` do.
type Globs = ListOf<GlobKind, 64>;

impl ValueKind for LeftoversKind {
    type Value = ExpectedLeftovers;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<ExpectedLeftovers> {
        let help = "write `expect: {leave-out: [\"vendor/**\", stash]}`";
        let [leave_out] = reader.fields(node, ["leave-out"], help)?;
        let leave_out = leave_out.map_or(Some(Vec::new()), |node| Globs::read(node, reader))?;
        Some(ExpectedLeftovers { leave_out })
    }

    fn schema() -> Json {
        let mut globs = Globs::schema();
        let about = "What may stay out of the branch: paths, `stash`, `branch NAME`.";
        globs["description"] = Json::from(about);
        json!({"type": "object", "properties": {"leave-out": globs}})
    }
}
