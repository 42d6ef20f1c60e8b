//! Colours by what they mean. They are written always; the stream drops them where they do not
//! belong.

use std::fmt::Display;

use anstyle::{AnsiColor, Effects, Style};
use aq_manifest::Stage;

fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

pub(crate) fn bad(text: impl Display) -> String {
    paint(AnsiColor::Red.on_default().effects(Effects::BOLD), text)
}

pub(crate) fn good(text: impl Display) -> String {
    paint(AnsiColor::Green.on_default(), text)
}

pub(crate) fn busy(text: impl Display) -> String {
    paint(AnsiColor::Cyan.on_default(), text)
}

pub(crate) fn attention(text: impl Display) -> String {
    paint(AnsiColor::Yellow.on_default(), text)
}

pub(crate) fn faint(text: impl Display) -> String {
    paint(Style::new().effects(Effects::DIMMED), text)
}

pub(crate) fn heading(text: impl Display) -> String {
    paint(Style::new().effects(Effects::BOLD), text)
}

/// A stage in its colour.
pub(crate) fn stage(stage: Stage) -> String {
    match stage {
        Stage::Inbox => stage.to_string(),
        Stage::Building => busy(stage),
        Stage::Review => attention(stage),
        Stage::Testing | Stage::Shipped => good(stage),
        Stage::Failed | Stage::Quarantine => bad(stage),
    }
}

/// Text from outside, with nothing in it that a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_direction(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Characters that turn the direction of writing, and can make text read as what it is not.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn control_characters_are_made_visible() {
        assert_eq!(plain("a\x1b[2Jb\u{202e}c\nd"), r"a\u{1b}[2Jb\u{202e}c\nd");
        assert_eq!(plain("naïve ✓"), "naïve ✓");
    }
}
