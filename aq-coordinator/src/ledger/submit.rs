//! New jobs, and keys that are known already.

use aq_fleet::protocol::{Epoch, FleetJobId};
use aq_manifest::Stage;

use super::{BodyHash, DbTime, FleetJob, JobNamespace, SchedulingTerms};

/// A job for the fleet, or a mirror of a host's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSubmission {
    /// The id to give it, if it is new.
    pub id: FleetJobId,
    /// The world that can see it.
    pub world: JobNamespace,
    /// The manifest's idempotency key.
    pub key: Option<String>,
    /// The terms of the manifest.
    pub terms: SchedulingTerms,
    /// The tracker's item that the manifest names.
    pub item: Option<String>,
    /// The manifest, byte for byte.
    pub manifest: String,
}

/// The consequence of a submission for the job that has its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResubmitResult {
    /// The same body: nothing happens.
    Same,
    /// Nobody has begun with it: this body takes its place. To be written, with the manifest.
    Superseded(Box<FleetJob>),
    /// It has left the queue with another body: the submission is refused.
    Clash,
}

impl JobSubmission {
    /// The key that the job will have.
    pub fn key(&self) -> String {
        self.key.clone().unwrap_or_else(|| self.id.to_string())
    }

    /// The row of a new job.
    pub fn into_job(self, seq: u64, now: DbTime) -> FleetJob {
        FleetJob {
            id: self.id,
            seq,
            key: self.key(),
            world: self.world,
            terms: self.terms,
            submitted_at: now,
            stage: Stage::Inbox,
            result: None,
            epoch: Epoch::DRY,
            tenure: None,
            held_lock: None,
            cancel: false,
            doubted: false,
            attempts: 0,
            lost: 0,
            checkpoint: None,
            version: 1,
        }
    }
}

/// Compares a submission with the job that has its key. A superseded job keeps its id and its
/// place. A mirror follows its original: it waits again whatever it did before.
pub fn resubmit(job: &FleetJob, submission: &JobSubmission) -> ResubmitResult {
    let same = [submission.terms.body, BodyHash::FORGOTTEN].contains(&job.terms.body);
    let is_mirror = job.world != JobNamespace::Fleet;
    let waits = job.stage == Stage::Inbox;
    match (same, is_mirror, waits) {
        (true, false, _) | (true, true, true) => ResubmitResult::Same,
        (false, false, false) => ResubmitResult::Clash,
        (false, false, true) | (_, true, _) => {
            let mut next = job.clone();
            next.terms = submission.terms.clone();
            next.wait();
            next.checkpoint = None;
            next.lost = 0;
            ResubmitResult::Superseded(Box::new(next.next_after(job)))
        }
    }
}
