//! Locks of the operating system for something longer than one job: a lock key,
//! the run loop, the right to add. They end with their holder, whatever way that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aq_ledger::{KeyValues, RecordUpdate, key_names};

use super::durable::is_at;
use super::error::{Result, StoreIo};
use super::keys::digest;
use super::meta::read_values;
use super::queue_dir::QueueDir;

key_names! {
    /// A key of `.state/daemon.pid`, in which the loop signs.
    pub enum LoopKey {
        /// Process id.
        Pid = "pid",
        /// Start time of the process, as the kernel counts it.
        Pidstart = "pidstart",
        /// Boot id.
        Boot = "boot",
        /// Time at which the loop began.
        StartedAt = "started_at",
        /// Path of the queue that it works on.
        Queue = "queue",
        /// Agents at a time.
        Max = "max",
        /// Jobs that may wait for review.
        MaxReview = "max_review",
        /// `true`: it ships what is verified.
        Ship = "ship",
        /// `1`: the loop is part of another program, and gets no signals.
        Embedded = "embedded",
    }
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock of a job's lock key; `None` when another process holds it.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub fn lock_key(queue: &QueueDir, key: &str) -> Result<Option<Self>> {
        Self::try_open(&queue.locks().join(digest(key)))
    }

    /// Takes the right to add jobs, waiting for it: adds are short, and one at a time keeps ids
    /// and idempotency keys unique.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub(crate) fn adding(queue: &QueueDir) -> Result<Self> {
        let path = queue.state().join("add.lock");
        let file = open(&path)?;
        file.lock().at("lock", &path)?;
        Ok(Self { file })
    }

    /// Takes the right to change what is known of the engines, waiting for it.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub(crate) fn engines(queue: &QueueDir) -> Result<Self> {
        let path = queue.state().join("engines.lock");
        let file = open(&path)?;
        file.lock().at("lock", &path)?;
        Ok(Self { file })
    }

    /// Takes the right to follow a project that was moved, waiting for it.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub(crate) fn relocating(queue: &QueueDir) -> Result<Self> {
        Self::waited_for(&queue.state().join("repository.lock"))
    }

    /// Takes the lock of a file outside of any queue, waiting for it.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub(crate) fn waited_for(path: &Path) -> Result<Self> {
        let file = open(path)?;
        file.lock().at("lock", path)?;
        Ok(Self { file })
    }

    /// Takes the right to run the loop; `Err` inside has what the holder wrote about itself.
    ///
    /// # Errors
    /// When the pid file cannot be made.
    pub fn run_loop(queue: &QueueDir) -> Result<std::result::Result<Self, KeyValues<LoopKey>>> {
        let path = queue.daemon_pid();
        match Self::try_open(&path)? {
            Some(lock) => Ok(Ok(lock)),
            None => Ok(Err(read_values(&path)?)),
        }
    }

    fn try_open(path: &Path) -> Result<Option<Self>> {
        // A loop that ends removes its file, perhaps between our open and our lock. A lock on a
        // file without a name keeps nobody out, so then the new one is opened.
        loop {
            let file = open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(e)) => return Err(e).at("lock", path),
            }
            if is_at(&file, path).at("look at", path)? {
                return Ok(Some(Self { file }));
            }
        }
    }

    /// Writes who holds the lock, for others to read.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn sign(&mut self, record: &RecordUpdate<LoopKey>, path: &Path) -> Result<()> {
        let text = record.to_text();
        self.file.seek(SeekFrom::Start(0)).at("seek in", path)?;
        // Over what the last holder wrote: on a full disk there is room for that, and for no more.
        self.file.write_all(text.as_bytes()).at("write", path)?;
        self.file.set_len(text.len() as u64).at("truncate", path)
    }

    /// Answers whether the file that is locked still has this name: others look for it there.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        is_at(&self.file, path).unwrap_or(false)
    }

    /// The path of the locked file by now, if the system knows it.
    pub(crate) fn path_now(&self) -> Option<PathBuf> {
        let link = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let path = std::fs::read_link(link).ok()?;
        is_at(&self.file, &path).is_ok_and(|is_there| is_there).then_some(path)
    }

    /// Reads the text of the last holder.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn signature(&mut self, path: &Path) -> Result<KeyValues<LoopKey>> {
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(0)).at("seek in", path)?;
        self.file.read_to_string(&mut text).at("read", path)?;
        Ok(KeyValues::parse(&text))
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)
        .at("open", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threads that take the lock, look whether another has it, and remove its file.
    #[test]
    fn removed_lock_has_one_holder() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.pid");
        let (holders, taken) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while taken.load(Ordering::SeqCst) < 2_000 {
                        let Some(lock) = FileLock::try_open(&path).unwrap() else { continue };
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        taken.fetch_add(1, Ordering::SeqCst);
                        holders.fetch_sub(1, Ordering::SeqCst);
                        std::fs::remove_file(&path).unwrap();
                        drop(lock);
                    }
                });
            }
        });
    }
}
