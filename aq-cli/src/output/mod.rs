//! The one place that prints.
//!
//! Answers go to standard output, everything else to standard error. Colour is used on a terminal
//! only, and `NO_COLOR` holds. Text from outside (names in files, messages of agents) is printed
//! with its control characters made visible.

pub(crate) mod doctor;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod progress;
mod screen;
pub(crate) mod service;
pub(crate) mod style;
mod table;

use std::fmt::Display;
use std::io::Write;

use anstream::ColorChoice;

use crate::exit::Failure;

pub(crate) use screen::Screen;

use style::paint;

/// A line of the answer.
pub(crate) fn line(text: impl Display) {
    // A reader that has gone (`aq status | head`) is not an error.
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Replaces what is on the terminal.
pub(crate) fn redraw(text: &str) {
    let mut out = anstream::stdout().lock();
    // Home, the text with each line cleared to its end, then what is below.
    let text = text.replace('\n', "\x1b[K\n");
    let _ = write!(out, "\x1b[H{text}\x1b[J").and_then(|()| out.flush());
}

/// Something that the user should look at.
pub(crate) fn warning(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", text.trim_end());
}

/// The error that a command ended with.
pub(crate) fn error(failure: &Failure) {
    let text = failure.to_string();
    // Reports on job files have a heading of their own, one a file.
    let heading = if text.starts_with("error") || text.contains("\u{1b}") {
        String::new()
    } else {
        format!("{}: ", paint(style::BAD, "error"))
    };
    let _ = writeln!(anstream::stderr(), "{heading}{}", text.trim_end());
}

/// Whether reports among the answers may use colour.
pub(crate) fn lines_in_colour() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != ColorChoice::Never
}

/// Whether reports among the errors may use colour.
pub(crate) fn errors_in_colour() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != ColorChoice::Never
}
