//! Jobs that nobody works on, and that nobody wants any more.

use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites, StopReason};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Ends a waiting job for a person.
#[derive(Clone, Copy, Debug)]
pub struct StopWaiting;

impl JobStep for StopWaiting {
    const NAME: StepName = StepName::StopWaiting;
    const FROM: &'static [Stage] = &[Stage::Inbox];
    const CHECK: RecordCheck = RecordCheck::KnownFormat;

    fn write(&self, _: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let update = RecordUpdate::new()
            .set(RecordKey::Result, Outcome::Stopped)
            .set(RecordKey::EndedAt, now)
            .set(RecordKey::Message, "stopped by a person before it started");
        Ok(StepWrites::to(Stage::Failed, update).synced())
    }
}

/// Sets a job aside whose lease has passed to another host, and which no worker has.
#[derive(Clone, Copy, Debug)]
pub struct FenceJob;

impl JobStep for FenceJob {
    const NAME: StepName = StepName::Fence;
    const FROM: &'static [Stage] = &[Stage::Inbox, Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        row.expect_no_landing(Self::NAME)?;
        let update = RecordUpdate::new().set(RecordKey::EndedAt, now);
        Ok(StopReason::Fenced.end(RecordUpdate::new()).with(update))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{is_synced, stages_of, written};
    use super::*;

    #[test]
    fn waiting_jobs_end_at_once() {
        let text = "result=stopped\nended_at=1970-01-01T00:01:40Z\n\
                    message=stopped by a person before it started\nmoved_to=failed\n";
        let done = written(&StopWaiting, Stage::Inbox, "");
        assert_eq!(done, Ok((Some(Stage::Failed), text.to_owned())));
        assert_eq!(stages_of(&StopWaiting), [Stage::Inbox]);
        assert!(is_synced(&StopWaiting, Stage::Inbox));
    }

    #[test]
    fn fences_take_what_nobody_has() {
        let text = "result=fenced\nmessage=its fleet lease has passed to another host\n\
                    ended_at=1970-01-01T00:01:40Z\nmoved_to=quarantine\n";
        let done = written(&FenceJob, Stage::Testing, "");
        assert_eq!(done, Ok((Some(Stage::Quarantine), text.to_owned())));
        assert_eq!(stages_of(&FenceJob), [Stage::Inbox, Stage::Review, Stage::Testing]);
        assert!(is_synced(&FenceJob, Stage::Inbox));
    }
}
