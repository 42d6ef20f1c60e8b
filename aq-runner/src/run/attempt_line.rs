//! The line of a job's log with which an attempt begins. Whoever shows steps reads its engine, also
//! in logs that earlier versions have written, so the line stays as it is.

use std::fmt;
use std::path::Path;

const BEGINNING: &str = "attempt ";
const ENGINE: &str = ", engine ";
const DIR: &str = ", in ";

/// The line without the time before it: `attempt 1 of 3, engine NAME, in DIR`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptLine<'a> {
    /// The number of the attempt, from 1.
    pub(crate) attempt: u32,
    /// The number of attempts that the job may have, where this one is among them.
    pub(crate) max: Option<u32>,
    /// The engine's name.
    pub(crate) engine: &'a str,
    /// The directory that it works in.
    pub(crate) dir: &'a Path,
}

impl fmt::Display for AttemptLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEGINNING}{}", self.attempt)?;
        if let Some(max) = self.max {
            write!(f, " of {max}")?;
        }
        write!(f, "{ENGINE}{}{DIR}{}", self.engine, self.dir.display())
    }
}

/// The engine in a line with the time before it; `None` for another line.
pub(crate) fn engine_of(note: &str) -> Option<&str> {
    let (_, line) = note.split_once(' ')?;
    let (_, rest) = line.strip_prefix(BEGINNING)?.split_once(ENGINE)?;
    rest.split_once(DIR).map(|(engine, _)| engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_read_from_lines() {
        let dir = Path::new("/home/me/a, in b");
        for (max, text) in [
            (Some(3), "attempt 2 of 3, engine claude, in /home/me/a, in b"),
            (None, "attempt 2, engine claude, in /home/me/a, in b"),
        ] {
            let line = AttemptLine { attempt: 2, max, engine: "claude", dir };
            assert_eq!(line.to_string(), text, "as in every log there is");
            assert_eq!(engine_of(&format!("2026-01-31T12:00:00Z {line}")), Some("claude"));
        }
        for other in
            ["", "t", "t attempt 2", "t verify failed, engine x, in y", "t attempt 1, in d"]
        {
            assert_eq!(engine_of(other), None, "{other}");
        }
    }
}
