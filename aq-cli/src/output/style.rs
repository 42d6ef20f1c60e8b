//! Colours by what they mean. They are written always; the stream drops them where they do not
//! belong.

use std::fmt::Display;

use anstyle::{AnsiColor, Effects, Style};
use aq_manifest::Stage;

pub(crate) const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BUSY: Style = AnsiColor::Cyan.on_default();
pub(crate) const ATTENTION: Style = AnsiColor::Yellow.on_default();
pub(crate) const FAINT: Style = Style::new().effects(Effects::DIMMED);
pub(crate) const HEADING: Style = Style::new().effects(Effects::BOLD);

/// The text in a style.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The colour of a stage.
pub(crate) const fn stage(stage: Stage) -> Style {
    match stage {
        Stage::Inbox => Style::new(),
        Stage::Building => BUSY,
        Stage::Review => ATTENTION,
        Stage::Testing | Stage::Shipped => GOOD,
        Stage::Failed | Stage::Quarantine => BAD,
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

/// As [`plain`], of a text with lines and tabs.
pub(crate) fn plain_lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.split('\t').map(plain).collect::<Vec<_>>().join("\t")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Characters that turn the direction of writing, and can make text read as what it is not.
pub(crate) fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{plain, plain_lines};

    #[test]
    fn control_characters_are_made_visible() {
        assert_eq!(plain("a\x1b[2Jb\u{202e}c\nd"), r"a\u{1b}[2Jb\u{202e}c\nd");
        assert_eq!(plain("naïve ✓"), "naïve ✓");
        assert_eq!(plain_lines("a\tb\r\n\x1b[2J\n"), "a\tb\n\\u{1b}[2J\n");
    }
}
