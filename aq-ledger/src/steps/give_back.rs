//! Attempts that cannot go on now, through no fault of the job.

use aq_manifest::Stage;
use jiff::{SignedDuration, Timestamp};

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate, WORKER_KEYS};

/// The pause before such a job is tried again.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// Gives a job back for a later attempt; this one does not count. Accepted work stays where it
/// is: only its `verify` or its merge could not start.
#[derive(Clone, Copy, Debug)]
pub struct GiveBack<'a> {
    /// The reason, for people.
    pub message: &'a str,
}

impl JobStep for GiveBack<'_> {
    const NAME: StepName = StepName::GiveBack;
    const FROM: &'static [Stage] = &[Stage::Building, Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let next = now.saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
        let update = RecordUpdate::new()
            .set(RecordKey::EndedAt, now)
            .set(RecordKey::NextEligible, next)
            .set(RecordKey::Message, self.message)
            .clear(WORKER_KEYS);
        Ok(match row.stage {
            Stage::Review | Stage::Testing => StepWrites::note(update),
            _ => StepWrites::to(Stage::Inbox, update),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{AT_WORK, stages_of, written};
    use super::*;

    #[test]
    fn its_attempt_does_not_count() {
        let text = "ended_at=1970-01-01T00:01:40Z\nnext_eligible=1970-01-01T00:01:50Z\nmessage=m\n\
                    pid=\npidstart=\nboot=\nstep=\n";
        let step = GiveBack { message: "m" };
        assert_eq!(written(&step, Stage::Review, AT_WORK), Ok((None, text.to_owned())));
        let done = written(&step, Stage::Building, AT_WORK);
        assert_eq!(done, Ok((Some(Stage::Inbox), format!("{text}moved_to=inbox\n"))));
        assert_eq!(stages_of(&step), [Stage::Building, Stage::Review, Stage::Testing]);
    }
}
