//! Shadow (docs/fleet.md): what the host picked beside what the coordinator would have picked.
//!
//! After a local decision, [`Snapshot`] holds what the host chose from, [`compare`] says whether
//! the coordinator agrees and, if not, why; the [`Line`] of it goes to `fleet-shadow.log`, which
//! [`read_log`] reads back. What to make of many lines is in [`agreement`](crate::agreement).
//!
//! Nothing here does I/O, and nothing here can change a job.

mod compare;
mod line;
mod log;
mod reason;
mod snapshot;

pub use crate::protocol::Verdict;
pub use compare::{Answered, Comparison, compare};
pub use line::{Line, LineError, MAX_LINE_BYTES};
pub use log::{Log, read_log};
pub use reason::{Reason, UnknownReason};
pub use snapshot::{Candidate, Snapshot, SnapshotId, SnapshotIdError};
