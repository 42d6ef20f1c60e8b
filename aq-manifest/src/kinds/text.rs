//! Text, by what it may hold.

use aq_caps::{HostRequirement, RequirementError};
use serde_json::{Value as Json, json};

use super::ValueKind;
use crate::reader::ValueReader;
use crate::yaml::YamlNode;
use crate::{JobId, scope};

/// Bytes of a shell command: Linux passes at most 128 KiB in one argument.
const MAX_COMMAND: usize = 64 << 10;
/// Bytes of a path, a lock or a model's name: the longest path of Linux.
const MAX_LINE: usize = 4096;
/// Bytes of a label or a glob.
pub(super) const MAX_WORD: usize = 256;
/// Bytes of an engine's name.
const MAX_NAME: usize = 64;

/// An engine, or a class of them: `[a-z0-9][a-z0-9_-]*`.
pub(crate) struct NameKind;
/// A profile: its file's stem, so the grammar is that of job ids.
pub(crate) struct ProfileName;
/// Text of one line.
pub(crate) struct LineKind;
/// A name that people choose: one line, also where it looks like a number.
pub(crate) struct LabelKind;
/// Text of any form.
pub(crate) struct TextKind;
/// A shell command.
pub(crate) struct CommandKind;
/// A requirement on the host.
pub(crate) struct RequirementKind;
/// A glob over paths of the repository.
pub(crate) struct GlobKind;
/// A branch of a git repository, as people name it.
pub(crate) struct BranchKind;

impl ValueKind for NameKind {
    type Value = String;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<String> {
        let text = reader.text(node, "a name")?;
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = text.starts_with(letter)
            && text.chars().all(|c| letter(c) || matches!(c, '_' | '-'))
            && text.len() <= MAX_NAME;
        if !good {
            let help = format!(
                "a name has small letters, digits, `_` and `-`, at most {MAX_NAME} of them, and \
                 starts with a letter or digit"
            );
            reader.error(node, "is not a name", Some(help));
        }
        good.then(|| text.to_owned())
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$", "maxLength": MAX_NAME})
    }
}

impl ValueKind for ProfileName {
    type Value = String;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<String> {
        let text = reader.text(node, "a profile's name")?;
        match JobId::new(text) {
            Ok(_) => Some(text.to_owned()),
            Err(_) => {
                let help = "a profile's name has letters, digits, `.`, `_` and `-`, at most 128 \
                            of them, and starts with a letter or digit";
                reader.error(node, "is not a profile's name", Some(help.into()));
                None
            }
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"})
    }
}

impl ValueKind for LineKind {
    type Value = String;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<String> {
        let text = reader.text(node, "text")?;
        reader.check_line(node, text, MAX_LINE).then(|| text.to_owned())
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1, "maxLength": MAX_LINE})
    }
}

impl ValueKind for LabelKind {
    type Value = String;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<String> {
        let text = reader.any_scalar(node, "text")?;
        reader.check_line(node, text, MAX_WORD).then(|| text.to_owned())
    }

    fn schema() -> Json {
        json!({"type": ["string", "number", "boolean"], "minLength": 1, "maxLength": MAX_WORD})
    }
}

impl ValueKind for TextKind {
    type Value = String;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<String> {
        let text = reader.any_scalar(node, "text")?;
        reader.check_length(node, text, MAX_COMMAND).then(|| text.to_owned())
    }

    fn schema() -> Json {
        json!({"type": ["string", "number", "boolean"], "maxLength": MAX_COMMAND})
    }
}

impl ValueKind for CommandKind {
    type Value = String;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<String> {
        // `true` and `false` are commands before they are booleans.
        let text = match reader.as_bool(node) {
            Some(value) => {
                if value {
                    "true"
                } else {
                    "false"
                }
            }
            None => reader.text(node, "a shell command")?,
        };
        if text.trim().is_empty() {
            let help = format!("remove `{}` to run nothing", reader.key());
            reader.error(node, "is an empty command", Some(help));
            return None;
        }
        reader.check_length(node, text, MAX_COMMAND).then(|| text.to_owned())
    }

    fn schema() -> Json {
        json!({"type": ["string", "boolean"], "minLength": 1, "maxLength": MAX_COMMAND})
    }
}

impl ValueKind for RequirementKind {
    type Value = HostRequirement;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<HostRequirement> {
        let text = reader.text(node, "a requirement")?;
        match text.parse() {
            Ok(requirement) => Some(requirement),
            Err(RequirementError { at, problem }) => {
                reader.error_within(node, at, &problem.to_string(), problem.mend());
                None
            }
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

impl ValueKind for BranchKind {
    type Value = String;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<String> {
        let text = reader.text(node, "a branch")?;
        if !reader.check_line(node, text, MAX_WORD) {
            return None;
        }
        let name = text.strip_prefix("refs/heads/").unwrap_or(text);
        if !is_branch(name) {
            let help = "a branch's name, as `git branch` prints it, such as `main`".to_owned();
            reader.error(node, "is not a branch's name", Some(help));
            return None;
        }
        Some(name.to_owned())
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1, "maxLength": MAX_WORD})
    }
}

/// The rules of `git check-ref-format --branch`.
pub(super) fn is_branch(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && !part.to_ascii_lowercase().ends_with(".lock")
    };
    let is_bad = |c: char| c.is_control() || c == ' ' || "~^:?*[\\".contains(c);
    name.split('/').all(is_part)
        && !name.contains(is_bad)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.starts_with('-')
        && !name.ends_with('.')
        && !matches!(name, "@" | "HEAD")
}

impl ValueKind for GlobKind {
    type Value = String;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<String> {
        let text = reader.text(node, "a glob")?;
        if !reader.check_line(node, text, MAX_WORD) {
            return None;
        }
        match scope::check(text) {
            Ok(()) => Some(text.to_owned()),
            Err(error) => {
                reader.error(node, &error.problem, Some(error.help.into()));
                None
            }
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1, "maxLength": MAX_WORD})
    }
}
