//! A job's file: opened under its lock, appended to, removed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::error::{OutboxError, OutboxIo};
use super::line::{OutboxContents, OutboxLine};
use super::message::OutboxMessage;
use super::{MAX_JOB_BYTES, MAX_MESSAGE_BYTES};

/// An open file whose lock is held until it is dropped. Nobody else removes or writes it meanwhile.
#[derive(Debug)]
pub(super) struct LockedFile {
    file: File,
}

/// The choice while another process holds the lock.
#[derive(Clone, Copy)]
pub(super) enum LockWait {
    /// Wait. Only for locks that nobody holds for long.
    Yes,
    /// Give up.
    No,
}

impl LockedFile {
    /// Opens a file, making it when `create` says so, and takes its lock. `None` when it is not
    /// there, or somebody else holds the lock and `wait` is no.
    pub(super) fn open(
        path: &Path,
        create: bool,
        wait: LockWait,
    ) -> Result<Option<Self>, OutboxError> {
        // Whoever drains removes the file, perhaps between our open and our lock: then open again.
        loop {
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(create).mode(0o600);
            options.custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK);
            let file = match options.open(path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound && !create => return Ok(None),
                other => other.at("open", path)?,
            };
            match wait {
                LockWait::Yes => file.lock().at("lock", path)?,
                LockWait::No => match file.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::WouldBlock) => return Ok(None),
                    Err(TryLockError::Error(e)) => return Err(e).at("lock", path),
                },
            }
            if is_at(&file, path).at("look at", path)? {
                return Ok(Some(Self { file }));
            }
        }
    }

    /// Reads the whole file.
    pub(super) fn read(&mut self, path: &Path) -> Result<OutboxContents, OutboxError> {
        if self.length(path)? > 2 * MAX_JOB_BYTES {
            let error = io::Error::other("it is larger than an outbox makes one; move it away");
            return Err(error).at("read", path);
        }
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0)).at("read", path)?;
        (&self.file).read_to_end(&mut bytes).at("read", path)?;
        Ok(OutboxContents::parse(&bytes))
    }

    fn length(&self, path: &Path) -> Result<u64, OutboxError> {
        Ok(self.file.metadata().at("look at", path)?.len())
    }

    /// Adds a line that says that a message was dealt with.
    pub(super) fn add_done(&mut self, path: &Path, n: u64) -> Result<(), OutboxError> {
        let mut last = [0];
        let end = self.length(path)?;
        let is_whole =
            end == 0 || (self.file.read_exact_at(&mut last, end - 1).is_ok() && last == *b"\n");
        let torn = if is_whole { 0 } else { self.read(path)?.torn };
        let line = OutboxLine::Done { done: n }.to_bytes().map_err(OutboxError::Unwritable)?;
        self.add(path, &line, torn)
    }

    /// Cuts off a torn last line, which must not become a whole one, and adds this one. What is
    /// written only in part is cut off again.
    fn add(&mut self, path: &Path, line: &[u8], torn: usize) -> Result<(), OutboxError> {
        let end = self.length(path)?.saturating_sub(torn as u64);
        if torn > 0 {
            self.file.set_len(end).at("truncate", path)?;
        }
        if let Err(e) = self.file.write_all(line) {
            // If this fails too, the line is torn.
            let _ = self.file.set_len(end);
            return Err(e).at("append to", path);
        }
        Ok(())
    }

    /// Makes the file's content durable.
    fn sync(&self, path: &Path) -> Result<(), OutboxError> {
        // A failed sync is never tried again: the kernel may have dropped the pages already.
        self.file.sync_data().at("sync", path)
    }
}

/// Adds a message; the rest is in [`super::MessageOutbox::append`].
pub(super) fn append(path: &Path, message: &OutboxMessage) -> Result<u64, OutboxError> {
    let Some(mut file) = LockedFile::open(path, true, LockWait::Yes)? else {
        return Err(io::Error::from(io::ErrorKind::WouldBlock)).at("lock", path);
    };
    let contents = file.read(path)?;
    let n = contents.last + 1;
    let line = OutboxLine::Message { n, message }.to_bytes().map_err(OutboxError::Unwritable)?;
    if line.len() > MAX_MESSAGE_BYTES {
        return Err(OutboxError::TooLarge(line.len()));
    }
    let length = file.length(path)?;
    if length + line.len() as u64 > MAX_JOB_BYTES {
        return Err(OutboxError::Full(path.to_owned()));
    }
    file.add(path, &line, contents.torn)?;
    file.sync(path)?;
    if length == 0 {
        sync_dir(path)?;
    }
    Ok(n)
}

fn sync_dir(path: &Path) -> Result<(), OutboxError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).at("sync", dir)
}

/// Tests that an open file is still the one that has this name.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let here = file.metadata()?;
    match path.symlink_metadata() {
        Ok(there) => Ok((there.dev(), there.ino()) == (here.dev(), here.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
