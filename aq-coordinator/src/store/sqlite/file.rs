//! The file under the connection: whether it is still the one at its path, and whether its disk has
//! room. SQLite itself goes on writing into a file that nobody can find any more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::ledger::DbTime;
use crate::store::StoreError;

/// Room that a call may need, but for the largest manifests.
const ROOM: usize = 64 << 10;

/// The length of a noted tick: a UUID, a number, and what is between and behind them.
const NOTE: usize = 36 + 1 + 20 + 1;

/// A database's file, by its path and by what was opened there.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    /// The file beside it that says how far it has come: it stays when a backup takes its place.
    beside: File,
}

impl DatabaseFile {
    /// Opens the file, or makes it, readable only by its owner: it holds prompts.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let beside = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(beside(path, "-last"))?;
        Ok(Self { path: path.to_owned(), identity: identity(&file.metadata()?), beside })
    }

    /// The latest tick that was noted, and whose.
    pub(crate) fn noted(&self) -> Option<(Uuid, DbTime)> {
        let mut line = [0; NOTE];
        self.beside.read_exact_at(&mut line, 0).ok()?;
        let (run, seen) = str::from_utf8(&line).ok()?.trim_end().split_once(' ')?;
        Some((run.parse().ok()?, DbTime(seen.trim().parse().ok()?)))
    }

    /// Notes a tick that is in the database. Not synced: less than what is there is noted then.
    pub(crate) fn note(&self, run: Uuid, seen: DbTime) {
        let line = format!("{run} {:>20}\n", seen.0);
        // Without it, the next start takes the file for a copy: a person looks.
        let _ = self.beside.write_all_at(line.as_bytes(), 0);
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that a coordinator that starts now would find what is written here.
    pub(crate) fn is_there(&self) -> Result<(), StoreError> {
        match fs::metadata(&self.path) {
            Ok(found) if identity(&found) == self.identity => Ok(()),
            Ok(_) => Err(StoreError::Gone { what: "another file is at its path" }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(StoreError::Gone { what: "it was removed" })
            }
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }

    /// Checks that its disk has room for more.
    pub(crate) fn has_room(&self) -> Result<(), StoreError> {
        let name = beside(&self.path, "-room");
        let tried = File::create(&name).and_then(|mut file| file.write_all(&[0; ROOM]));
        // The next one takes its place.
        let _ = fs::remove_file(&name);
        match tried {
            Err(error) if is_full(&error) => Err(StoreError::DiskFull),
            _ => Ok(()),
        }
    }

    /// An error with its cause, where that is the disk: SQLite calls a full one an I/O error.
    pub(crate) fn explain(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Unavailable(_) => self.has_room().err().unwrap_or(error),
            error => error,
        }
    }
}

/// Tests for an error about room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// A name beside a path.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(end);
    name.into()
}

fn identity(found: &fs::Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
