//! Attempts that fail for good.

use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::attempt_end::counted_end;
use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey};

/// Ends a job that no further attempt can help.
#[derive(Clone, Copy, Debug)]
pub struct FailFinally<'a> {
    /// The job's result.
    pub outcome: Outcome,
    /// The reason, for people.
    pub message: &'a str,
}

impl JobStep for FailFinally<'_> {
    const NAME: StepName = StepName::FailFinally;
    const FROM: &'static [Stage] = &[Stage::Building, Stage::Review];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let update = counted_end(row, now)
            .set(RecordKey::Result, self.outcome)
            .set(RecordKey::Message, self.message);
        Ok(StepWrites::to(Stage::Failed, update))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{stages_of, written};
    use super::*;

    #[test]
    fn its_attempt_counts_once() {
        let fail = FailFinally { outcome: Outcome::SetupFailed, message: "m" };
        let text = "ended_at=1970-01-01T00:01:40Z\nattempts=1\nrecoveries=0\nhost_lacks=\n\
                    host_tries=\nresult=setup_failed\nmessage=m\nmoved_to=failed\n";
        // A record that lost its attempt has had one all the same.
        for before in ["", "attempt=1\n", "attempt=1\nattempts=1\n"] {
            let before = format!("host_lacks=room\nhost_tries=2\n{before}");
            let done = written(&fail, Stage::Building, &before);
            assert_eq!(done, Ok((Some(Stage::Failed), text.to_owned())));
        }
        assert_eq!(stages_of(&fail), [Stage::Building, Stage::Review]);
    }
}
