//! Refusals of the queue.

use aq_manifest::JobId;

use crate::HostId;
use crate::graph::DependencyCycle;

/// Reason why the queue does not take a change. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// A job of this id is there; remove it first.
    #[error("job {0} is in the queue already; remove it first")]
    DuplicateJob(JobId),
    /// The job would wait for itself.
    #[error("the deps form a cycle: {0}; take one of these deps out")]
    Cycle(DependencyCycle),
    /// No live job has this id.
    #[error("no live job {0} is in the queue; insert it first")]
    UnknownJob(JobId),
    /// The host was never added, or is removed.
    #[error("host {0} is not in the queue; add it first")]
    UnknownHost(HostId),
}
