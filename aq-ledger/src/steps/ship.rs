//! Finished work that is accepted for good.

use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{HOST_LACK_KEYS, JobRow, RecordKey, RecordUpdate, TRAIN_WAIT_KEYS, WORKER_KEYS};

/// Accepts a job's work. Whether the fleet and the branch allow it is asked before.
#[derive(Clone, Copy, Debug)]
pub struct ShipWork<'a> {
    /// The branch that has its work now; `None` when it was accepted without a merge.
    pub merged: Option<MergedWork<'a>>,
}

/// A branch that has a job's work.
#[derive(Clone, Copy, Debug)]
pub struct MergedWork<'a> {
    /// The branch, as people name it.
    pub into: &'a str,
    /// Its commit that first had the work.
    pub commit: &'a str,
    /// The remote at which that is; `None` where it is a branch of the job's own repository.
    pub remote: Option<&'a str>,
}

impl JobStep for ShipWork<'_> {
    const NAME: StepName = StepName::Ship;
    const FROM: &'static [Stage] = &[Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Sound;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        if self.merged.is_none() {
            row.expect_no_landing(Self::NAME)?;
        }
        let mut update = RecordUpdate::new()
            .set(RecordKey::Result, Outcome::Shipped)
            .set(RecordKey::ShippedAt, now)
            .clear(&[RecordKey::Message]);
        if let Some(merged) = self.merged {
            update = update
                .set(RecordKey::MergedInto, merged.into)
                .set(RecordKey::MergedCommit, merged.commit)
                .set_some(RecordKey::MergedRemote, merged.remote)
                .clear(&[RecordKey::CheckpointError, RecordKey::FailureClass])
                .clear(TRAIN_WAIT_KEYS)
                .clear(HOST_LACK_KEYS)
                .clear(&[RecordKey::HostTries])
                .clear(WORKER_KEYS);
        }
        Ok(StepWrites::to(Stage::Shipped, update).synced())
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{is_synced, stages_of, written};
    use super::*;

    #[test]
    fn merged_work_is_no_problem_any_more() {
        let before = "message=m\ncheckpoint_error=x\npid=7\ntrain_waits=y\n";
        let shipped = "result=shipped\nshipped_at=1970-01-01T00:01:40Z\nmessage=\n";
        let ship = |merged| written(&ShipWork { merged }, Stage::Testing, before);
        let alone = format!("{shipped}moved_to=shipped\n");
        assert_eq!(ship(None), Ok((Some(Stage::Shipped), alone)));
        let merged = format!(
            "{shipped}merged_into=main\nmerged_commit=c\ncheckpoint_error=\ntrain_waits=\npid=\n\
             moved_to=shipped\n"
        );
        let work = MergedWork { into: "main", commit: "c", remote: None };
        assert_eq!(ship(Some(work)), Ok((Some(Stage::Shipped), merged)));
        let ship = ShipWork { merged: None };
        assert_eq!(stages_of(&ship), [Stage::Review, Stage::Testing]);
        assert!(is_synced(&ship, Stage::Testing));
    }
}
