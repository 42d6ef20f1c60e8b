//! `expect: {leave-out: [GLOB]}`.

use serde_json::{Value as Json, json};

use super::{Glob, Kind, List};
use crate::Expect;
use crate::reader::Reader;
use crate::yaml::Node;

/// Leftovers of a job that are no surprise.
pub(crate) struct Expected;
/// Together they make one automaton, as those of `allowed-scope` do.
type Globs = List<Glob, 64>;

impl Kind for Expected {
    type Value = Expect;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Expect> {
        let help = "write `expect: {leave-out: [\"vendor/**\", stash]}`";
        let [leave_out] = reader.fields(node, ["leave-out"], help)?;
        let leave_out = leave_out.map_or(Some(Vec::new()), |node| Globs::read(node, reader))?;
        Some(Expect { leave_out })
    }

    fn schema() -> Json {
        let mut globs = Globs::schema();
        let about = "What may stay out of the branch: paths, `stash`, `branch NAME`.";
        globs["description"] = Json::from(about);
        json!({"type": "object", "properties": {"leave-out": globs}})
    }
}
