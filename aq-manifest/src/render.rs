//! Shows findings to a person, with the line and a mark under the place.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::{Diagnostic, Position, Severity};

/// Characters of a long line that are shown before and after the start of the place.
const BEFORE: usize = 40;
const AFTER: usize = 80;

/// Renders findings in `source`, the file that was parsed under the name `file`; with `colour`, for
/// a terminal. Empty without findings, else it ends with a newline.
///
/// Text of the file is shown without control characters and without characters that change the
/// direction of writing, so no file can move the cursor or disguise what it says.
pub fn render(file: &str, source: &str, findings: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
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
    let place = finding.position(source);
    let origin = Origin::path(harmless(file)).line(place.line).char_column(place.column);
    let (line, mark) = excerpt(source, &finding.span, place);
    let snippet =
        Snippet::source(line).line_start(place.line).annotation(AnnotationKind::Primary.span(mark));
    let group = level.primary_title(harmless(&finding.message)).element(origin).element(snippet);
    match &finding.help {
        Some(help) => group.element(Level::HELP.message(harmless(help))),
        None => group,
    }
}

/// The line where the place starts, shortened and harmless, and the place in it.
fn excerpt(source: &str, span: &Range<usize>, place: Position) -> (String, Range<usize>) {
    let start = source.floor_char_boundary(span.start);
    let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = source[start..].find('\n').map_or(source.len(), |at| start + at);
    let end = source.floor_char_boundary(span.end.clamp(start, line_end));

    let skipped = place.column.saturating_sub(1 + BEFORE);
    let shown = source[line_start..line_end].trim_start_matches('\u{feff}').trim_end();
    let mut line = String::new();
    if skipped > 0 {
        line.push('…');
    }
    let before = (place.column - 1).min(BEFORE);
    let marked = source[start..end].chars().count();
    let mut mark = line.len()..line.len();
    for (n, c) in shown.chars().skip(skipped).chain([' ']).enumerate() {
        if n == before {
            mark.start = line.len();
        }
        if n >= BEFORE + AFTER {
            mark.end = line.len();
            line.push('…');
            break;
        }
        line.push(harmless_char(c));
        if n < before + marked {
            mark.end = line.len();
        }
    }
    line.truncate(line.trim_end().len().max(mark.end).max(mark.start));
    (line, mark.start..mark.end.max(mark.start))
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
