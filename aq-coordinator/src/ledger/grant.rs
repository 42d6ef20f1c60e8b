//! Giving a job to a factory.

use std::time::Duration;

use aq_fleet::protocol::Epoch;
use aq_manifest::{Outcome, Stage};

use super::{
    ActiveLease, ClaimingHost, DbTime, FleetJob, JobNamespace, LeaseEnd, LeaseStatus, MAX_LOST,
};

/// Result of an attempt to grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantResult {
    /// The job is the claimant's.
    Granted(FleetJob),
    /// Its lease ran out too often in a row: it failed instead. To be written as well.
    GivenUp(FleetJob),
}

/// Reason why a job is not granted; it stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotGranted {
    /// It is a mirror, which is never granted; or a shadow asks.
    Shadow,
    /// Somebody holds it.
    Held,
    /// It is over.
    Over,
    /// It may be over: see [`FleetJob::doubted`].
    Doubted,
    /// Another job holds its lock.
    LockTaken,
}

/// Grants a job that waits, or whose lease ran out.
///
/// The epoch is above the last one and not below `floor`, so none is used twice, also not after a
/// restore from a backup. `lock_free` says whether no other job holds the lock that this one names;
/// it does not matter where it names none. The end of a lapsed lease is counted here, for until now
/// its holder could have come back.
///
/// # Errors
/// Says why the job is not to be had.
pub fn grant(
    job: &FleetJob,
    to: &ClaimingHost,
    now: DbTime,
    lease: Duration,
    floor: Epoch,
    lock_free: bool,
) -> Result<GrantResult, NotGranted> {
    if job.world != JobNamespace::Fleet || to.factory.is_shadow() {
        return Err(NotGranted::Shadow);
    }
    if job.doubted {
        return Err(NotGranted::Doubted);
    }
    if !job.is_waiting() {
        return Err(if job.stage.is_final() { NotGranted::Over } else { NotGranted::Held });
    }
    let mut next = job.clone();
    if job.is_lapsed() {
        next.end(LeaseEnd::Lost);
        if next.lost >= MAX_LOST {
            next.finish(Stage::Failed, Outcome::Crash);
            return Ok(GrantResult::GivenUp(next.next_after(job)));
        }
    }
    if job.terms.lock.is_some() && !lock_free {
        return Err(NotGranted::LockTaken);
    }
    next.epoch = Epoch(job.epoch.0 + 1).max(floor);
    next.tenure = Some(ActiveLease {
        factory: to.factory.clone(),
        instance: to.instance.clone(),
        request: to.request.clone(),
        started: now,
        until: now.plus(lease),
        last_seq: 0,
        hold: LeaseStatus::Held,
    });
    next.stage = Stage::Building;
    next.result = None;
    next.held_lock.clone_from(&job.terms.lock);
    Ok(GrantResult::Granted(next.next_after(job)))
}
