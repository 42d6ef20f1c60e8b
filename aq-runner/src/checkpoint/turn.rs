//! The turn of an in-place job: one at a time works in a repository, whatever queue it is of.
//!
//! Its file in the common git directory is locked from the check of the checkout to the hand-back.
//! What it says outlives the lock: the job's note of what was checked out before, which is there
//! until the checkout is given back. So where a worker was killed, the next job waits until
//! recovery has handed its work over.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::{CheckpointError, HeadState, Result};
use super::files;
use super::notes::{WorkOrigin, origin};

/// The file, in the common git directory.
const FILE: &str = "aq-in-place";

/// Takes the repository for a job with this note. It is free again when the file is closed.
pub(super) fn take_turn(common_dir: &Path, note: &Path) -> Result<File> {
    let path = common_dir.join(FILE);
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).custom_flags(flags);
    let mut file = options.open(&path).at("open", &path)?;
    let is_at_work = match file.try_lock() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(e)) => return Err(e).at("lock", &path),
    };
    let latest = note_in(&path)?.unwrap_or_default();
    if is_at_work || (latest != note && latest.exists()) {
        let name =
            |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        return Err(CheckpointError::NotItsTurn {
            repository: common_dir.to_owned(),
            job: name(&latest),
            // The note is in `.state/wip/`.
            queue: latest.ancestors().nth(3).unwrap_or(&latest).to_owned(),
            is_at_work,
        });
    }
    file.set_len(0).at("write", &path)?;
    file.seek(SeekFrom::Start(0)).at("write", &path)?;
    file.write_all(note.as_os_str().as_bytes()).at("write", &path)?;
    Ok(file)
}

/// The branch that an in-place job has borrowed the checkout from, by its full name.
pub(super) fn borrowed_branch(common_dir: &Path) -> Option<String> {
    let note = note_in(&common_dir.join(FILE)).ok()??;
    match origin(&note).ok()?? {
        WorkOrigin::Branch(name) => Some(name),
        WorkOrigin::Detached(_) => None,
    }
}

fn note_in(path: &Path) -> Result<Option<PathBuf>> {
    let text = files::read_bytes(path).at("read", path)?;
    Ok(text.filter(|text| !text.is_empty()).map(|text| OsStr::from_bytes(&text).into()))
}
