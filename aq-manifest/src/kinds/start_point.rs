//! `base: deps`, or a branch, tag or commit.

use serde_json::{Value as Json, json};

use super::Kind;
use crate::reader::Reader;
use crate::spec::DEPS_BASE;
use crate::yaml::Node;

/// The commit that a job starts from.
pub(crate) struct StartPoint;

impl Kind for StartPoint {
    type Value = String;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let text = reader.text(node, "`deps`, or a branch, tag or commit")?;
        if text != DEPS_BASE {
            let help = "write `deps`: this version of aq starts a job from its target";
            reader.error(node, "is a start that aq does not know yet", Some(help.into()));
            return None;
        }
        Some(text.to_owned())
    }

    fn schema() -> Json {
        json!({"enum": [DEPS_BASE]})
    }
}

#[cfg(test)]
mod tests {
    use crate::{parse, resolve};

    #[test]
    fn only_deps_are_a_start() {
        let parsed = parse("---\nbase: deps\n---\nx\n");
        assert!(parsed.manifest.base.is_some() && !parsed.has_errors());
        assert_eq!(resolve(&parsed.manifest, None).base, None);
        for base in ["main", "[a]"] {
            assert!(parse(&format!("---\nbase: {base}\n---\nx\n")).has_errors(), "{base}");
        }
    }
}
