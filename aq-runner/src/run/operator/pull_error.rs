//! Errors of shipping by a pull request.

use aq_manifest::JobId;
use aq_tracker::{RetryAdvice, TrackerError};

use crate::checkpoint::CheckpointError;
use crate::run::tokens::TokenFileError;
use crate::run::workplace::WorkplaceError;
use crate::store::StoreError;

/// Reason why a job is not shipped by a pull request. It stays where it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// It is not where it can be shipped from, or the queue's files cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its branch.
    #[error(transparent)]
    Workplace(#[from] WorkplaceError),
    /// GitHub.
    #[error(transparent)]
    Forge(#[from] TrackerError),
    /// A file that should hold a token.
    #[error(transparent)]
    Token(#[from] TokenFileError),
    /// The coordinator decides when a job of the fleet ships.
    #[error("{0} is a fleet job: those are not shipped by pull requests")]
    Fleet(JobId),
    /// Its branch has no commit of its own.
    #[error("{0} has changed nothing that a pull request could have")]
    NothingNew(JobId),
    /// The remote is no repository on GitHub.
    #[error(
        "{remote} is no repository at {host}, but {addresses}: `pr.remote` of the config names \
         the remote, and AQ_GITHUB_API another server"
    )]
    NoRepository {
        /// The remote.
        remote: String,
        /// The host of the API.
        host: String,
        /// The remote's addresses, without passwords.
        addresses: String,
    },
    /// Somebody else has moved the branch at the remote.
    #[error(
        "{branch} at {remote} has commits of somebody else, which stay: merge them into the job's \
         branch, or remove them there, and ship {id} again"
    )]
    Overtaken {
        /// The job.
        id: JobId,
        /// Its branch.
        branch: String,
        /// The remote.
        remote: String,
    },
}

impl From<CheckpointError> for PullError {
    fn from(error: CheckpointError) -> Self {
        Self::Workplace(error.into())
    }
}

impl PullError {
    /// When to try again. What only a person can mend may be mended at any time.
    pub(crate) fn retry(&self) -> RetryAdvice {
        match self {
            Self::Forge(error) => error.retry(),
            _ => RetryAdvice::ItemLater,
        }
    }

    /// Tests for a job that somebody else holds or has moved: there will be another look.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Store(
                StoreError::Busy(_)
                    | StoreError::Moved(_)
                    | StoreError::NoSuchJob(_)
                    | StoreError::WrongStage { .. }
            )
        )
    }
}
