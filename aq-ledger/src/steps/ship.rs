//! Finished work that is accepted for good.

use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, Refusal, Step, StepName};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Accepts a job's work. Whether the fleet and the branch allow it is asked before.
#[derive(Clone, Copy, Debug)]
pub struct Ship<'a> {
    /// The branch that its work was merged into, by the full name.
    pub merged_into: Option<&'a str>,
}

impl JobStep for Ship<'_> {
    const NAME: StepName = StepName::Ship;
    const FROM: &'static [Stage] = &[Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Sound;

    fn write(&self, _: JobRow<'_>, now: Timestamp) -> Result<Step, Refusal> {
        let mut update = RecordUpdate::new()
            .set(RecordKey::Result, Outcome::Shipped)
            .set(RecordKey::ShippedAt, now)
            .clear(&[RecordKey::Message]);
        if let Some(branch) = self.merged_into {
            update = update.set(RecordKey::MergedInto, branch).clear(&[RecordKey::CheckpointError]);
        }
        Ok(Step::to(Stage::Shipped, update).synced())
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{is_synced, stages_of, written};
    use super::*;

    #[test]
    fn merged_work_is_no_problem_any_more() {
        let before = "message=m\ncheckpoint_error=x\n";
        let shipped = "result=shipped\nshipped_at=1970-01-01T00:01:40Z\nmessage=\n";
        let ship = |merged_into| written(&Ship { merged_into }, Stage::Testing, before);
        let alone = format!("{shipped}moved_to=shipped\n");
        assert_eq!(ship(None), Ok((Some(Stage::Shipped), alone)));
        let merged =
            format!("{shipped}merged_into=refs/heads/main\ncheckpoint_error=\nmoved_to=shipped\n");
        assert_eq!(ship(Some("refs/heads/main")), Ok((Some(Stage::Shipped), merged)));
        let ship = Ship { merged_into: None };
        assert_eq!(stages_of(&ship), [Stage::Review, Stage::Testing]);
        assert!(is_synced(&ship, Stage::Testing));
    }
}
