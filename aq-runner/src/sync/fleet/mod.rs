//! This host in a fleet: its membership, which two threads keep up, what a job's holder reports to
//! the coordinator about it, the line between a job's worker and the loop, and the shadow, which
//! compares decisions.

mod ended;
mod holder;
mod line;
mod member;
mod shadow;
#[cfg(test)]
mod tests;

pub use ended::EndedLog;
pub use holder::{FleetHolder, HolderAnswer};
pub use line::{JobReporter, serve_line};
pub use member::{FleetMembership, HostStatus, MemberNews, MembershipSettings};
pub use shadow::{
    MirroredJob, ShadowDecision, ShadowQuestion, ShadowSettings, ShadowThread, read_shadow_log,
    shadow_log,
};
