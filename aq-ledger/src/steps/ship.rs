//! Finished work that is accepted for good.

use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, Refusal, Step, StepName};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Accepts a job's work. Whether the fleet and the branch allow it is asked before.
#[derive(Clone, Copy, Debug)]
pub struct Ship<'a> {
    /// The branch that its work was merged into, by the full name.
    pub merged_into: Option<&'a str>,
}

impl JobStep for Ship<'_> {
    const NAME: StepName = StepName::Ship;
    const FROM: &'static [Stage] = &[Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Sound;

    fn write(&self, _: JobRow<'_>, now: Timestamp) -> Result<Step, Refusal> {
        let mut update = RecordUpdate::new()
            .set(RecordKey::Result, Outcome::Shipped)
            .set(RecordKey::ShippedAt, now)
            .clear(&[RecordKey::Message]);
        if let Some(branch) = self.merged_into {
            update = update.set(RecordKey::MergedInto, branch).clear(&[RecordKey::CheckpointError]);
        }
        Ok(Step::to(Stage::Shipped, update).synced())
    }
}
