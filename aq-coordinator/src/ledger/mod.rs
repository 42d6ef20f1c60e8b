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

mod claimant;
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

pub use claimant::{Caller, Claimant};
pub use coordinators::CoordinatorRun;
pub use ended::{ended, ended_before, remembered};
pub use grant::{Granting, NotGranted, grant};
pub use history::{GrantRecord, Notice, history, notice};
pub use job::{BodyHash, End, Hold, Job, MAX_LOST, Tenure, Terms, World};
pub use operator::{cancel, requeue};
pub use refusal::{Fenced, Refusal};
pub use release::release;
pub use renew::{Renewal, lapse, may_post, renew};
pub use report::{report, report_shadow};
pub use service::{Service, Timing};
pub use submit::{Resubmission, Submission, resubmit};
pub use time::DbTime;
