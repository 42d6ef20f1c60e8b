//! Attempts whose engine is out of use.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate, WORKER_KEYS};

/// Puts a job back at once, for another engine or for later. The attempt does not count.
#[derive(Clone, Copy, Debug)]
pub struct PostponeJob<'a> {
    /// The reason, for people.
    pub message: &'a str,
}

impl JobStep for PostponeJob<'_> {
    const NAME: StepName = StepName::Postpone;
    const FROM: &'static [Stage] = &[Stage::Building];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, _: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let update = RecordUpdate::new()
            .set(RecordKey::EndedAt, now)
            .set(RecordKey::Message, self.message)
            .clear(WORKER_KEYS);
        Ok(StepWrites::to(Stage::Inbox, update))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{AT_WORK, stages_of, written};
    use super::*;

    #[test]
    fn limits_do_not_count() {
        let step = PostponeJob { message: "m" };
        let text = "ended_at=1970-01-01T00:01:40Z\nmessage=m\npid=\npidstart=\nboot=\nstep=\n\
                    moved_to=inbox\n";
        let done = written(&step, Stage::Building, AT_WORK);
        assert_eq!(done, Ok((Some(Stage::Inbox), text.to_owned())));
        assert_eq!(stages_of(&step), [Stage::Building]);
    }
}
