//! Finished work that is accepted for good.

use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, Refusal, Step, StepName};
use crate::{HOST_LACK_KEYS, JobRow, RecordKey, RecordUpdate, TRAIN_WAIT_KEYS, WORKER_KEYS};

/// Accepts a job's work. Whether the fleet and the branch allow it is asked before.
#[derive(Clone, Copy, Debug)]
pub struct Ship<'a> {
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
}

impl JobStep for Ship<'_> {
    const NAME: StepName = StepName::Ship;
    const FROM: &'static [Stage] = &[Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Sound;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<Step, Refusal> {
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
                .clear(&[RecordKey::CheckpointError, RecordKey::FailureClass])
                .clear(TRAIN_WAIT_KEYS)
                .clear(HOST_LACK_KEYS)
                .clear(&[RecordKey::HostTries])
                .clear(WORKER_KEYS);
        }
        Ok(Step::to(Stage::Shipped, update).synced())
    }
}
