//! The one place that prints.
//!
//! Answers go to standard output, everything else to standard error. Colour is used on a terminal
//! only, and `NO_COLOR` holds. Text from outside (names in files, messages of agents) is printed
//! with its control characters made visible.

pub(crate) mod agreement;
pub(crate) mod doctor;
pub(crate) mod engines;
pub(crate) mod fleet;
pub(crate) mod fleet_jobs;
pub(crate) mod human;
pub(crate) mod insights;
pub(crate) mod job;
pub(crate) mod json;
#[cfg(feature = "coordinator")]
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod sandbox;
mod screen;
pub(crate) mod service;
pub(crate) mod status;
pub(crate) mod steps;
pub(crate) mod style;
mod table;
pub(crate) mod time;
pub(crate) mod trust;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::ColorChoice;
use anstream::adapter::strip_str;

use crate::exit::CliFailure;

pub(crate) use screen::{ScreenText, write_lines};

use style::paint;

/// A line of the answer, or several.
pub(crate) fn line(text: impl Display) {
    let mut text = format!("{text}\n");
    if !lines_in_colour() {
        text = strip_str(&text).to_string();
    }
    // In one write, however many lines it has.
    note_written(std::io::stdout().lock().write_all(text.as_bytes()));
}

/// A line of the answer, byte for byte.
pub(crate) fn bytes(line: &[u8]) {
    let mut text = line.to_owned();
    text.push(b'\n');
    note_written(std::io::stdout().lock().write_all(&text));
}

/// The answer, byte for byte.
pub(crate) fn exactly(answer: &[u8]) {
    let mut out = std::io::stdout().lock();
    note_written(out.write_all(answer).and_then(|()| out.flush()));
}

/// The first error of writing the answer.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// A part of the answer could not be written.
static IS_CUT: AtomicBool = AtomicBool::new(false);

/// Takes note of an answer that could not be written. A reader that has gone (`aq status | head`)
/// is not an error.
pub(crate) fn note_written(written: io::Result<()>) {
    let Err(e) = written else { return };
    IS_CUT.store(true, Ordering::Relaxed);
    if e.kind() != io::ErrorKind::BrokenPipe {
        let _ = UNWRITTEN.set(e);
    }
}

/// Tests for an answer of which no more reaches anybody: a command that goes on for good ends then.
pub(crate) fn is_cut() -> bool {
    IS_CUT.load(Ordering::Relaxed)
}

/// The answer, or a part of it, is nowhere: whoever asked must not take that for a short one.
pub(crate) fn unwritten() -> Option<CliFailure> {
    UNWRITTEN.get().map(|e| CliFailure::io("write the answer to standard output", e))
}

/// Makes room for [`redraw`].
pub(crate) fn clear_screen() {
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "\x1b[2J").and_then(|()| out.flush());
}

/// Replaces what is on the terminal by a text that has room there. `false`: the terminal has gone.
pub(crate) fn redraw(text: &str) -> bool {
    // Home, each line cleared to its end, then what is below. No newline after the last line, as
    // it would scroll.
    let text = text.trim_end().lines().collect::<Vec<_>>().join("\x1b[K\n");
    let mut out = anstream::stdout().lock();
    write!(out, "\x1b[H{text}\x1b[J").and_then(|()| out.flush()).is_ok()
}

/// The size of the terminal that answers go to.
pub(crate) fn terminal_size() -> status::TerminalSize {
    let found = terminal_size::terminal_size();
    let (width, height) = found.map_or((80, 24), |(width, height)| (width.0, height.0));
    status::TerminalSize { width: width.into(), height: height.into() }
}

/// Columns of the terminal that answers go to; `None` when they go elsewhere, and lines are as
/// long as they are.
pub(crate) fn width() -> Option<usize> {
    let out = std::io::stdout();
    let (width, _) = out.is_terminal().then(|| terminal_size::terminal_size_of(&out))??;
    Some(width.0.into())
}

/// Something that the user should look at.
pub(crate) fn warning(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", text.trim_end());
}

/// The error that a command ended with.
pub(crate) fn error(failure: &CliFailure) {
    let text = failure.to_string();
    // Reports on job files have a heading of their own, one a file.
    let heading =
        if failure.is_report { String::new() } else { format!("{}: ", paint(style::BAD, "error")) };
    let _ = writeln!(anstream::stderr(), "{heading}{}", text.trim_end());
}

/// Tests for colour in reports among the answers.
pub(crate) fn lines_in_colour() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != ColorChoice::Never
}

/// Tests for colour in reports among the errors.
pub(crate) fn errors_in_colour() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != ColorChoice::Never
}
