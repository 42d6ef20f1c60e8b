//! Reading what an agent may have put in the place of a file of git's: nothing is waited for, and nothing
//! is read without end.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The most that is read of a small file, in bytes: a path, a commit or the name of a branch is in it.
const MAX_LEN: u64 = 64 << 10;

/// Opens a regular file. Without the flag a pipe would be waited for.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

/// Whether there is no such file, nor such a directory: where branches are kept in tables, `refs/heads` is a
/// file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// What a small file says, without the newline at its end; `None` when there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
    let file = match open(path) {
        Err(e) if is_absent(&e) => return Ok(None),
        file => file?,
    };
    let mut text = String::new();
    file.take(MAX_LEN).read_to_string(&mut text)?;
    text.truncate(text.trim_end_matches('\n').len());
    Ok(Some(text))
}
