//! Attempts that are cut short while the job is still wanted: the host goes down, or all jobs are
//! stopped.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::attempt_end::counted_end;
use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate, WORKER_KEYS};

/// Puts a job back whose worker was asked to end. Accepted work stays, and is verified or merged
/// again.
#[derive(Clone, Copy, Debug)]
pub struct InterruptAttempt;

impl JobStep for InterruptAttempt {
    const NAME: StepName = StepName::Interrupt;
    const FROM: &'static [Stage] = &[Stage::Building, Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        if row.stage != Stage::Building {
            return Ok(StepWrites::note(RecordUpdate::new().clear(WORKER_KEYS)));
        }
        let update = counted_end(row, now).set(RecordKey::Message, "interrupted");
        Ok(StepWrites::to(Stage::Inbox, update))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{AT_WORK, stages_of, written};
    use super::*;

    #[test]
    fn accepted_work_stays() {
        let worker = "pid=\npidstart=\nboot=\nstep=\n";
        let done = written(&InterruptAttempt, Stage::Review, AT_WORK);
        assert_eq!(done, Ok((None, worker.to_owned())));
        let text = format!(
            "ended_at=1970-01-01T00:01:40Z\nattempts=3\nrecoveries=0\n{worker}message=interrupted\n\
             moved_to=inbox\n"
        );
        assert_eq!(
            written(&InterruptAttempt, Stage::Building, AT_WORK),
            Ok((Some(Stage::Inbox), text))
        );
        assert_eq!(stages_of(&InterruptAttempt), [Stage::Building, Stage::Review, Stage::Testing]);
    }
}
