//! Errors of an outbox.

use std::io;
use std::path::{Path, PathBuf};

use super::{MAX_JOB_BYTES, MAX_MESSAGE_BYTES};

/// A failure of the outbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The action, as an infinitive.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The reason why it failed.
        source: io::Error,
    },
    /// The message is too large to be kept.
    #[error("a message of {0} bytes is too large for the outbox, which takes {MAX_MESSAGE_BYTES}")]
    TooLarge(usize),
    /// Too much waits for the job already.
    #[error(
        "more than {MAX_JOB_BYTES} bytes would wait in {}; they go out when the coordinator \
         answers again", .0.display()
    )]
    Full(PathBuf),
    /// The message cannot be written as JSON.
    #[error("a message cannot be written: {0}")]
    Unwritable(serde_json::Error),
}

/// Adds the action and the path to an I/O error.
pub(super) trait OutboxIo<T> {
    /// `action` is an infinitive: "read", "rename".
    fn at(self, action: &'static str, path: &Path) -> Result<T, OutboxError>;
}

impl<T> OutboxIo<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, OutboxError> {
        self.map_err(|source| OutboxError::Io { action, path: path.to_owned(), source })
    }
}
