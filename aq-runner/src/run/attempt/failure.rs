//! Ends of an attempt without success.

use aq_manifest::{FailureClass, Outcome};
use aq_scheduler::HostLack;

use super::super::host_lack::HostError;
use crate::store::StoreError;

/// The end of an attempt, or of the judgement of one, without success.
pub(super) enum AttemptFailure {
    /// Of a class that `retry` can name.
    Class(FailureClass, String),
    /// Conflict markers are left in the files.
    Unresolved(String),
    /// For good, whatever `retry` says.
    Final(Outcome, String),
    /// The supervisor was asked to stop.
    Stopped,
    /// The coordinator has given the job to another host.
    Fenced,
    /// The host lacks something: the job goes back, says what, and the attempt does not count.
    Host(HostLack),
    /// The work of its deps does not go together: it goes back until a branch has moved, and the
    /// attempt does not count.
    DepsConflict {
        /// The job whose work does not go with the rest.
        dep: String,
        /// A file in conflict.
        file: String,
        /// A digest of where the branches were.
        seen: String,
        /// All of it, for people.
        why: String,
    },
    /// The work of a dep is on another host and cannot be had: it goes back for a while, and the
    /// attempt does not count.
    DepElsewhere {
        /// The dep's job.
        dep: String,
        /// The host.
        host: String,
        /// The reason, for people.
        why: String,
    },
    /// Not the job's fault: it goes back and the attempt does not count.
    NotCounted(String),
    /// The agent has run, and what came of it cannot be written down. Recovery counts the attempt:
    /// its number must not be another agent's.
    Unrecorded(StoreError),
    /// Its engine met a limit, or is out of use: it goes back at once, for another engine or for
    /// later, and the attempt does not count.
    NoEngineNow(String),
}

impl AttemptFailure {
    /// The failure that an error is: the host's, or `other` with its text.
    pub(super) fn host_or<E: HostError + ToString>(
        error: &E,
        other: impl FnOnce(String) -> Self,
    ) -> Self {
        error.lack().map_or_else(|| other(error.to_string()), Self::Host)
    }

    /// The failure of something that has to be there before the agent runs.
    pub(super) fn not_counted<E: HostError + ToString>(error: &E) -> Self {
        Self::host_or(error, Self::NotCounted)
    }

    /// The failure of a preparation that the job file asks for.
    pub(super) fn setup(why: String) -> Self {
        Self::Final(Outcome::SetupFailed, why)
    }
}
