//! Shadow (docs/fleet.md): what the host picked beside what the coordinator would have picked.
//!
//! After a local decision, [`InboxSnapshot`] holds what the host chose from, [`compare`] says
//! whether the coordinator agrees and, if not, why; the [`ComparisonLine`] of it goes to
//! `fleet-shadow.log`, which [`read_log`] reads back. What to make of many lines is in
//! [`agreement`](crate::agreement).
//!
//! Nothing here does I/O, and nothing here can change a job.

mod compare;
mod line;
mod log;
mod reason;
mod snapshot;

pub use crate::protocol::ShadowVerdict;
pub use compare::{DryClaimAnswer, ShadowComparison, compare};
pub use line::{ComparisonLine, LineError, MAX_LINE_BYTES};
pub use log::{ComparisonLog, read_log};
pub use reason::{ShadowReason, UnknownReason};
pub use snapshot::{InboxSnapshot, ShadowCandidate, SnapshotId, SnapshotIdError};
