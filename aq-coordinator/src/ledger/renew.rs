//! Leases: renewing them, and their end.

use std::time::Duration;

use aq_fleet::protocol::ReleaseOutcome;
use aq_manifest::{Outcome, Stage};

use super::{DbTime, FencedCall, FleetJob, LeaseEnd, LeaseHolder, LeaseStatus};

/// Result of a renewal by the job's host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenewalResult {
    /// The lease runs again.
    Held(FleetJob),
    /// The lease had run out and another job has the lock now, so this one waits again; the caller
    /// is fenced. To be written as well.
    Lost(FleetJob),
}

/// Renews a lease, also a lapsed one when nobody has been granted the job since
/// (docs/fleet-protocol.md: "a renewal that comes late but first is accepted"). `lock_free` says
/// whether no *other* job holds the lock that this one names; it matters only for a lapsed one.
///
/// A job that the caller itself has ended well is reported as held: its ship may be on the way back
/// to a holder that would otherwise put shipped work aside.
///
/// # Errors
/// When the job is not the caller's.
pub fn renew(
    job: &FleetJob,
    caller: &LeaseHolder,
    now: DbTime,
    lease: Duration,
    lock_free: bool,
) -> Result<RenewalResult, FencedCall> {
    let fenced = || FencedCall::by(job);
    if !job.is_tenant(&caller.factory, caller.epoch) {
        return Err(fenced());
    }
    let mut next = job.clone();
    let tenure = next.tenure.as_mut().ok_or_else(fenced)?;
    match tenure.hold {
        LeaseStatus::Held => tenure.until = now.plus(lease),
        LeaseStatus::Lapsed if job.needed_lock().is_some() && !lock_free => {
            next.end(LeaseEnd::Lost);
            next.wait();
            return Ok(RenewalResult::Lost(next.next_after(job)));
        }
        LeaseStatus::Lapsed => {
            tenure.hold = LeaseStatus::Held;
            tenure.until = now.plus(lease);
            next.held_lock = job.needed_lock().map(str::to_owned);
        }
        LeaseStatus::Ended(LeaseEnd::Released(ReleaseOutcome::Shipped)) => {}
        LeaseStatus::Ended(_) => return Err(fenced()),
    }
    Ok(RenewalResult::Held(next.next_after(job)))
}

/// Ends a lease whose time is over: the job may be granted again, and its lock is given back.
/// `None` when there is nothing to end. What a person wished to stop, and whose holder is gone, is
/// stopped.
///
/// The caller asks only when no grace runs ([`ServiceState::grace_until`](super::ServiceState)).
pub fn lapse(job: &FleetJob, now: DbTime) -> Option<FleetJob> {
    let tenure = job.tenure.as_ref()?;
    if tenure.hold != LeaseStatus::Held || now <= tenure.until {
        return None;
    }
    let mut next = job.clone();
    if job.cancel {
        next.end(LeaseEnd::Lost);
        next.finish(Stage::Failed, Outcome::Stopped);
    } else {
        next.tenure.as_mut()?.hold = LeaseStatus::Lapsed;
        next.held_lock = None;
    }
    Some(next.next_after(job))
}

/// Checks that events about a job are its holder's, or those of the one that has just ended it:
/// the last ones may come after the release.
///
/// # Errors
/// When the job is not the caller's.
pub fn may_post(job: &FleetJob, caller: &LeaseHolder) -> Result<(), FencedCall> {
    if job.is_tenant(&caller.factory, caller.epoch) { Ok(()) } else { Err(FencedCall::by(job)) }
}
