//! Ended jobs that a person puts back to start afresh.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, Refusal, Step, StepName};
use crate::{FLEET_KEYS, JobRow, RUN_KEYS, RecordKey, RecordUpdate};

/// Puts an ended job back as if it had never run. One of the fleet is this host's own from then on:
/// there it has ended, or has passed to another host.
#[derive(Clone, Copy, Debug)]
pub struct Requeue {
    /// Takes jobs out of `quarantine/`, too.
    pub force: bool,
}

impl JobStep for Requeue {
    const NAME: StepName = StepName::Requeue;
    const FROM: &'static [Stage] = &[Stage::Failed, Stage::Quarantine];
    const CHECK: RecordCheck = RecordCheck::KnownFormat;

    fn write(&self, row: JobRow<'_>, _: Timestamp) -> Result<Step, Refusal> {
        if row.stage == Stage::Quarantine && !self.force {
            return Err(Refusal::Quarantined { step: Self::NAME });
        }
        let update = RecordUpdate::new().clear(RUN_KEYS).clear(FLEET_KEYS);
        Ok(Step::to(Stage::Inbox, update.clear(&[RecordKey::Held])).synced())
    }
}
