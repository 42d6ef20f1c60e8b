//! Attempts that end because nobody wants the job any more.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::attempt_end::counted_end;
use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites, StopReason};
use crate::JobRow;

/// Ends a job that its worker was at work on.
#[derive(Clone, Copy, Debug)]
pub struct EndUnwanted {
    /// The reason.
    pub reason: StopReason,
}

impl JobStep for EndUnwanted {
    const NAME: StepName = StepName::EndUnwanted;
    const FROM: &'static [Stage] = &[Stage::Building, Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        row.expect_no_landing(Self::NAME)?;
        Ok(self.reason.end(counted_end(row, now)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{AT_WORK, stages_of, written};
    use super::*;

    #[test]
    fn reasons_choose_the_folder() {
        let end = |reason| written(&EndUnwanted { reason }, Stage::Building, AT_WORK);
        let base = "ended_at=1970-01-01T00:01:40Z\nattempts=3\nrecoveries=0\npid=\npidstart=\n\
                    boot=\nstep=\n";
        let text = format!("{base}result=stopped\nmessage=stopped by a person\nmoved_to=failed\n");
        assert_eq!(end(StopReason::Person), Ok((Some(Stage::Failed), text)));
        let text = format!(
            "{base}result=fenced\nmessage=its fleet lease has passed to another host\n\
             moved_to=quarantine\n"
        );
        assert_eq!(end(StopReason::Fenced), Ok((Some(Stage::Quarantine), text)));
        let stages = stages_of(&EndUnwanted { reason: StopReason::Person });
        assert_eq!(stages, [Stage::Building, Stage::Review, Stage::Testing]);
    }
}
