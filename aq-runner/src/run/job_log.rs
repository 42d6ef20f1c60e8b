//! The log of a job: what its programs print, and a few lines of our own between.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

use crate::store::not_opened;

/// What a line of our own begins with.
pub(crate) const NOTE: &str = "--- aq ";

/// How much of the end of a command's output is kept when the log is full, in bytes.
const TAIL: usize = 64 << 10;

/// How often a full log is marked as changed while more is printed: what prints is not stalled.
const MARK: Duration = Duration::from_secs(10);

/// The open log.
///
/// A log that cannot be written (a full disk), or that is full, harms no job: what is lost is
/// counted, and said in the record.
#[derive(Debug)]
pub(crate) struct JobLog {
    file: File,
    at_line_start: bool,
    failed: Option<io::Error>,
    /// The most bytes of a log.
    limit: u64,
    /// How many bytes programs may still print into it.
    room: u64,
    /// Behind the limit.
    overflow: Option<OmittedOutput>,
    /// Bytes that are in no log.
    left_out: u64,
}

/// What came of a command's output when there was no more room.
#[derive(Debug)]
struct OmittedOutput {
    /// The end of it, and up to as much before that.
    tail: Vec<u8>,
    bytes: u64,
    marked: Instant,
}

impl JobLog {
    /// Opens a log, which takes no more output when it has `limit` bytes. What the system would
    /// block on is refused.
    pub(crate) fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
            .open(path)
            .map_err(not_opened)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let room = limit.saturating_sub(about.len());
        let (failed, overflow) = (None, None);
        Ok(Self { file, at_line_start: true, failed, limit, room, overflow, left_out: 0 })
    }

    /// Writes what a program printed, as it is.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let fits = usize::try_from(self.room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let (kept, rest) = bytes.split_at(fits);
        self.room -= fits as u64;
        self.write(kept);
        if !rest.is_empty() {
            self.overflow(rest);
        }
    }

    /// Writes a line of our own: `--- aq 2026-01-31T12:00:00Z text`. Text from outside cannot
    /// start another line.
    pub(crate) fn note(&mut self, now: Timestamp, text: &str) {
        let newline = if self.at_line_start { "" } else { "\n" };
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = format!("{newline}{NOTE}{} {text}\n", now.strftime("%Y-%m-%dT%H:%M:%SZ"));
        self.write(line.as_bytes());
    }

    /// A command has ended: of what it printed into a full log, the end is written.
    pub(crate) fn command_ended(&mut self, now: Timestamp) {
        let Some(OmittedOutput { tail, bytes, .. }) = self.overflow.take() else { return };
        let end = &tail[tail.len().saturating_sub(TAIL)..];
        // From the start of a line, where there is one.
        let line = end.iter().position(|&b| b == b'\n').map_or(0, |at| at + 1);
        let end = if end.len() as u64 == bytes || line == end.len() { end } else { &end[line..] };
        let left_out = bytes - end.len() as u64;
        self.left_out += left_out;
        if left_out > 0 {
            self.note(now, &format!("{left_out} bytes are left out here"));
        }
        self.write(end);
    }

    /// Why not all that was printed is in the log.
    pub(crate) fn incomplete(&self) -> Option<String> {
        if let Some(e) = &self.failed {
            return Some(format!("a part of its log is missing: {e}"));
        }
        let (bytes, limit) = (self.left_out, self.limit >> 20);
        (bytes > 0).then(|| {
            format!("{bytes} bytes are left out of its log, which has `log-limit-mb: {limit}`")
        })
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Err(e) = self.file.write_all(bytes) {
            self.failed.get_or_insert(e);
        }
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
        }
    }

    fn overflow(&mut self, bytes: &[u8]) {
        if self.overflow.is_none() {
            let limit = self.limit >> 20;
            let why = format!(
                "the log is full (`log-limit-mb: {limit}`): of what follows, the end is kept"
            );
            self.note(Timestamp::now(), &why);
        }
        let overflow = self.overflow.get_or_insert_with(|| OmittedOutput {
            tail: Vec::with_capacity(3 * TAIL),
            bytes: 0,
            marked: Instant::now(),
        });
        overflow.bytes += bytes.len() as u64;
        if overflow.tail.len() > 2 * TAIL {
            overflow.tail.drain(..overflow.tail.len() - TAIL);
        }
        overflow.tail.extend_from_slice(bytes);
        if overflow.marked.elapsed() >= MARK {
            overflow.marked = Instant::now();
            // A log that cannot be marked shows as stalled, and no more than that.
            let _ = self.file.set_modified(SystemTime::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(limit: u64) -> (tempfile::TempDir, JobLog) {
        let dir = tempfile::tempdir().unwrap();
        let log = JobLog::open(&dir.path().join("log"), limit).unwrap();
        (dir, log)
    }

    fn text(dir: &tempfile::TempDir) -> String {
        std::fs::read_to_string(dir.path().join("log")).unwrap()
    }

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn log_with_room_has_everything() {
        let (dir, mut log) = log(1 << 20);
        log.raw(b"one\ntw");
        log.command_ended(NOW);
        log.note(NOW, "a\nb");
        assert_eq!(text(&dir), "one\ntw\n--- aq 1970-01-01T00:00:00Z a b\n");
        assert_eq!(log.incomplete(), None);
    }

    #[test]
    fn full_log_keeps_both_ends() {
        let (dir, mut log) = log(1 << 20);
        let line = format!("{}\n", "x".repeat(999));
        for _ in 0..5_000 {
            log.raw(line.as_bytes());
        }
        log.raw(b"last words\n");
        log.command_ended(NOW);
        log.note(NOW, "verify");
        log.raw(b"short\n");
        log.command_ended(NOW);
        let text = text(&dir);
        assert!(text.len() < (1 << 20) + TAIL + 1000, "{}", text.len());
        assert!(text.starts_with(&line.repeat(1_000)));
        assert!(text.ends_with("short\n"), "what fits into the tail is whole");
        let full: Vec<&str> = text.lines().filter(|line| line.starts_with(NOTE)).collect();
        assert_eq!(full.len(), 4, "{full:?}");
        assert!(
            full[0]
                .ends_with("the log is full (`log-limit-mb: 1`): of what follows, the end is kept")
        );
        let count = full[1].split(' ').nth(3).unwrap();
        assert!(full[1].ends_with(" bytes are left out here"), "{full:?}");
        let tail = text.split("left out here\n").nth(1).unwrap();
        assert!(tail.starts_with(&line), "whole lines");
        assert_eq!(
            log.incomplete().unwrap(),
            format!("{count} bytes are left out of its log, which has `log-limit-mb: 1`")
        );
        // Nothing is lost unseen: the kept part, what was left out, and the tail are all of it.
        let kept = text.find("\n--- aq ").unwrap();
        let end = tail.find("--- aq ").unwrap();
        assert_eq!(kept + end + count.parse::<usize>().unwrap(), 5_000 * 1_000 + 11);
    }

    #[test]
    fn a_log_that_was_full_before_takes_the_end() {
        let (dir, _) = log(1 << 20);
        let path = dir.path().join("log");
        std::fs::write(&path, vec![b'.'; 2 << 20]).unwrap();
        let mut log = JobLog::open(&path, 1 << 20).unwrap();
        log.raw(&[b'y'; 3 * TAIL]);
        log.raw(&[b'z'; TAIL]);
        log.command_ended(NOW);
        assert!(text(&dir).ends_with(&"z".repeat(TAIL)), "one line of any length");
        assert!(text(&dir).len() < (2 << 20) + TAIL + 1000);
    }

    #[test]
    fn what_would_block_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(JobLog::open(&path, 1).is_err());
        let _reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        assert!(JobLog::open(&path, 1).is_err());
    }
}
