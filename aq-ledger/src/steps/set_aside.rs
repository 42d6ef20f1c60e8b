//! Files that have the name of another job.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, Refusal, Step, StepName};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Begins the record of a file that was found under another job's name, and is in `quarantine/` now
/// under a name of its own.
#[derive(Clone, Copy, Debug)]
pub struct SetAside<'a> {
    /// The finding for people.
    pub message: &'a str,
}

impl JobStep for SetAside<'_> {
    const NAME: StepName = StepName::SetAside;
    const FROM: &'static [Stage] = &[Stage::Quarantine];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, _: JobRow<'_>, now: Timestamp) -> Result<Step, Refusal> {
        let update = RecordUpdate::new().set(RecordKey::AddedAt, now);
        Ok(Step::to(Stage::Quarantine, update.set(RecordKey::Message, self.message)))
    }
}
