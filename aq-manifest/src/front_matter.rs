//! Splits a job file into its front matter and the prompt.

use std::ops::Range;

use crate::Diagnostic;

/// A job file or profile of this many bytes or more is refused. A reader that takes at most this
/// many bytes of a file can leave the refusal to the parser.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// Front matter, or a profile, of more bytes is refused: it bounds the work of the YAML parser.
/// A full list of dependencies takes about this much.
pub(crate) const MAX_YAML_BYTES: usize = 256 << 10;

const FENCE: &str = "---";

/// The parts of a job file, as byte ranges.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileParts {
    /// The YAML between the fences; empty when there is no front matter.
    pub(crate) yaml: Range<usize>,
    /// Where the prompt starts.
    pub(crate) body: usize,
}

/// Finds the front matter. The fences are lines of exactly `---`; trailing blanks are let pass.
///
/// # Errors
/// The file is too large, holds a NUL, or its front matter does not end.
pub(crate) fn split(source: &str) -> Result<FileParts, Diagnostic> {
    check_text(source)?;
    let start = bom_len(source);
    let mut lines = line_ranges(source, start);
    let opening = match lines.next() {
        Some(line) if is_fence(&source[line.clone()]) => line,
        _ => return Ok(FileParts { yaml: start..start, body: start }),
    };
    let closing = lines.find(|line| is_fence(&source[line.clone()])).ok_or_else(|| {
        let fence = opening.start..opening.start + FENCE.len();
        Diagnostic::error(fence, "the front matter is not closed")
            .with_help("end it with a line of `---`; the prompt follows that line")
    })?;
    let yaml = opening.end..closing.start;
    check_yaml_size(&yaml)?;
    Ok(FileParts { yaml, body: closing.end })
}

/// The bounds that job files and profiles share.
pub(crate) fn check_text(source: &str) -> Result<(), Diagnostic> {
    if source.len() >= MAX_FILE_BYTES {
        let message = format!("the file has {} bytes, the limit is {MAX_FILE_BYTES}", source.len());
        return Err(Diagnostic::error(0..0, message)
            .with_help("let the prompt name the files to read instead of holding them"));
    }
    if let Some(at) = source.find('\0') {
        return Err(Diagnostic::error(at..at + 1, "the file holds a NUL character")
            .with_help("a job file is UTF-8 text"));
    }
    Ok(())
}

pub(crate) fn check_yaml_size(yaml: &Range<usize>) -> Result<(), Diagnostic> {
    if yaml.len() > MAX_YAML_BYTES {
        let message = format!("the YAML has {} bytes, the limit is {MAX_YAML_BYTES}", yaml.len());
        return Err(Diagnostic::error(yaml.start..yaml.start, message)
            .with_help("long text belongs into the prompt or a file of its own"));
    }
    Ok(())
}

/// The bytes of a byte order mark, which is no content.
pub(crate) fn bom_len(source: &str) -> usize {
    if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 }
}

/// The place of a `---` that is below blank lines, where it opens no front matter.
pub(crate) fn late_fence(source: &str) -> Option<Range<usize>> {
    let first = line_ranges(source, bom_len(source))
        .find(|line| !source[line.clone()].trim().is_empty())
        .filter(|line| is_fence(&source[line.clone()]))?;
    Some(first.start..first.start + FENCE.len())
}

/// A front matter without its opening `---`: keys from the first line on, and a closing fence.
/// Answers the place of the first key.
pub(crate) fn unopened(source: &str, is_key: impl Fn(&str) -> bool) -> Option<Range<usize>> {
    let mut first = None;
    for line in line_ranges(source, bom_len(source)) {
        let text = &source[line.clone()];
        if is_fence(text) {
            return first;
        }
        let is_inner = text.trim().is_empty() || text.starts_with([' ', '#', '-', '\t']);
        if is_inner && first.is_some() {
            continue;
        }
        let (name, _) =
            text.split_once(':').filter(|(_, rest)| rest.starts_with([' ', '\r', '\n']))?;
        if !is_key(name) {
            return None;
        }
        first.get_or_insert(line.start..line.start + name.len());
    }
    None
}

fn is_fence(line: &str) -> bool {
    line.strip_prefix(FENCE).is_some_and(|rest| rest.chars().all(char::is_whitespace))
}

/// The lines from `start` on, each with its line end.
fn line_ranges(source: &str, start: usize) -> impl Iterator<Item = Range<usize>> {
    source[start..].split_inclusive('\n').scan(start, |at, line| {
        let range = *at..*at + line.len();
        *at = range.end;
        Some(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(source: &str) -> Option<(&str, &str)> {
        let split = split(source).ok()?;
        Some((&source[split.yaml], &source[split.body..]))
    }

    #[test]
    fn files_are_split_at_fences() {
        for (source, yaml, body) in [
            ("", "", ""),
            ("just a prompt\n", "", "just a prompt\n"),
            ("---\n---\n", "", ""),
            ("---\na: 1\n---\nbody", "a: 1\n", "body"),
            ("---\r\na: 1\r\n---\r\n\r\nbody\r\n", "a: 1\r\n", "\r\nbody\r\n"),
            ("\u{feff}---\na: 1\n---\nbody", "a: 1\n", "body"),
            ("\u{feff}body", "", "body"),
            ("--- \na: 1\n---\t\nbody", "a: 1\n", "body"),
            ("---\na: ---\n ---\n----\n---\n---\n", "a: ---\n ---\n----\n", "---\n"),
            ("---\na: 1\n---", "a: 1\n", ""),
            ("----\nrule\n", "", "----\nrule\n"),
            ("--- a\n---\n", "", "--- a\n---\n"),
        ] {
            assert_eq!(parts(source), Some((yaml, body)), "{source:?}");
        }
    }

    #[test]
    fn what_cannot_be_split_says_where() {
        for (source, span, message) in [
            ("---\na: 1\n", 0..3, "the front matter is not closed"),
            ("\u{feff}---", 3..6, "the front matter is not closed"),
            ("a\0b", 1..2, "the file holds a NUL character"),
        ] {
            let error = split(source).unwrap_err();
            assert_eq!((error.span, error.message.as_str()), (span, message), "{source:?}");
        }
        assert!(split(&"x".repeat(MAX_FILE_BYTES)).unwrap_err().message.contains("1048576"));
        assert!(split(&"x".repeat(MAX_FILE_BYTES - 1)).is_ok());
        let long = format!("---\n#{}\n---\n", "x".repeat(MAX_YAML_BYTES));
        assert!(split(&long).unwrap_err().message.contains("the limit is 262144"));
    }

    #[test]
    fn a_fence_below_blank_lines_is_noticed() {
        assert_eq!(late_fence("\n  \n---\na: 1\n---\n"), Some(4..7));
        assert_eq!(late_fence("text\n---\n"), None);
        assert_eq!(late_fence(""), None);
    }

    #[test]
    fn keys_without_an_opening_fence_are_noticed() {
        let place = |source| unopened(source, |name| matches!(name, "engine" | "deps"));
        for source in ["engine: shell\n---\nx\n", "deps:\n- a\n\nengine: x\r\n---\r\n"] {
            assert!(place(source).is_some(), "{source:?}");
        }
        assert_eq!(place("\u{feff}engine: x\n---"), Some(3..9));
        for source in [
            "",
            "engine: shell\n",
            "engine: shell\nDo it.\n---\n",
            "engine:shell\n---\n",
            "Note: this\n---\n",
            "- engine: x\n---\n",
            "---\nengine: x\n---\n",
        ] {
            assert_eq!(place(source), None, "{source:?}");
        }
    }
}
