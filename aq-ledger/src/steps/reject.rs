//! Finished work that a person turns down.

use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Turns a job's work down: it ends in `failed/`.
#[derive(Clone, Copy, Debug)]
pub struct RejectWork<'a> {
    /// The person's reason.
    pub reason: Option<&'a str>,
}

impl JobStep for RejectWork<'_> {
    const NAME: StepName = StepName::Reject;
    const FROM: &'static [Stage] = &[Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::KnownFormat;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        row.expect_no_landing(Self::NAME)?;
        let update = RecordUpdate::new()
            .set(RecordKey::Result, Outcome::Rejected)
            .set(RecordKey::EndedAt, now)
            .set(RecordKey::Message, self.reason.unwrap_or("rejected by a person"));
        Ok(StepWrites::to(Stage::Failed, update).synced())
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{is_synced, stages_of, written};
    use super::*;

    #[test]
    fn reasons_of_people_are_kept() {
        for (reason, message) in [(Some("ugly"), "ugly"), (None, "rejected by a person")] {
            let text = format!(
                "result=rejected\nended_at=1970-01-01T00:01:40Z\nmessage={message}\n\
                 moved_to=failed\n"
            );
            let done = written(&RejectWork { reason }, Stage::Testing, "result=success\n");
            assert_eq!(done, Ok((Some(Stage::Failed), text)));
        }
        let reject = RejectWork { reason: None };
        assert_eq!(stages_of(&reject), [Stage::Review, Stage::Testing]);
        assert!(is_synced(&reject, Stage::Review));
    }
}
