//! Jobs that nobody works on, and that nobody wants any more.

use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, Refusal, Step, StepName, StopReason};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Ends a waiting job for a person.
#[derive(Clone, Copy, Debug)]
pub struct StopWaiting;

impl JobStep for StopWaiting {
    const NAME: StepName = StepName::StopWaiting;
    const FROM: &'static [Stage] = &[Stage::Inbox];
    const CHECK: RecordCheck = RecordCheck::KnownFormat;

    fn write(&self, _: JobRow<'_>, now: Timestamp) -> Result<Step, Refusal> {
        let update = RecordUpdate::new()
            .set(RecordKey::Result, Outcome::Stopped)
            .set(RecordKey::EndedAt, now)
            .set(RecordKey::Message, "stopped by a person before it started");
        Ok(Step::to(Stage::Failed, update).synced())
    }
}

/// Sets a job aside whose lease has passed to another host, and which no worker has.
#[derive(Clone, Copy, Debug)]
pub struct Fence;

impl JobStep for Fence {
    const NAME: StepName = StepName::Fence;
    const FROM: &'static [Stage] = &[Stage::Inbox, Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<Step, Refusal> {
        row.expect_no_landing(Self::NAME)?;
        let update = RecordUpdate::new().set(RecordKey::EndedAt, now);
        Ok(StopReason::Fenced.end(RecordUpdate::new()).with(update))
    }
}
