//! Attempts that fail, in a way that a job may retry.

use aq_manifest::{FailureClass, Outcome, RetryPolicy, Stage};
use aq_scheduler::{AfterFailure, after_failure};
use jiff::Timestamp;

use super::attempt_end::counted_end;
use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey};

/// Ends an attempt that failed: the job waits for the next one, or ends in `failed/`.
#[derive(Clone, Copy, Debug)]
pub struct FailAttempt<'a> {
    /// The class of the failure.
    pub class: FailureClass,
    /// The reason, for people.
    pub message: &'a str,
    /// The job's retry.
    pub retry: Option<&'a RetryPolicy>,
}

impl FailAttempt<'_> {
    /// The consequence of the failure.
    pub fn consequence(&self, row: JobRow<'_>, now: Timestamp) -> AfterFailure {
        // What the train sends back is counted apart.
        let counted = row.attempt_number().saturating_sub(row.train_tries().unwrap_or(0));
        after_failure(self.retry, self.class, counted.max(1), now)
    }
}

impl JobStep for FailAttempt<'_> {
    const NAME: StepName = StepName::Fail;
    const FROM: &'static [Stage] = &[Stage::Building, Stage::Review];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let update = counted_end(row, now)
            .set(RecordKey::FailureClass, self.class)
            .set(RecordKey::Message, self.message);
        let outcome = match self.consequence(row, now) {
            AfterFailure::Requeue { not_before } => {
                let update = update.set(RecordKey::NextEligible, not_before);
                return Ok(StepWrites::to(Stage::Inbox, update));
            }
            AfterFailure::Exhausted => Outcome::RetriesExhausted,
            AfterFailure::NotRetried => Outcome::from(self.class),
        };
        Ok(StepWrites::to(Stage::Failed, update.set(RecordKey::Result, outcome)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aq_manifest::RetryBackoff;

    use super::super::lab::{AT_WORK, stages_of, written};
    use super::*;

    #[test]
    fn retries_end_with_their_number() {
        let seconds = Duration::from_secs;
        let backoff = RetryBackoff { initial: seconds(10), factor: 1.0, max: seconds(10) };
        let retry = RetryPolicy { max: 4, backoff, on: vec![FailureClass::Crash] };
        let fail = FailAttempt { class: FailureClass::Crash, message: "m", retry: Some(&retry) };
        let text = "ended_at=1970-01-01T00:01:40Z\nattempts=3\nrecoveries=0\npid=\npidstart=\n\
                    boot=\nstep=\nfailure_class=crash\nmessage=m\n";
        let again = format!("{text}next_eligible=1970-01-01T00:01:50Z\nmoved_to=inbox\n");
        let done = written(&fail, Stage::Building, AT_WORK);
        assert_eq!(done, Ok((Some(Stage::Inbox), again.clone())));
        let done = written(&fail, Stage::Review, AT_WORK);
        assert_eq!(done, Ok((Some(Stage::Inbox), again.clone())));
        // Somebody has begun to count anew.
        let replied = AT_WORK.replace("attempt=3\nattempts=2\n", "");
        let done = written(&fail, Stage::Review, &replied);
        assert_eq!(done, Ok((Some(Stage::Inbox), again.replace("attempts=3\n", ""))));
        let last = AT_WORK.replace("attempt=3", "attempt=4");
        let exhausted = text.replace("attempts=3", "attempts=4");
        let exhausted = exhausted + "result=retries_exhausted\nmoved_to=failed\n";
        let done = written(&fail, Stage::Building, &last);
        assert_eq!(done, Ok((Some(Stage::Failed), exhausted)));
        let after_train = format!("{last}train_tries=1\n");
        let again = written(&fail, Stage::Building, &after_train).map(|(to, _)| to);
        assert_eq!(again, Ok(Some(Stage::Inbox)));
        let once = FailAttempt { retry: None, ..fail };
        let ended = format!("{text}result=crash\nmoved_to=failed\n");
        assert_eq!(written(&once, Stage::Building, AT_WORK), Ok((Some(Stage::Failed), ended)));
        assert_eq!(stages_of(&once), [Stage::Building, Stage::Review]);
    }
}
