//! One merge at a time into a branch, whatever queue it is of. Merges into other branches of the
//! repository go on.
//!
//! Beside the lock is, from before the branch moves until its checkout has followed, the note of a
//! landing: the next holder of the lock finishes what a killed one began.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::checkout::remove;
use super::error::{CheckpointError, HeadState, Result};
use super::files;
use super::repository::CommitId;
use super::watch::GitWatch;

/// The directory of the locks in the common git directory.
const DIR: &str = "aq-merge";
/// The longest wait for another merge: it has its own limits.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// The pause between two looks at it.
const PAUSE: Duration = Duration::from_millis(20);

/// The right to merge into a branch.
#[derive(Debug)]
pub(super) struct TargetLock {
    _file: File,
    note: PathBuf,
}

/// A branch that moves, and the index of its checkout.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LandingNote {
    /// The commit at which the files are, or were.
    pub(super) from: CommitId,
    /// The new commit of the branch.
    pub(super) to: CommitId,
    /// The index that belongs to the files.
    pub(super) index: PathBuf,
}

/// A job that waits for its turn.
pub(super) struct MergeQueue<'a> {
    pub(super) common_dir: &'a Path,
    /// The branch by its full name.
    pub(super) target: &'a str,
    /// The job that wants to be merged, and its queue.
    pub(super) job: &'a str,
    pub(super) queue: &'a Path,
    pub(super) watch: &'a GitWatch,
}

impl MergeQueue<'_> {
    /// Takes the lock as soon as no other merge is made into the branch.
    ///
    /// # Errors
    /// When that takes too long, or the job is stopped meanwhile.
    pub(super) fn enter(&self) -> Result<TargetLock> {
        let short = self.target.strip_prefix("refs/").unwrap_or(self.target);
        // No part of a branch's name ends in `.lock`, so none is in the way of another.
        let path = self.common_dir.join(DIR).join(format!("{short}.lock"));
        let dir = path.parent().unwrap_or(self.common_dir);
        std::fs::create_dir_all(dir).at("create", dir)?;
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).custom_flags(flags);
        let mut file = options.open(&path).at("open", &path)?;
        let give_up = Instant::now() + self.watch.limit(PATIENCE);
        let mut step = self.watch.wait("the merge of another job");
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(e).at("lock", &path),
                Err(TryLockError::WouldBlock) if self.watch.is_over() => {
                    return Err(CheckpointError::Stopped { command: "merge".to_owned() });
                }
                Err(TryLockError::WouldBlock) if Instant::now() >= give_up => {
                    let holder = files::read(&path).ok().flatten().unwrap_or_default();
                    let into = short.trim_start_matches("heads/").to_owned();
                    let repository = self.common_dir.to_owned();
                    return Err(CheckpointError::MergeGoesOn { repository, into, holder });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
            step.goes_on();
        }
        file.set_len(0).at("write", &path)?;
        file.seek(SeekFrom::Start(0)).at("write", &path)?;
        let holder = format!("{} of {}\n", self.job, self.queue.display());
        file.write_all(holder.as_bytes()).at("write", &path)?;
        // No branch has two dots in a row in its name.
        let note = self.common_dir.join(DIR).join(format!("{short}..landing"));
        Ok(TargetLock { _file: file, note })
    }
}

impl TargetLock {
    /// The landing that a killed holder of the lock has begun.
    pub(super) fn landing(&self) -> Result<Option<LandingNote>> {
        let bytes = files::read_bytes(&self.note).at("read", &self.note)?;
        // What is no note is left from a power cut, before the branch moved.
        Ok(bytes.and_then(|bytes| LandingNote::parse(&bytes)))
    }

    pub(super) fn begin(&self, landing: &LandingNote) -> Result<()> {
        files::put(&self.note, &landing.text())
    }

    pub(super) fn end(&self) -> Result<()> {
        remove(&self.note)
    }
}

impl LandingNote {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes.splitn(3, |&byte| byte == b'\n');
        let mut commit = || CommitId::parse(str::from_utf8(lines.next()?).ok()?);
        let (from, to) = (commit()?, commit()?);
        let index = PathBuf::from(OsString::from_vec(lines.next()?.to_vec()));
        Some(Self { from, to, index })
    }

    fn text(&self) -> Vec<u8> {
        let commits = format!("{}\n{}\n", self.from, self.to);
        [commits.as_bytes(), self.index.as_os_str().as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn landings_are_read_as_written() {
        let commit = |digit: &str| CommitId::parse(&digit.repeat(40)).unwrap();
        let index = PathBuf::from("/a\nb/.git/index");
        let note = LandingNote { from: commit("1"), to: commit("2"), index };
        assert_eq!(LandingNote::parse(&note.text()), Some(note));
        for torn in ["", "1", &format!("{}\n{}", "1".repeat(40), "2".repeat(40))] {
            assert_eq!(LandingNote::parse(torn.as_bytes()), None, "{torn}");
        }
    }
}
