//! Raw output of programs, shown to a person or passed on.

use std::io::{self, IsTerminal, StdoutLock, Write};

use anstream::StripStream;
use anstream::adapter::strip_str;

/// Standard output for text that programs printed. A terminal gets no control sequences, because
/// an agent's output could otherwise rename windows or fill the clipboard; a pipe gets all.
#[derive(Debug)]
pub(crate) enum ScreenText {
    Terminal(StripStream<StdoutLock<'static>>),
    Pipe(StdoutLock<'static>),
}

impl ScreenText {
    pub(crate) fn new() -> Self {
        let out = io::stdout();
        if out.is_terminal() {
            Self::Terminal(StripStream::new(out.lock()))
        } else {
            Self::Pipe(out.lock())
        }
    }
}

/// Writes lines of our own to standard output, with colours where there are to be any.
pub(crate) fn write_lines(text: &str) -> io::Result<()> {
    let written = if super::lines_in_colour() {
        io::stdout().lock().write_all(text.as_bytes())
    } else {
        io::stdout().lock().write_all(strip_str(text).to_string().as_bytes())
    };
    or_end(written)
}

impl Write for ScreenText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Terminal(out) => out.write(bytes),
            Self::Pipe(out) => out.write(bytes),
        };
        or_end(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = match self {
            Self::Terminal(out) => out.flush(),
            Self::Pipe(out) => out.flush(),
        };
        or_end(flushed)
    }
}

/// A reader that has gone is not an error, but there is nobody left to write for.
fn or_end<T>(result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other,
    }
}
