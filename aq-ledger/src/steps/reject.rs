//! Finished work that a person turns down.

use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, Refusal, Step, StepName};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Turns a job's work down: it ends in `failed/`.
#[derive(Clone, Copy, Debug)]
pub struct Reject<'a> {
    /// The person's reason.
    pub reason: Option<&'a str>,
}

impl JobStep for Reject<'_> {
    const NAME: StepName = StepName::Reject;
    const FROM: &'static [Stage] = &[Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::KnownFormat;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<Step, Refusal> {
        row.expect_no_landing(Self::NAME)?;
        let update = RecordUpdate::new()
            .set(RecordKey::Result, Outcome::Rejected)
            .set(RecordKey::EndedAt, now)
            .set(RecordKey::Message, self.reason.unwrap_or("rejected by a person"));
        Ok(Step::to(Stage::Failed, update).synced())
    }
}
