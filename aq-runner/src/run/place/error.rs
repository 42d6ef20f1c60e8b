//! Errors of finding, making and using a queue.

use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint::CheckpointError;
use crate::store::StoreError;

/// A failure to find or make a queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// `AQ_HOME` depends on the current directory.
    #[error("AQ_HOME is {0:?}; expected an absolute path")]
    RelativeHome(PathBuf),
    /// Neither `AQ_HOME` nor `HOME` is set.
    #[error("no queue can be made: neither AQ_HOME nor HOME is an absolute path")]
    NoHome,
    /// Git cannot or will not read the repository.
    #[error("cannot use the repository of {}: {source}", dir.display())]
    Repository {
        /// The directory in it.
        dir: PathBuf,
        /// Git's words.
        source: CheckpointError,
    },
    /// The config of a repository has an id that aq never writes.
    #[error(
        "{}: aq.id is {value:?}, which is no id of aq; \
         `git config --file {} --unset-all aq.id` removes it",
        config.display(), config.display()
    )]
    BadId {
        /// The config.
        config: PathBuf,
        /// The value.
        value: String,
    },
    /// The queue would be in a checkout.
    #[error(
        "AQ_HOME ({}) is in the work tree of {}, where git and other tools would walk through \
         the queue; set AQ_HOME={}",
        aq_home.display(), top.display(), instead.display()
    )]
    InWorkTree {
        /// The home that was asked for.
        aq_home: PathBuf,
        /// The top of that work tree.
        top: PathBuf,
        /// A place that would do.
        instead: PathBuf,
    },
    /// The repository is a copy of one that has the queue.
    #[error(
        "there is no queue for {}: it is a copy of {}, which keeps its queue",
        top.display(), original.display()
    )]
    CopiedRepository {
        /// The copy.
        top: PathBuf,
        /// The repository with the queue.
        original: PathBuf,
    },
    /// The marker of a queue, which may be the repository's, does not say whose it is.
    #[error(
        "{} may be the queue of this repository, and its marker {} is damaged: write the lines \
         `id={id}` and `path={}` into it, or take the queue's directory out of AQ_HOME",
        queue.display(), queue.join(".state/repository").display(), common_dir.display()
    )]
    DamagedMarker {
        /// The queue.
        queue: PathBuf,
        /// `aq.id` of the repository.
        id: String,
        /// Its common git directory.
        common_dir: PathBuf,
    },
    /// The queue was copied together with its project; its jobs are those of the other project.
    #[error(
        "{} is a copy of {}, and its jobs are those of that project; remove the copy",
        queue.display(), original.display()
    )]
    CopiedQueue {
        /// The copy.
        queue: PathBuf,
        /// The other queue.
        original: PathBuf,
    },
    /// Records hold paths as text.
    #[error("{0:?} is not UTF-8, so it cannot be recorded; rename it")]
    NotText(PathBuf),
    /// The files of a queue, or of the user's state.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An I/O error with the file that it is about.
pub(super) fn at(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { action, path: path.to_owned(), source }
}

/// True when nothing has this name.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
