//! Ends of a call that has no answer of its own kind.

use crate::protocol::{Epoch, FactoryId, PROTOCOL_VERSION, ProblemBody};

/// Reason why a call did not do its work. No message holds the token; text from the coordinator is
/// escaped in `Display`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The job is no longer the caller's, which must stop it at once.
    #[error("the job is no longer this host's: {}", whose(*current_epoch, holder.as_ref()))]
    Fenced {
        /// The job's epoch now, when the coordinator said it.
        current_epoch: Option<Epoch>,
        /// The host that has it now, when one has.
        holder: Option<FactoryId>,
    },
    /// The coordinator understood, and refused. The same call will be refused again.
    #[error("the coordinator refused: {0}")]
    Refused(Box<ProblemBody>),
    /// The coordinator no longer answers this version.
    #[error(
        "this aq is too old for the coordinator (it speaks protocol {PROTOCOL_VERSION}): \
        update aq; {0}"
    )]
    TooOld(Box<ProblemBody>),
    /// There was no answer, or one that says to come back later (5xx, 429), until the deadline.
    #[error("the coordinator cannot be reached ({tries} tries): {what}")]
    Unreachable {
        /// The error of the last try.
        what: String,
        /// Number of tries.
        tries: u32,
    },
    /// There was an answer that makes no sense: `AQ_FLEET_URL` may point at something else.
    #[error("the answer is not one of a coordinator: {what}; look at AQ_FLEET_URL")]
    Garbled {
        /// The error in it.
        what: String,
    },
}

impl CallError {
    /// Tests for an error that the same call may not meet later, with nothing changed in it: the
    /// coordinator was away, or the fault is in the host's address, token or version and not in the
    /// message.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Fenced { .. } => false,
            Self::Refused(problem) => matches!(problem.status, 401 | 403 | 407 | 408 | 425 | 429),
            Self::TooOld(_) | Self::Unreachable { .. } | Self::Garbled { .. } => true,
        }
    }
}

fn whose(epoch: Option<Epoch>, holder: Option<&FactoryId>) -> String {
    match (epoch, holder) {
        (Some(epoch), Some(holder)) => format!("{holder} holds it, at epoch {epoch}"),
        (Some(epoch), None) => format!("it is at epoch {epoch}, and nobody holds it"),
        (None, Some(holder)) => format!("{holder} holds it"),
        (None, None) => "its lease is over".to_owned(),
    }
}
