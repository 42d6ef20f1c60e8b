//! A job's record while somebody holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use aq_ledger::{RecordContent, RecordUpdate};

use super::super::durable::is_at;
use super::super::error::{Result, StoreIo};
use super::{open_to_read, values_of};

/// A job's meta file, open and locked: whoever holds it may move the job.
///
/// The lock is the operating system's, on the file itself, so it ends with its holder, whatever
/// way that ends. A worker holds it for as long as it works on the job.
#[derive(Debug)]
pub struct MetaFile {
    path: PathBuf,
    file: File,
    meta: RecordContent,
}

/// Adds lines to the record of a job that this process holds, from where the held file is not at
/// hand. What is noted so has to be taken back so: [`MetaFile`] does not know of it.
///
/// # Errors
/// When the file cannot be written.
pub fn append_note(path: &Path, record: &RecordUpdate) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK);
    options.open(path)?.write_all(record.to_text().as_bytes())
}

/// Reason why a meta file could not be locked at once.
pub(crate) enum LockFailure {
    /// Another process holds it.
    Held,
    /// The operating system refused.
    Io(io::Error),
}

impl MetaFile {
    /// Opens (or makes) and locks the file without waiting.
    pub(crate) fn try_lock(path: &Path) -> Result<Self, LockFailure> {
        // `clean` may move the file away between the open and the lock: then open the new one.
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .mode(0o600)
                .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
                .open(path)
                .map_err(LockFailure::Io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(LockFailure::Held),
                Err(TryLockError::Error(e)) => return Err(LockFailure::Io(e)),
            }
            if is_at(&file, path).map_err(LockFailure::Io)? {
                let meta = values_of(&mut file).map_err(LockFailure::Io)?;
                return Ok(Self { path: path.to_owned(), file, meta });
            }
        }
    }

    /// Waits until nobody holds the lock of this file.
    pub(crate) fn wait_free(path: &Path) -> io::Result<()> {
        open_to_read(path)?.lock()
    }

    /// Takes over the lock from the process that started this one, which passed the open file as
    /// standard input. The lock belongs to the open file, so there is no moment without it.
    ///
    /// # Errors
    /// When standard input is not the job's meta file.
    pub(crate) fn inherit(path: &Path) -> Result<Self> {
        let inherited = io::stdin().as_fd().try_clone_to_owned().at("take over", path)?;
        let mut file = File::from(inherited);
        if !is_at(&file, path).at("look at", path)? {
            let other = io::Error::other("standard input is another file");
            return Err(other).at("take over", path);
        }
        file.seek(SeekFrom::Start(0)).at("seek in", path)?;
        let meta = values_of(&mut file).at("read", path)?;
        Ok(Self { path: path.to_owned(), file, meta })
    }

    /// Hands the open file, and the lock with it, to a process that is about to be started.
    pub(crate) fn into_stdio(self) -> Stdio {
        self.file.into()
    }

    /// The content of the file.
    pub fn meta(&self) -> &RecordContent {
        &self.meta
    }

    /// Appends the lines in one write, but not those that forget what is not known anyway.
    ///
    /// # Errors
    /// When the file cannot be written; what was written in part is cut off again, or else is
    /// a torn line that readers ignore.
    pub fn append(&mut self, record: &RecordUpdate) -> Result<()> {
        let end = self.whole_lines();
        let path = &self.path;
        let end = end.at("read", path)?;
        if end < self.file.metadata().at("look at", path)?.len() {
            // A torn line of an earlier writer must not become a whole one.
            self.file.set_len(end).at("truncate", path)?;
        }
        let record = record.needed_by(&self.meta);
        if let Err(e) = self.file.write_all(record.to_text().as_bytes()) {
            // Half a record must not be taken for one; if this fails too, the line is torn.
            let _ = self.file.set_len(end);
            return Err(e).at("append to", path);
        }
        self.meta.apply(&record);
        Ok(())
    }

    /// Makes what was appended durable.
    ///
    /// # Errors
    /// When the operating system cannot promise it.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().at("sync", &self.path)
    }

    /// The length of the file up to its last newline.
    fn whole_lines(&mut self) -> io::Result<u64> {
        let end = self.file.seek(SeekFrom::End(0))?;
        let mut last = [0];
        if end == 0 || (self.file.read_exact_at(&mut last, end - 1).is_ok() && last == *b"\n") {
            return Ok(end);
        }
        let mut piece = vec![0; 64 << 10];
        let mut to = end;
        while to > 0 {
            let from = to.saturating_sub(piece.len() as u64);
            let piece = &mut piece[..usize::try_from(to - from).unwrap_or(0)];
            self.file.read_exact_at(piece, from)?;
            if let Some(at) = piece.iter().rposition(|&b| b == b'\n') {
                return Ok(from + at as u64 + 1);
            }
            to = from;
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &Path) -> RecordContent {
        super::super::read_values(path).unwrap()
    }
    use aq_ledger::RecordKey;

    #[test]
    fn torn_last_line_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.meta");
        std::fs::write(&path, "attempts=1\nresult=cra").unwrap();
        let mut file = MetaFile::try_lock(&path).ok().unwrap();
        assert_eq!(file.meta().get(RecordKey::Result), None);
        file.append(&RecordUpdate::new().set(RecordKey::Attempts, 2)).unwrap();
        let meta = record(&path);
        assert_eq!(meta.count(RecordKey::Attempts), 2);
    }

    #[test]
    fn long_record_takes_bounded_memory() {
        let dir = tempfile::tempdir().unwrap();
        for end in ["\0", "\n", "=\n"] {
            let path = dir.path().join("a.meta");
            std::fs::write(&path, "result=crash\n").unwrap();
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            // A hole: nothing of it is on the disk.
            file.write_all_at(end.as_bytes(), 100 << 20).unwrap();
            let mut file = MetaFile::try_lock(&path).ok().unwrap();
            assert_eq!(file.meta().get(RecordKey::Result), None, "only the end is read");
            file.append(&RecordUpdate::new().set(RecordKey::Attempts, 2)).unwrap();
            drop(file);
            assert_eq!(record(&path).count(RecordKey::Attempts), 2, "{end:?}");
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn only_what_is_known_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.meta");
        let (a, b, c) = (RecordKey::Attempts, RecordKey::Boot, RecordKey::Cwd);
        let first = RecordUpdate::new().set(a, 1).set(b, "").set(c, 1).clear(&[c]);
        std::fs::write(&path, first.to_new_file()).unwrap();
        let mut file = MetaFile::try_lock(&path).ok().unwrap();
        file.append(&RecordUpdate::new().clear(&[a, b, c]).set(b, 2).clear(&[b])).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "attempts=1\ncwd=1\ncwd=\nattempts=\nboot=2\nboot=\n");
        assert!(record(&path).iter().next().is_none());
    }

    #[test]
    fn a_lock_is_held_until_its_holder_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.meta");
        let held = MetaFile::try_lock(&path).ok().unwrap();
        assert!(matches!(MetaFile::try_lock(&path), Err(LockFailure::Held)));
        drop(held);
        assert!(MetaFile::try_lock(&path).is_ok());
    }
}
