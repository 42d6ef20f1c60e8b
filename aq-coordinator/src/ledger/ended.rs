//! Ends that hosts report, of which a database that was restored from a backup does not know.

use aq_fleet::protocol::{EndedFleetJob, FactoryId, FleetJobId, ReleaseOutcome};
use aq_manifest::{DepsMode, JobId, Outcome, Priority, Stage};

use super::{BodyHash, DbTime, FleetJob, JobNamespace, LeaseEnd, LeaseStatus, SchedulingTerms};

impl BodyHash {
    /// That of a job whose manifest is not known any more.
    pub const FORGOTTEN: Self = Self([0; 32]);
}

/// The job as its host says that it ended; `None` where that is no news, or was overtaken: the job
/// has been granted again since.
///
/// An epoch above the job's own was drawn in the time that was lost. No other is drawn between it
/// and those that are drawn from now on.
pub fn ended(job: &FleetJob, by: &FactoryId, said: &EndedFleetJob) -> Option<FleetJob> {
    if job.world != JobNamespace::Fleet || job.stage == Stage::Shipped {
        return None;
    }
    let mut next = job.clone();
    if said.epoch > job.epoch {
        next.epoch = said.epoch;
        next.tenure = None;
        next.held_lock = None;
    } else {
        let tenure = job.tenure.as_ref().filter(|tenure| tenure.factory == *by)?;
        if said.epoch != job.epoch || matches!(tenure.hold, LeaseStatus::Ended(_)) {
            return None;
        }
        next.end(LeaseEnd::Released(said.outcome));
    }
    finish(&mut next, said.outcome)?;
    Some(next.next_after(job))
}

/// A job of the same key, which somebody submitted again before it was known how the first one
/// ended; `None` when it is on its way already.
pub fn ended_before(job: &FleetJob, said: &EndedFleetJob) -> Option<FleetJob> {
    if job.world != JobNamespace::Fleet || job.held_by().is_some() || job.stage.is_final() {
        return None;
    }
    let mut next = job.clone();
    finish(&mut next, said.outcome)?;
    Some(next.next_after(job))
}

/// The row of a job that is not known any more, so that its key is; `None` when it has not ended.
pub fn remembered(id: FleetJobId, said: &EndedFleetJob, seq: u64, now: DbTime) -> Option<FleetJob> {
    let mut job = FleetJob {
        id,
        seq,
        world: JobNamespace::Fleet,
        key: said.key.clone(),
        terms: SchedulingTerms {
            name: JobId::new(&id.to_string()).ok()?,
            body: BodyHash::FORGOTTEN,
            priority: Priority::Medium,
            lock: None,
            deps: Vec::new(),
            deps_mode: DepsMode::Hard,
            needs: Vec::new(),
        },
        submitted_at: now,
        stage: Stage::Inbox,
        result: None,
        epoch: said.epoch,
        tenure: None,
        held_lock: None,
        cancel: false,
        doubted: false,
        attempts: 1,
        lost: 0,
        checkpoint: None,
        version: 1,
    };
    finish(&mut job, said.outcome)?;
    Some(job)
}

fn finish(job: &mut FleetJob, outcome: ReleaseOutcome) -> Option<()> {
    match outcome {
        ReleaseOutcome::Shipped => job.finish(Stage::Shipped, Outcome::Shipped),
        ReleaseOutcome::Failed => job.finish(Stage::Failed, Outcome::Crash),
        ReleaseOutcome::Requeue | ReleaseOutcome::Abandoned => return None,
    }
    Some(())
}
