//! Errors of the files of a queue.

use std::io;
use std::path::{Path, PathBuf};

use aq_manifest::{JobId, Stage};

use super::record_fault::RecordFault;
use crate::disk::HostFault;

/// A failure of the store. Messages name the path and, where there is one, the mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// The action, as an infinitive.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The reason why it failed.
        source: io::Error,
    },
    /// There is no queue where one was expected.
    #[error("there is no queue at {}", .0.display())]
    NoQueue(PathBuf),
    /// Something else has the name of a queue.
    #[error("{} is no directory, and a queue is one", .0.display())]
    NotADirectory(PathBuf),
    /// The directory is there, and a folder that every queue has is not.
    #[error("{} is no queue: it has no folder {missing}/", root.display())]
    Incomplete {
        /// The directory.
        root: PathBuf,
        /// The folder.
        missing: &'static str,
    },
    /// A directory whose name records, which are text, cannot hold.
    #[error("{0:?} is not UTF-8, and records cannot name it; give the directory another name")]
    NotText(PathBuf),
    /// No folder has a job of this name.
    #[error("there is no job {0} in this queue")]
    NoSuchJob(JobId),
    /// The job is not where the command needs it.
    #[error("job {id} is in {at}/, and {verb} needs it in {needs}")]
    WrongStage {
        /// The job.
        id: JobId,
        /// Its folder.
        at: Stage,
        /// The command's word.
        verb: &'static str,
        /// The folders from which the command works.
        needs: String,
    },
    /// Another process works on the job.
    #[error("job {0} is being worked on by another process")]
    Busy(JobId),
    /// The job's record has a value that cannot be used.
    #[error("the record of {id} cannot be used: {fault}")]
    Record {
        /// The job.
        id: JobId,
        /// The fault, with the mend.
        fault: Box<RecordFault>,
    },
    /// Another process took the job away in the meantime.
    #[error("job {0} moved to another folder in the meantime; look again")]
    Moved(JobId),
}

impl StoreError {
    /// The number of the system's error, when it is a fault of the host.
    pub(crate) fn host_error(&self) -> Option<i32> {
        let Self::Io { source, .. } = self else { return None };
        HostFault::of_error(source).and(source.raw_os_error())
    }

    /// Tests for a lack of room, which somebody may make.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

/// The shorthand of this module.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            " (make room on this file system and run the command again)"
        }
        io::ErrorKind::ReadOnlyFilesystem => " (the queue must be on a writable file system)",
        io::ErrorKind::PermissionDenied => " (check the owner and mode of the queue's folders)",
        io::ErrorKind::NotADirectory => " (a file has the name of a directory: name another place)",
        _ if error.raw_os_error() == Some(nix::libc::EMFILE) => {
            " (too many open files: raise `ulimit -n`)"
        }
        _ => "",
    }
}

/// Adds the action and the path to an I/O error.
pub(crate) trait StoreIo<T> {
    /// `action` is an infinitive: "read", "rename".
    fn at(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> StoreIo<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| StoreError::Io { action, path: path.to_owned(), source })
    }
}

impl<T> StoreIo<T> for nix::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(io::Error::from).at(action, path)
    }
}
