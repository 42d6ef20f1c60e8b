//! Text from outside with nothing in it that a reader cannot see.

use crate::output::style::is_direction;

/// The text; control characters but newline and tab, and characters that turn the direction of
/// writing, are written out.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        push(&mut shown, c);
    }
    shown
}

/// Adds one character.
pub(super) fn push(shown: &mut String, c: char) {
    if matches!(c, '\n' | '\t') || !(c.is_control() || is_direction(c)) {
        shown.push(c);
    } else {
        shown.extend(c.escape_default());
    }
}
