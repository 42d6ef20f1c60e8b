//! A holder lets go of a job.

use aq_fleet::protocol::{ReleaseOutcome, ReleaseRequest};
use aq_manifest::{Outcome, Stage};

use super::{FencedCall, FleetJob, GrantRecord, LeaseEnd, LeaseStatus};

/// Ends a grant as its holder says. The same row comes back when it was ended so before, also when
/// the job has been granted again since: `past` is the record of the grant that the release names,
/// when there was one.
///
/// A job that a person wished to stop does not wait again: it has stopped.
///
/// # Errors
/// When the grant is not the caller's, or ended in another way.
pub fn release(
    job: &FleetJob,
    past: Option<&GrantRecord>,
    release: &ReleaseRequest,
) -> Result<FleetJob, FencedCall> {
    let same = LeaseEnd::Released(release.outcome);
    let repeated = past.is_some_and(|past| {
        past.epoch == release.epoch && past.factory == release.factory_id && past.end == Some(same)
    });
    let ended = job.is_tenant(&release.factory_id, release.epoch)
        && job.tenure.as_ref().is_some_and(|tenure| tenure.hold == LeaseStatus::Ended(same));
    if repeated || ended {
        return Ok(job.clone());
    }
    job.fence(&release.factory_id, release.epoch)?;
    let mut next = job.clone();
    next.end(same);
    match release.outcome {
        ReleaseOutcome::Shipped => next.finish(Stage::Shipped, Outcome::Shipped),
        ReleaseOutcome::Failed => {
            next.finish(Stage::Failed, release.result.unwrap_or(Outcome::Crash));
        }
        ReleaseOutcome::Requeue | ReleaseOutcome::Abandoned if job.cancel => {
            next.finish(Stage::Failed, Outcome::Stopped);
        }
        ReleaseOutcome::Requeue | ReleaseOutcome::Abandoned => next.wait(),
    }
    Ok(next.next_after(job))
}
