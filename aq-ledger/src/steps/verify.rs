//! Work that has passed `verify`, or has none.

use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{HOST_LACK_KEYS, JobRow, RecordKey, RecordUpdate, WORKER_KEYS};

/// Takes the work into `testing/`.
#[derive(Clone, Copy, Debug)]
pub struct VerifyWork {
    /// The job has a `verify`, and it passed.
    pub has_passed: bool,
}

impl JobStep for VerifyWork {
    const NAME: StepName = StepName::Verify;
    const FROM: &'static [Stage] = &[Stage::Review];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, _: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let update = RecordUpdate::new()
            .set(RecordKey::Result, Outcome::Success)
            .set(RecordKey::Verified, u8::from(self.has_passed))
            .set(RecordKey::VerifiedAt, now)
            .clear(WORKER_KEYS)
            .clear(HOST_LACK_KEYS)
            .clear(&[RecordKey::FailureClass, RecordKey::Message, RecordKey::HostTries]);
        Ok(StepWrites::to(Stage::Testing, update))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{stages_of, written};
    use super::*;

    #[test]
    fn success_forgets_earlier_failures() {
        let before = "pid=7\nfailure_class=crash\nmessage=x\nhost_lacks=room\nhost_tries=2\n";
        let text = "result=success\nverified=1\nverified_at=1970-01-01T00:01:40Z\npid=\n\
                    host_lacks=\nfailure_class=\nmessage=\nhost_tries=\nmoved_to=testing\n";
        let done = written(&VerifyWork { has_passed: true }, Stage::Review, before);
        assert_eq!(done, Ok((Some(Stage::Testing), text.to_owned())));
        let (_, text) = written(&VerifyWork { has_passed: false }, Stage::Review, "").unwrap();
        assert!(text.contains("\nverified=0\n"), "{text}");
        assert_eq!(stages_of(&VerifyWork { has_passed: true }), [Stage::Review]);
    }
}
