//! Ends of a merge that does not come about.

use aq_manifest::{FailureClass, Outcome, Stage};
use jiff::{SignedDuration, Timestamp};

use super::attempt_end::counted_end;
use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{HOST_LACK_KEYS, JobRow, RecordKey, RecordUpdate, TRAIN_WAIT_KEYS, WORKER_KEYS};

/// The pause before a merge is tried again that needs a person, who may have acted.
const PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// Notes that the merge of a job needs a person first. The job stays in `testing/`.
#[derive(Clone, Copy, Debug)]
pub struct NoteTrainWait<'a> {
    /// The reason, for people.
    pub refusal: &'a str,
    /// The files that are in the way.
    pub files: &'a [String],
    /// The job that has to be shipped first; empty when it is none.
    pub dep: &'a str,
}

/// Sends work back that does not go into its target as it is: the next attempt starts from the
/// target's newest commit and has to mend it. Without another try it ends in `failed/`.
#[derive(Clone, Copy, Debug)]
pub struct SendBack<'a> {
    /// `conflict` or `verify_failed`.
    pub class: FailureClass,
    /// The reason, for people.
    pub message: &'a str,
    /// Tries that the train gives a job after its first one.
    pub retries: u32,
}

impl SendBack<'_> {
    /// Returns whether the job gets another attempt.
    pub fn has_try_left(&self, row: JobRow<'_>) -> bool {
        row.train_tries().unwrap_or(0) < self.retries
    }
}

impl JobStep for NoteTrainWait<'_> {
    const NAME: StepName = StepName::NoteTrainWait;
    const FROM: &'static [Stage] = &[Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, _: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let next = now.saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
        let update = RecordUpdate::new()
            .set(RecordKey::TrainWaits, self.refusal)
            .set_list(RecordKey::TrainWaitsFor, self.files)
            .set(RecordKey::TrainWaitsDep, self.dep)
            .set(RecordKey::NextEligible, next)
            .clear(HOST_LACK_KEYS)
            .clear(&[RecordKey::HostTries])
            .clear(WORKER_KEYS);
        Ok(StepWrites::note(update))
    }
}

impl JobStep for SendBack<'_> {
    const NAME: StepName = StepName::SendBack;
    const FROM: &'static [Stage] = &[Stage::Building, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        row.expect_no_landing(Self::NAME)?;
        let update = counted_end(row, now)
            .set(RecordKey::FailureClass, self.class)
            .set(RecordKey::Message, self.message)
            .clear(TRAIN_WAIT_KEYS);
        if !self.has_try_left(row) {
            let update = update.set(RecordKey::Result, Outcome::RetriesExhausted);
            return Ok(StepWrites::to(Stage::Failed, update));
        }
        let tries = row.train_tries().unwrap_or(0).saturating_add(1);
        let update = update
            .clear(&[RecordKey::Result, RecordKey::Verified, RecordKey::VerifiedAt])
            .clear(&[RecordKey::NextEligible])
            .set(RecordKey::Rebase, 1)
            .set(RecordKey::TrainTries, tries);
        Ok(StepWrites::to(Stage::Inbox, update))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{decide, refusal, stages_of};
    use super::*;

    const TESTED: &str = "attempt=2\nattempts=2\npid=7\nresult=success\nverified=1\n";

    #[test]
    fn tries_of_the_train_end() {
        let back = SendBack { class: FailureClass::Conflict, message: "m", retries: 2 };
        for tries in 0..2 {
            let text = format!("{TESTED}train_tries={tries}\n");
            let (to, record) = decide(&back, Stage::Testing, &text);
            assert_eq!((to, record.count(RecordKey::TrainTries)), (Some(Stage::Inbox), tries + 1));
            assert!(!record.has(RecordKey::Verified) && !record.has(RecordKey::Pid));
            assert_eq!(record.count(RecordKey::Attempts), 2);
        }
        let (to, record) = decide(&back, Stage::Testing, &format!("{TESTED}train_tries=2\n"));
        let ended = (record.get(RecordKey::Result), record.get(RecordKey::FailureClass));
        assert_eq!(
            (to, ended),
            (Some(Stage::Failed), (Some("retries_exhausted"), Some("conflict")))
        );
        // Conflict markers are left in the files.
        let (to, record) = decide(&back, Stage::Building, "attempt=3\nattempts=2\npid=7\n");
        assert_eq!((to, record.count(RecordKey::Attempts)), (Some(Stage::Inbox), 3));
        assert!(record.has(RecordKey::Rebase));
        assert_eq!(stages_of(&back), [Stage::Building, Stage::Testing]);
    }

    #[test]
    fn waits_name_their_files() {
        let files = ["src/a.rs".to_owned()];
        let wait = NoteTrainWait { refusal: "changes", files: &files, dep: "schema" };
        let (to, record) = decide(&wait, Stage::Testing, TESTED);
        assert_eq!((to, record.list(RecordKey::TrainWaitsFor)), (None, files.to_vec()));
        assert_eq!(record.get(RecordKey::TrainWaits), Some("changes"));
        assert_eq!(record.get(RecordKey::TrainWaitsDep), Some("schema"));
        assert_eq!(record.get(RecordKey::NextEligible), Some("2026-11-30T12:01:00Z"));
        assert!(!record.has(RecordKey::Pid) && record.has(RecordKey::Verified));
    }

    #[test]
    fn open_landings_are_not_sent_back() {
        let back = SendBack { class: FailureClass::Conflict, message: "m", retries: 2 };
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let open = format!("landing=refs/heads/main - {commit}\n");
        let step = StepName::SendBack;
        assert_eq!(refusal(&back, Stage::Testing, &open), StepRefusal::LandingOpen { step });
    }
}
