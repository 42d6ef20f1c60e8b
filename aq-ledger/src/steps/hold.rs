//! Waiting jobs that a person holds back, or lets go.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, Refusal, Step, StepName};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Keeps a waiting job from its start.
#[derive(Clone, Copy, Debug)]
pub struct HoldJob;

/// Lets a held job go.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseJob;

impl JobStep for HoldJob {
    const NAME: StepName = StepName::Hold;
    const FROM: &'static [Stage] = &[Stage::Inbox];
    const CHECK: RecordCheck = RecordCheck::KnownFormat;

    fn write(&self, _: JobRow<'_>, _: Timestamp) -> Result<Step, Refusal> {
        Ok(Step::note(RecordUpdate::new().set(RecordKey::Held, "1")).synced())
    }
}

impl JobStep for ReleaseJob {
    const NAME: StepName = StepName::Release;
    const FROM: &'static [Stage] = &[Stage::Inbox];
    const CHECK: RecordCheck = RecordCheck::KnownFormat;

    fn write(&self, _: JobRow<'_>, _: Timestamp) -> Result<Step, Refusal> {
        Ok(Step::note(RecordUpdate::new().clear(&[RecordKey::Held])).synced())
    }
}
