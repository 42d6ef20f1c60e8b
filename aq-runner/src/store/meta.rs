//! Files of `key=value` lines that are only appended to: the record of a job, and smaller ones.

mod locked;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aq_ledger::{KeyName, KeyValues};

use super::error::{Result, StoreIo};

pub(crate) use locked::LockFailure;
pub use locked::{MetaFile, append_note};

/// The most that is read of a meta file, in bytes. A job writes some hundred bytes an attempt.
const MAX_LEN: u64 = 4 << 20;

/// Reads a file of `key=value` lines; a missing one is empty.
///
/// # Errors
/// When the file is there but cannot be read.
pub fn read_values<K: KeyName>(path: &Path) -> Result<KeyValues<K>> {
    match open_to_read(path) {
        Ok(mut file) => values_of(&mut file).at("read", path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(KeyValues::default()),
        Err(e) => Err(e).at("open", path),
    }
}

fn values_of<K: KeyName>(file: &mut File) -> io::Result<KeyValues<K>> {
    let (start, bytes) = read_end(file)?;
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    Ok(if start == 0 { KeyValues::of_text(text) } else { KeyValues::of_last_part(text) })
}

/// Opens a record to read it; a pipe in its place is not waited for.
pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)
}

/// Reads what an open record holds from its start on, and where that is: 0, unless the record is so
/// long that only its end is read. There the values are that count.
pub(super) fn read_end(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(1024);
    file.take(MAX_LEN).read_to_end(&mut bytes).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => io::Error::other("it is no regular file"),
        _ => e,
    })?;
    if (bytes.len() as u64) < MAX_LEN {
        return Ok((0, bytes));
    }
    let start = file.metadata()?.len().saturating_sub(MAX_LEN);
    file.seek(SeekFrom::Start(start))?;
    bytes.clear();
    file.take(MAX_LEN).read_to_end(&mut bytes)?;
    Ok((start, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_are_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.meta");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read_values::<aq_ledger::RecordKey>(&path).unwrap().is_empty());
        let Err(LockFailure::Io(e)) = MetaFile::try_lock(&path) else { panic!("it is no record") };
        assert_eq!(e.to_string(), "it is no regular file");
    }
}
