//! The lock on a checkout's index, as git takes it, with a word by which one that a killed process
//! of aq has left is known.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::checkout::{JobCheckout, copy_index, remove};
use super::error::{CheckpointError, HeadState, Result};
use super::files;

/// The copy of the index in which files are moved.
const COPY: &str = "aq-merge-index";
/// The start of a lock of aq's own.
const MARKER: &str = "aq moves the files of this checkout";
/// The longest wait for a git command of the user's.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two looks at its lock.
const PAUSE: Duration = Duration::from_millis(20);

/// A copy of a checkout's index.
#[derive(Debug)]
pub(super) struct IndexCopy {
    path: PathBuf,
    /// The index that was copied, by its inode, length and time; `None` when there was none.
    stamp: Option<Stamp>,
}

/// Inode, length, seconds and nanoseconds of a file.
type Stamp = (u64, u64, i64, i64);

impl IndexCopy {
    /// Copies the index of a checkout. What a killed process has left of an earlier copy goes.
    pub(super) fn make(checkout: &JobCheckout) -> Result<Self> {
        let path = checkout.index().with_file_name(COPY);
        remove(&path)?;
        remove(&path.with_extension("lock"))?;
        let stamp = match files::open(&checkout.index()) {
            Ok(index) => {
                let copy = std::fs::File::create(&path).at("create", &path)?;
                copy_index(&index, &copy).at("copy the index to", &path)?;
                Some(stamp_of(&index.metadata().at("look at", &checkout.index())?))
            }
            Err(e) if files::is_absent(&e) => None,
            Err(e) => return Err(e).at("open", &checkout.index()),
        };
        Ok(Self { path, stamp })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Tests for an index that nobody has written since.
    pub(super) fn is_present(&self, checkout: &JobCheckout) -> bool {
        let now = checkout.index().metadata();
        now.map(|about| stamp_of(&about)).ok() == self.stamp
    }

    /// Puts the copy in the place of the index.
    pub(super) fn install(self, checkout: &JobCheckout) -> Result<()> {
        let index = checkout.index();
        std::fs::rename(&self.path, &index).at("replace", &index)
    }
}

impl Drop for IndexCopy {
    fn drop(&mut self) {
        // What is left is removed before the next copy is made.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn stamp_of(about: &std::fs::Metadata) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    (about.ino(), about.len(), about.mtime(), about.mtime_nsec())
}

/// The lock on an index, for as long as this is there.
#[derive(Debug)]
pub(super) struct IndexLock(PathBuf);

impl IndexLock {
    /// Takes the lock, and waits for a git command that has it.
    pub(super) fn take(checkout: &JobCheckout) -> Result<Self> {
        let path = lock_of(&checkout.index());
        let dir = path.parent().unwrap_or(Path::new("."));
        let give_up = Instant::now() + PATIENCE;
        loop {
            let mut file = tempfile::NamedTempFile::new_in(dir).at("create a file in", dir)?;
            writeln!(file, "{MARKER}").at("write", file.path())?;
            match file.persist_noclobber(&path) {
                Ok(_) => return Ok(Self(path)),
                Err(e) if e.error.kind() != ErrorKind::AlreadyExists => {
                    return Err(e.error).at("create", &path);
                }
                Err(_) if Instant::now() >= give_up => {
                    return Err(CheckpointError::IndexLocked(path));
                }
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }
}

impl Drop for IndexLock {
    fn drop(&mut self) {
        // Whoever takes the target's lock next removes it otherwise.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Removes the lock that a killed process of aq has left. One of git's own stays.
pub(super) fn clear_index_lock(index: &Path) -> Result<()> {
    let path = lock_of(index);
    match starts_with_marker(&path) {
        Ok(true) => remove(&path),
        Err(e) if !files::is_absent(&e) => Err(e).at("read", &path),
        _ => Ok(()),
    }
}

fn starts_with_marker(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(files::open(path)?, 64), &mut start)?;
    Ok(start.starts_with(MARKER.as_bytes()))
}

fn lock_of(index: &Path) -> PathBuf {
    index.with_file_name("index.lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_of_git_stay() {
        let dir = tempfile::tempdir().unwrap();
        let index = dir.path().join("index");
        let lock = lock_of(&index);
        clear_index_lock(&index).unwrap();
        for (text, stays) in [("", true), ("DIRC", true), ("aq moves the files of", true)] {
            std::fs::write(&lock, text).unwrap();
            clear_index_lock(&index).unwrap();
            assert_eq!(lock.exists(), stays, "{text}");
        }
        std::fs::write(&lock, format!("{MARKER}\n")).unwrap();
        clear_index_lock(&index).unwrap();
        assert!(!lock.exists());
    }
}
