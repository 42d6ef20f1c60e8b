//! The log of a job: what its programs print, and a few lines of our own between.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;

/// What a line of our own begins with.
pub(crate) const NOTE: &str = "--- aq ";

/// The open log.
///
/// A log that cannot be written (a full disk) harms no job: what is lost is counted, and said in
/// the record.
#[derive(Debug)]
pub(crate) struct JobLog {
    file: File,
    at_line_start: bool,
    failed: Option<io::Error>,
}

impl JobLog {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(path)?;
        Ok(Self { file, at_line_start: true, failed: None })
    }

    /// Writes what a program printed, as it is.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        if let Err(e) = self.file.write_all(bytes) {
            self.failed.get_or_insert(e);
        }
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
        }
    }

    /// Writes a line of our own: `--- aq 2026-01-31T12:00:00Z text`. Text from outside cannot
    /// start another line.
    pub(crate) fn note(&mut self, now: Timestamp, text: &str) {
        let newline = if self.at_line_start { "" } else { "\n" };
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = format!("{newline}{NOTE}{} {text}\n", now.strftime("%Y-%m-%dT%H:%M:%SZ"));
        self.raw(line.as_bytes());
    }

    /// The first error, if not everything could be written.
    pub(crate) fn failure(&self) -> Option<&io::Error> {
        self.failed.as_ref()
    }
}
