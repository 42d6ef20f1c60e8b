//! The file that comparisons are written to.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use aq_fleet::shadow::{ComparisonLine, ComparisonLog, read_log};

/// A log of this many bytes is put aside; the one that was put aside before it goes.
const MAX_BYTES: u64 = 4 << 20;

/// The log in a queue's `.state`.
pub fn shadow_log(state: &Path) -> PathBuf {
    state.join("fleet-shadow.log")
}

fn put_aside(log: &Path) -> PathBuf {
    log.with_added_extension("old")
}

/// Appends a line with one write. What a crash left of a line before is ended first, so that it
/// costs only itself.
pub(super) fn append(path: &Path, line: &ComparisonLine) -> io::Result<()> {
    if path.metadata().is_ok_and(|about| about.len() >= MAX_BYTES) {
        std::fs::rename(path, put_aside(path))?;
    }
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
    let start = if ends_torn(&mut file)? { "\n" } else { "" };
    file.write_all(format!("{start}{line}\n").as_bytes())
}

fn ends_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Reads a log with the part of it that was put aside. `None` when there is none.
///
/// # Errors
/// When a file is there and cannot be read.
pub fn read_shadow_log(path: &Path) -> io::Result<Option<ComparisonLog>> {
    // The newer one first: one that is put aside meanwhile is read twice, which the count sees, and
    // not left out.
    let new = read(path)?;
    let old = read(&put_aside(path))?;
    if new.is_none() && old.is_none() {
        return Ok(None);
    }
    let [mut all, new] = [old, new].map(|bytes| read_log(&bytes.unwrap_or_default()));
    all.lines.extend(new.lines);
    all.bad += new.bad;
    Ok(Some(all))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use aq_fleet::shadow::{DryClaimAnswer, InboxSnapshot, compare};
    use jiff::Timestamp;

    use super::*;

    fn line(latency_ms: u64) -> ComparisonLine {
        let snapshot = InboxSnapshot::default();
        let same = compare(&snapshot, None, &DryClaimAnswer::Nothing { waiting: None });
        ComparisonLine::new(Timestamp::UNIX_EPOCH, same, latency_ms, snapshot.id())
    }

    #[test]
    fn torn_line_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = shadow_log(dir.path());
        assert_eq!(read_shadow_log(&path).unwrap(), None);
        append(&path, &line(1)).unwrap();
        let half = line(2).to_string();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&half.as_bytes()[..40]).unwrap();
        append(&path, &line(3)).unwrap();
        let log = read_shadow_log(&path).unwrap().unwrap();
        assert_eq!((log.lines, log.bad), (vec![line(1), line(3)], 1));
    }

    #[test]
    fn a_large_log_is_put_aside_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = shadow_log(dir.path());
        for n in 1..=3 {
            let text = format!("{}\n", line(n));
            let copies = usize::try_from(MAX_BYTES).unwrap() / text.len() + 1;
            std::fs::write(&path, text.repeat(copies)).unwrap();
            append(&path, &line(10 + n)).unwrap();
        }
        let log = read_shadow_log(&path).unwrap().unwrap();
        assert_eq!(log.lines.first(), Some(&line(3)));
        assert_eq!(log.lines.last(), Some(&line(13)));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
