//! Reading what an agent may have put in the place of a file of git's: nothing is waited for, and
//! nothing is read without end.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::{HeadState, Result};

/// The most that is read of a small file, in bytes: a path, a commit or the name of a branch is in
/// it.
const MAX_LEN: u64 = 64 << 10;

/// Opens a regular file. Without the flag a pipe would be waited for.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

/// Whether there is no such file, nor such a directory: where branches are kept in tables,
/// `refs/heads` is a file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Tests for something at a path. That nobody can say it now is an error: what was taken for gone
/// would be made anew, and what is in it would go.
pub(super) fn is_there(path: &Path) -> Result<bool> {
    told(path, path.symlink_metadata().map(|_| true))
}

/// Tests for a directory at a path, or a link to one.
pub(super) fn is_directory(path: &Path) -> Result<bool> {
    told(path, path.metadata().map(|about| about.is_dir()))
}

fn told(path: &Path, answer: io::Result<bool>) -> Result<bool> {
    match answer {
        Err(e) if is_absent(&e) => Ok(false),
        answer => answer.at("look at", path),
    }
}

/// What a small file says, without the newline at its end; `None` when there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
    let Some(bytes) = read_bytes(path)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|e| io::Error::new(ErrorKind::InvalidData, e))
}

/// The same of what need not be a text.
pub(super) fn read_bytes(path: &Path) -> io::Result<Option<Vec<u8>>> {
    read_up_to(path, MAX_LEN)
}

/// The same with another bound, in bytes.
pub(super) fn read_up_to(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match open(path) {
        Err(e) if is_absent(&e) => return Ok(None),
        file => file?,
    };
    let mut bytes = read_open(file, most)?;
    while bytes.ends_with(b"\n") {
        bytes.pop();
    }
    Ok(Some(bytes))
}

/// All of an open file, up to a bound in bytes.
pub(super) fn read_open(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file of aq's own; it is whole or as it was.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).at("create a file in", dir)?;
    file.write_all(bytes).at("write", file.path())?;
    file.persist(path).map_err(|e| e.error).at("replace", path)?;
    Ok(())
}

/// Copies a regular file that may be missing; then the copy is missing, too.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    match open(from) {
        Ok(mut file) => {
            let mut copy = File::create(to).at("create", to)?;
            io::copy(&mut file, &mut copy).at("copy to", to).map(drop)
        }
        Err(e) if is_absent(&e) => match std::fs::remove_file(to) {
            Err(e) if !is_absent(&e) => Err(e).at("remove", to),
            _ => Ok(()),
        },
        Err(e) => Err(e).at("read", from),
    }
}
