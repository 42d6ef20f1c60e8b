//! A job file with one key of its front matter set to another value.

use crate::diagnostic::Findings;
use crate::front_matter::{bom_len, split};
use crate::keys::KEYS;
use crate::parse::parse;
use crate::yaml::{self, YamlValue};
use crate::{Diagnostic, Manifest, Severity};

/// A file that cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is no key of this name.
    #[error("there is no key {0:?} in job files")]
    UnknownKey(String),
    /// A value of several lines cannot be written behind its key.
    #[error("a value of {0} is one line")]
    SeveralLines(String),
    /// The front matter is no list of `key: value` lines.
    #[error("the front matter is not written as lines of `key: value`, so {0} cannot be set in it")]
    NotInLines(String),
    /// The file with the value has this error; places are in the changed file.
    #[error("{}", finding.message)]
    Invalid {
        /// The changed file.
        file: String,
        /// Its first error.
        finding: Box<Diagnostic>,
    },
}

/// The file with `key` set to `value`, which is written as YAML is; an empty one takes the key out.
/// Nothing else in the file changes.
///
/// # Errors
/// An unknown key, or a file that is none any more with this value.
///
/// ```
/// let file = "---\npriority: low # for now\nyolo: true\n---\nDo it.\n";
/// let changed = aq_manifest::with_value(file, "priority", "high").unwrap();
/// assert_eq!(changed, "---\npriority: high\nyolo: true\n---\nDo it.\n");
/// ```
pub fn with_value(source: &str, key: &str, value: &str) -> Result<String, EditError> {
    if !KEYS.iter().any(|known| known.name == key) {
        return Err(EditError::UnknownKey(key.to_owned()));
    }
    if value.contains(['\n', '\r']) {
        return Err(EditError::SeveralLines(key.to_owned()));
    }
    let before = parse(source);
    let not_in_lines = || EditError::NotInLines(key.to_owned());
    let parts = split(source).map_err(|_| not_in_lines())?;
    let value = value.trim();
    let line = if value.is_empty() { String::new() } else { format!("{key}: {value}\n") };
    let file = if parts.body <= bom_len(source) {
        let (bom, body) = source.split_at(parts.body);
        if line.is_empty() { source.to_owned() } else { format!("{bom}---\n{line}---\n{body}") }
    } else {
        let (from, to, indent) = entry(source, &parts.yaml, key).ok_or_else(not_in_lines)?;
        let line = if line.is_empty() { line } else { format!("{indent}{line}") };
        format!("{}{line}{}", &source[..from], &source[to..])
    };
    let after = parse(&file);
    let error = after.diagnostics.iter().find(|found| found.severity == Severity::Error).cloned();
    if let Some(finding) = error {
        return Err(EditError::Invalid { file, finding: Box::new(finding) });
    }
    let is_whole = after.body == before.body && others(&before.manifest, &after.manifest, key);
    if is_whole && after.manifest.is_set(key) != value.is_empty() {
        Ok(file)
    } else {
        Err(not_in_lines())
    }
}

/// Compares two files in every key but one.
fn others(before: &Manifest, after: &Manifest, key: &str) -> bool {
    let mut others = KEYS.iter().filter(|known| known.name != key);
    others.all(|known| before.agrees(after, known.name))
}

/// The bytes of a key's entry in its whole lines, and the column of the keys. A key that is not
/// there has an empty place behind the last line.
fn entry<'a>(
    source: &'a str,
    yaml: &std::ops::Range<usize>,
    key: &str,
) -> Option<(usize, usize, &'a str)> {
    let text = &source[yaml.clone()];
    let root = yaml::read(text, yaml.start, &mut Findings::default()).ok()?;
    let Some(root) = root else { return Some((yaml.end, yaml.end, "")) };
    let entries = match &root.value {
        YamlValue::Map(entries) => entries,
        YamlValue::Scalar(scalar) if scalar.text.is_empty() => {
            return Some((yaml.end, yaml.end, ""));
        }
        _ => return None,
    };
    let line_of = |at: usize| source[..at].rfind('\n').map_or(0, |end| end + 1);
    let first = entries.first().map(|(name, _)| name.span.start)?;
    let indent = &source[line_of(first)..first];
    if !indent.trim().is_empty() {
        return None;
    }
    let found = entries.iter().find(|(name, _)| name.key_text() == key);
    let Some((name, _)) = found else { return Some((yaml.end, yaml.end, indent)) };
    let from = line_of(name.span.start);
    let mut to = from;
    for (n, line) in source[from..yaml.end].split_inclusive('\n').enumerate() {
        let own = line.strip_prefix(indent).unwrap_or(line);
        let is_deeper = own.starts_with([' ', '\t']) || own.starts_with("- ") || own == "-\n";
        if n > 0 && !line.trim().is_empty() && !is_deeper {
            break;
        }
        // Blank lines are the entry's only when more of it follows.
        if n == 0 || !line.trim().is_empty() {
            to = from + length(source, from, n + 1);
        }
    }
    Some((from, to, indent))
}

/// The bytes of so many lines.
fn length(source: &str, from: usize, lines: usize) -> usize {
    source[from..].split_inclusive('\n').take(lines).map(str::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_changes_and_nothing_else() {
        for (source, key, value, want) in [
            ("prompt\n", "priority", "high", "---\npriority: high\n---\nprompt\n"),
            ("---\n---\nx", "priority", "high", "---\npriority: high\n---\nx"),
            (
                "---\n# a\nyolo: true\n\n# b\nengine: shell\n---\nx",
                "yolo",
                "false",
                "---\n# a\nyolo: false\n\n# b\nengine: shell\n---\nx",
            ),
            (
                "---\ndeps:\n  - a\n\n  - b\nengine: shell\n---\nx",
                "deps",
                "[c]",
                "---\ndeps: [c]\nengine: shell\n---\nx",
            ),
            ("---\ndeps:\n- a\n- b\n---\nx", "deps", "", "---\n---\nx"),
            (
                "---\n  yolo: true\n---\nx",
                "lock",
                "none",
                "---\n  yolo: true\n  lock: none\n---\nx",
            ),
            (
                "---\nverify: |\n  a\n\n  b\nlock: x\n---\ny",
                "verify",
                "make test",
                "---\nverify: make test\nlock: x\n---\ny",
            ),
        ] {
            assert_eq!(with_value(source, key, value).as_deref(), Ok(want), "{source:?}");
        }
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        let file = "---\npriority: low\n---\nx\n";
        assert!(matches!(with_value(file, "prio", "low"), Err(EditError::UnknownKey(_))));
        assert!(matches!(with_value(file, "priority", "soon"), Err(EditError::Invalid { .. })));
        assert!(matches!(
            with_value(file, "lock", "a\nyolo: true"),
            Err(EditError::SeveralLines(_))
        ));
        assert!(matches!(
            with_value("---\n{priority: low}\n---\nx\n", "priority", "high"),
            Err(EditError::NotInLines(_))
        ));
        assert!(with_value("---\n- a\n---\n", "lock", "x").is_err());
    }
}
