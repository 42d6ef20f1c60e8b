//! Names from outside, fit for a place on a page.

use unicode_width::UnicodeWidthChar;

use crate::output::style::plain;

/// The beginning of a text that fits into so many columns, with nothing in it that turns or hides what is
/// around it. What a job wrote may be of any length.
pub(super) fn brief(text: &str, columns: usize) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(columns + 1).collect();
    let start = plain(&start);
    let mut width = 0;
    let mut out = String::new();
    for c in start.chars() {
        width += c.width().unwrap_or(0);
        if width > columns {
            out.pop();
            out.push('…');
            return out;
        }
        out.push(c);
    }
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut() {
        assert_eq!(brief("日本語日本語", 7), "日本…");
        assert_eq!(brief("abc", 3), "abc");
        assert_eq!(brief("abcd", 3), "ab…");
        assert_eq!(brief("a\u{202e}b", 20), r"a\u{202e}b");
        // Marks that take no column are cut, too.
        assert_eq!(brief(&"\u{301}".repeat(1_000), 4).chars().count(), 6);
        assert_eq!(brief("", 4), "");
    }
}
