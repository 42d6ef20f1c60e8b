//! Shows findings to a person, with the line and a mark under the place.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::boundary::boundary_before;
use crate::{Diagnostic, Severity};

/// Characters of a long line that are shown of the place itself, and behind it.
const MAX_MARKED: usize = 60;
const MAX_BEHIND: usize = 100;

/// Columns of a report; longer lines are cut around the place.
const WIDTH: usize = 100;

/// Renders findings in `source`, the file that was parsed under the name `file`; with `colour`, for
/// a terminal. Empty without findings, else it ends with a newline.
///
/// Text of the file is shown without control characters and without characters that change the
/// direction of writing, so no file can move the cursor or disguise what it says.
pub fn render(file: &str, source: &str, findings: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(WIDTH);
    let mut out = String::new();
    for finding in findings {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&renderer.render(&[group(file, source, finding)]));
        out.push('\n');
    }
    out
}

fn group<'a>(file: &str, source: &str, finding: &Diagnostic) -> Group<'a> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let (line, mark) = excerpt(source, &finding.span);
    let snippet = Snippet::source(line)
        .path(harmless(file))
        .line_start(finding.position(source).line)
        .annotation(AnnotationKind::Primary.span(mark));
    let group = level.primary_title(harmless(&finding.message)).element(snippet);
    match &finding.help {
        Some(help) => group.element(Level::HELP.message(harmless(help))),
        None => group,
    }
}

/// The line where the place starts, made harmless, and the place in it. What is long is cut behind
/// the start of the place; before it the renderer does so, as it counts the column there.
fn excerpt(source: &str, span: &Range<usize>) -> (String, Range<usize>) {
    let start = boundary_before(source, span.start);
    let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = source[start..].find('\n').map_or(source.len(), |at| start + at);
    let end = boundary_before(source, span.end.clamp(start, line_end));

    let mut line = harmless(source[line_start..start].trim_start_matches('\u{feff}'));
    let mark_start = line.len();
    line.extend(source[start..end].chars().take(MAX_MARKED).map(harmless_char));
    let mark = mark_start..line.len();
    if source[start..end].chars().nth(MAX_MARKED).is_some() {
        line.push('…');
    } else {
        let behind = source[end..line_end].trim_end();
        line.extend(behind.chars().take(MAX_BEHIND).map(harmless_char));
    }
    (line, mark)
}

fn harmless(text: &str) -> String {
    text.chars().map(harmless_char).collect()
}

/// The character, or a stand-in of the same width for one that a terminal would act on.
fn harmless_char(c: char) -> char {
    match c {
        '\t' => ' ',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '␡',
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => '\u{fffd}',
        _ => c,
    }
}
