//! Errors of a store.

use aq_fleet::protocol::{FactoryId, FleetJobId};

use crate::ledger::{FencedCall, LedgerRefusal};

/// Reason why a store gives no answer. Nothing was changed, except after `Unavailable`: then it may
/// have been done, and the caller asks again, which every call allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or broke off; it may be back in a moment.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The disk of the database has no room.
    #[error("the disk is full: make room on it")]
    DiskFull,
    /// A restart would not find what is written now.
    #[error(
        "the database's file is not the one that was opened: {what}; put it back, or start the \
         coordinator again"
    )]
    Gone {
        /// The change.
        what: &'static str,
    },
    /// The schema was made by a newer program.
    #[error(
        "the database has schema {found}, and this aq knows up to {known}: upgrade aq on this \
         machine, or restore the backup from before the upgrade"
    )]
    TooNew {
        /// The schema in the database.
        found: u32,
        /// The newest one that this program knows.
        known: u32,
    },
    /// The database was never migrated by this program, or only up to an older schema.
    #[error("the database has schema {found}, and this aq needs {known}: it is not migrated yet")]
    TooOld {
        /// The schema in the database.
        found: u32,
        /// The one that is needed.
        known: u32,
    },
    /// A backup was restored, and hosts have not had the time to say what they ended since.
    #[error("a backup was restored: until hosts have said what they ended since, nothing ships")]
    Settles,
    /// There is no such job.
    #[error("there is no job {0}")]
    NoSuchJob(FleetJobId),
    /// The factory has never registered.
    #[error("there is no factory {0}")]
    NoSuchFactory(FactoryId),
    /// The ledger refuses it.
    #[error(transparent)]
    Refused(#[from] LedgerRefusal),
    /// Something in the database is not what this program writes, or a query is wrong.
    #[error("the database cannot be used: {0}")]
    Broken(String),
}

impl From<FencedCall> for StoreError {
    fn from(fenced: FencedCall) -> Self {
        Self::Refused(fenced.into())
    }
}
