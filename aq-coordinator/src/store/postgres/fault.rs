//! Faults inside a transaction, and the decision to try again.

use tokio_postgres::error::SqlState;

use crate::ledger::{FencedCall, LedgerRefusal};
use crate::store::StoreError;

/// The error of tokio-postgres about a server without TLS, where `sslmode` asks for it.
const NO_TLS: &str = "server does not support TLS";

const MEND_OF_NO_TLS: &str =
    "; set `ssl = on` there, or say sslmode=disable where something else encrypts";

/// Reason why a transaction was not committed.
#[derive(Debug)]
pub(crate) enum TransactionFault {
    /// The answer is an error; the database is well.
    Store(StoreError),
    /// The database broke off before the commit: nothing was done.
    Sql(tokio_postgres::Error),
    /// It broke off at the commit, which may have been done.
    Commit(tokio_postgres::Error),
}

impl TransactionFault {
    /// Tests for a fault after which nothing was done, and the same may go well: another
    /// transaction was in the way, or the connection has ended.
    pub(crate) fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Store(_) => false,
            Self::Sql(error) => in_the_way(error) || is_passing(error),
            Self::Commit(error) => in_the_way(error),
        }
    }

    /// Of a write that was sent together with the commit.
    pub(crate) fn at_the_end(error: tokio_postgres::Error) -> Self {
        if is_passing(&error) { Self::Commit(error) } else { Self::Sql(error) }
    }

    pub(crate) fn into_error(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sql(error) if is_passing(&error) || in_the_way(&error) => {
                StoreError::Unavailable(told(&error))
            }
            Self::Sql(error) => StoreError::Broken(told(&error)),
            Self::Commit(error) => StoreError::Unavailable(format!(
                "{}; the last call may have been done",
                told(&error)
            )),
        }
    }
}

/// Another transaction was in the way, and PostgreSQL has undone this one.
fn in_the_way(error: &tokio_postgres::Error) -> bool {
    let codes = [
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::T_R_DEADLOCK_DETECTED,
        &SqlState::UNIQUE_VIOLATION,
    ];
    error.code().is_some_and(|code| codes.contains(&code))
}

/// The server is away, going away, or out of something.
pub(crate) fn is_passing(error: &tokio_postgres::Error) -> bool {
    // Without a code it is not the server that speaks, but the connection to it.
    error.code().is_none_or(|code| {
        let class = &code.code()[..2];
        matches!(class, "08" | "53" | "57" | "58")
            || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
    })
}

/// The message with its cause, which `Display` leaves out. It has no parameters and no password.
pub(crate) fn told(error: &tokio_postgres::Error) -> String {
    use std::error::Error;

    match (error.as_db_error(), error.source()) {
        (Some(told), _) => format!("{} ({})", told.message(), told.code().code()),
        (None, Some(cause)) => {
            let cause = cause.to_string();
            // The library has no type for it.
            let mend = if cause == NO_TLS { MEND_OF_NO_TLS } else { "" };
            format!("{error}: {cause}{mend}")
        }
        (None, None) => error.to_string(),
    }
}

impl From<tokio_postgres::Error> for TransactionFault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for TransactionFault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<LedgerRefusal> for TransactionFault {
    fn from(refusal: LedgerRefusal) -> Self {
        Self::Store(refusal.into())
    }
}

impl From<FencedCall> for TransactionFault {
    fn from(fenced: FencedCall) -> Self {
        Self::Store(fenced.into())
    }
}
