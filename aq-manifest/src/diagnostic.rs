//! Findings in a file, with their places.

use std::fmt;
use std::ops::Range;

use crate::boundary::boundary_before;

/// Maximum of findings that are kept of one severity; a hostile file could have a hundred thousand.
const MAX_PER_SEVERITY: usize = 50;

/// Maximum of a user's text that a message repeats, in characters.
const MAX_QUOTED: usize = 60;

/// Severity of a finding: an error refuses the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is accepted, but probably does not say what was meant.
    Warning,
}

/// One finding in a job file or a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The finding, in one line.
    pub message: String,
    /// Where: byte offsets in the whole file, on character boundaries.
    pub span: Range<usize>,
    /// Advice for people: the text to write instead.
    pub help: Option<String>,
}

/// A place in a file as people count: from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePosition {
    /// The line, from 1.
    pub line: usize,
    /// The character within the line, from 1.
    pub column: usize,
}

impl Diagnostic {
    pub(crate) fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), span, help: None }
    }

    #[must_use]
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Where the finding starts in `source`, the file that was parsed.
    pub fn position(&self, source: &str) -> FilePosition {
        FilePosition::of(source, self.span.start)
    }
}

impl FilePosition {
    /// The place of the byte at `offset`; an offset past the end counts as the end.
    pub fn of(source: &str, offset: usize) -> Self {
        let offset = boundary_before(source, offset);
        let before = &source[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.bytes().filter(|&b| b == b'\n').count() + 1,
            column: before[line_start..].trim_start_matches('\u{feff}').chars().count() + 1,
        }
    }
}

impl fmt::Display for FilePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Collects findings while a file is read.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    found: Vec<Diagnostic>,
}

impl Findings {
    pub(crate) fn push(&mut self, finding: Diagnostic) {
        if !self.is_full(finding.severity) {
            self.found.push(finding);
        }
    }

    /// Tests for a severity of which further findings are dropped: no need to make them.
    pub(crate) fn is_full(&self, severity: Severity) -> bool {
        self.found.iter().filter(|d| d.severity == severity).count() >= MAX_PER_SEVERITY
    }

    /// The findings in the order of their places.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|d| (d.span.start, d.severity));
        self.found
    }
}

/// A user's text for a message: between backticks, shortened, without control characters.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("`");
    for (n, c) in text.chars().enumerate() {
        if n == MAX_QUOTED {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_one_in_characters() {
        let source = "\u{feff}añb\ncd\n";
        for (at, line, column) in
            [(0, 1, 1), (3, 1, 1), (4, 1, 2), (6, 1, 3), (8, 2, 1), (99, 3, 1)]
        {
            assert_eq!(FilePosition::of(source, at), FilePosition { line, column }, "{at}");
        }
    }

    #[test]
    fn a_flood_of_warnings_does_not_hide_an_error() {
        let mut findings = Findings::default();
        for at in 0..1000 {
            let mut finding = Diagnostic::error(at..at, "w");
            finding.severity = Severity::Warning;
            findings.push(finding);
        }
        findings.push(Diagnostic::error(0..0, "e"));
        let found = findings.into_sorted();
        assert_eq!(found.len(), MAX_PER_SEVERITY + 1);
        assert_eq!(found[0].message, "e");
    }

    #[test]
    fn quoted_text_is_short_and_harmless() {
        assert_eq!(quoted("a\u{1b}[31m"), "`a\\u{1b}[31m`");
        assert!(quoted(&"x".repeat(1000)).chars().count() < 70);
    }
}
