//! Those who follow an attempt.

use aq_manifest::Stage;

use super::failure::AttemptFailure;
use super::record::AttemptRecord;
use crate::checkpoint::{CheckpointJob, CommitId, JobBranch};

/// A follower of an attempt. It hears of each thing when that has happened, or just before, and the
/// attempt waits for it.
pub(super) trait AttemptListener {
    /// The job's checkout is about to be made.
    fn checkout_comes(&mut self, record: &mut AttemptRecord, job: &CheckpointJob);

    /// The job's branch may have new commits.
    fn work_saved(&mut self, record: &mut AttemptRecord, wip: &JobBranch);

    /// The job is ready for this stage: for the agent in `building/`, for its judgement in
    /// `review/`.
    ///
    /// # Errors
    /// When the attempt must not go on.
    fn stage_reached(
        &mut self,
        record: &mut AttemptRecord,
        stage: Stage,
    ) -> Result<(), AttemptFailure>;

    /// The job's work is about to go into its target, as this commit; outside git as none.
    ///
    /// # Errors
    /// When it must not, or nobody can be asked.
    fn ship_comes(
        &mut self,
        record: &mut AttemptRecord,
        merge: Option<(&JobBranch, &CommitId)>,
    ) -> Result<(), AttemptFailure>;
}
