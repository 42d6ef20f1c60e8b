//! `base: deps`, or a branch, tag or commit.

use serde_json::{Value as Json, json};

use super::ValueKind;
use super::text::{MAX_WORD, is_branch};
use crate::reader::ValueReader;
use crate::yaml::YamlNode;

/// The commit that a job starts from.
pub(crate) struct StartPoint;

impl ValueKind for StartPoint {
    type Value = String;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<String> {
        let text = reader.text(node, "`deps`, or a branch, tag or commit")?;
        if !reader.check_line(node, text, MAX_WORD) {
            return None;
        }
        if !is_branch(text) {
            let help = "write `deps`, or the name of a branch, a tag or a commit, such as \
                        `v1.2` or `origin/main`";
            reader.error(node, "is no name of a start", Some(help.into()));
            return None;
        }
        Some(text.to_owned())
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1, "maxLength": MAX_WORD})
    }
}

#[cfg(test)]
mod tests {
    use crate::{parse, resolve};

    #[test]
    fn starts_are_deps_or_names() {
        let base = |value: &str| {
            let text = format!("---\nbase: {value}\n---\nx\n");
            let parsed = parse(&text);
            (!parsed.has_errors()).then(|| resolve(&parsed.manifest, None).base)
        };
        assert_eq!(base("deps"), Some(None));
        for name in ["main", "v1.2", "origin/main", "0a1b2c3d"] {
            assert_eq!(base(name), Some(Some(name.to_owned())));
        }
        for name in ["[a]", "--all", "a..b", "main^{tree}", "':/x'", "HEAD", "''"] {
            assert_eq!(base(name), None, "{name}");
        }
    }
}
