//! Waiting jobs that a person holds back, or lets go.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
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

    fn write(&self, _: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        Ok(StepWrites::note(RecordUpdate::new().set(RecordKey::Held, "1")).synced())
    }
}

impl JobStep for ReleaseJob {
    const NAME: StepName = StepName::Release;
    const FROM: &'static [Stage] = &[Stage::Inbox];
    const CHECK: RecordCheck = RecordCheck::KnownFormat;

    fn write(&self, _: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        Ok(StepWrites::note(RecordUpdate::new().clear(&[RecordKey::Held])).synced())
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{is_synced, stages_of, written};
    use super::*;

    #[test]
    fn holds_last_until_released() {
        let held = "held=1\n".to_owned();
        assert_eq!(written(&HoldJob, Stage::Inbox, ""), Ok((None, held.clone())));
        let released = "held=\n".to_owned();
        assert_eq!(written(&ReleaseJob, Stage::Inbox, &held), Ok((None, released)));
        assert_eq!(
            (stages_of(&HoldJob), stages_of(&ReleaseJob)),
            ([Stage::Inbox].into(), [Stage::Inbox].into())
        );
        assert!(is_synced(&HoldJob, Stage::Inbox) && is_synced(&ReleaseJob, Stage::Inbox));
    }
}
