//! The rules of jobs, grants and leases as pure functions (docs/fleet-protocol.md).
//!
//! A store reads a row, asks a function here, and writes what it answers, all in one transaction.
//! Time is always an argument and always the database's.
//!
//! ```text
//!            grant                 sweep                     grant (epoch + 1, one lost)
//!   inbox ---------> held -----------------------> lapsed --------------------------> held ...
//!     ^               | ^                             |
//!     |  requeue,     | '--- renewal, the lock is ----'
//!     '- abandoned ---|      still free
//!                     '----> shipped, failed (also from lapsed: it is the holder's until granted)
//! ```

mod claiming_host;
mod coordinators;
mod ended;
mod grant;
mod history;
mod job;
mod operator;
mod refusal;
mod release;
mod renew;
mod report;
mod restore;
mod service;
mod submit;
mod time;

#[cfg(test)]
mod model;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use claiming_host::{ClaimingHost, LeaseHolder};
pub use coordinators::CoordinatorRun;
pub use ended::{ended, ended_before, remembered};
pub use grant::{GrantResult, NotGranted, grant};
pub use history::{GrantRecord, JobNotice, history, notice};
pub use job::{
    ActiveLease, BodyHash, FleetJob, JobNamespace, LeaseEnd, LeaseStatus, MAX_LOST, SchedulingTerms,
};
pub use operator::{cancel, requeue};
pub use refusal::{FencedCall, LedgerRefusal};
pub use release::release;
pub use renew::{RenewalResult, lapse, may_post, renew};
pub use report::{report, report_shadow};
pub use service::{LeaseTiming, ServiceState};
pub use submit::{JobSubmission, ResubmitResult, resubmit};
pub use time::DbTime;
