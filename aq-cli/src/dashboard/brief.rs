//! Names from outside, fit for a place on a page, and numbers of things.

use unicode_width::UnicodeWidthChar;

use crate::output::style::plain;

/// The beginning of a text that fits into so many columns, with nothing in it that turns or hides
/// what is around it. What a job wrote may be of any length.
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

/// A number of things: `1 file`, `2 files`.
pub(super) fn count(number: impl TryInto<u64>, one: &str) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        number => format!("{number} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_plural() {
        assert_eq!([0, 1, 2].map(|n: u64| count(n, "file")), ["0 files", "1 file", "2 files"]);
    }

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
