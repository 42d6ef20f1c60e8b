//! The order in which jobs go.

use std::cmp::Reverse;

use aq_manifest::{JobId, Priority};
use jiff::Timestamp;

use crate::arena::JobIx;

/// A job's place in the order: the more urgent, then the older, then the smaller id. The least
/// rank goes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobRank {
    urgency: Reverse<Priority>,
    /// Nanoseconds since 1970. Times before 1678 and after 2261 count as those years.
    added: i64,
    id: JobId,
    pub(crate) job: JobIx,
}

impl JobRank {
    pub(crate) fn new(priority: Priority, added_at: Timestamp, id: JobId, job: JobIx) -> Self {
        let (urgency, added) = urgency_and_age(priority, added_at);
        Self { urgency, added, id, job }
    }
}

/// The part of a rank before the id, which distinguishes most jobs.
pub(crate) fn urgency_and_age(priority: Priority, added_at: Timestamp) -> (Reverse<Priority>, i64) {
    let nanos = added_at.as_nanosecond().clamp(i64::MIN.into(), i64::MAX.into());
    (Reverse(priority), nanos as i64)
}
