//! Which directory a path leads to.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Device and inode of a directory: what it has that another of its name has not.
pub(crate) type FolderIdentity = (u64, u64);

/// The identity of what a path leads to; `None` when nothing is there.
///
/// # Errors
/// When that is unknown, as on a network file system that does not answer.
pub(crate) fn folder_identity(path: &Path) -> io::Result<Option<FolderIdentity>> {
    match path.metadata() {
        Ok(found) => Ok(Some((found.dev(), found.ino()))),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}
