//! Finished work that people merge by a pull request.
//!
//! The intent is on record before anything is pushed. Whoever finds it without `pull_request_open`
//! does all of it again: pushes, looks for a pull request of the branch, and opens one if there is
//! none.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate, TRAIN_WAIT_KEYS};

/// Keys about the pull request as it was before.
const PULL_KEYS: &[RecordKey] = &[RecordKey::PullRequestOpen, RecordKey::PullRequestError];

/// Notes that a commit is about to be pushed, and a pull request opened for it.
#[derive(Clone, Copy, Debug)]
pub struct BeginPull<'a> {
    /// The commit.
    pub commit: &'a str,
}

/// Notes that the pull request is open with that commit.
#[derive(Clone, Copy, Debug)]
pub struct NotePull<'a> {
    /// Its page.
    pub url: &'a str,
    /// Its name: `github:owner/repo#7`.
    pub name: &'a str,
}

/// Notes why the pull request cannot be opened or asked about. It is as it was.
#[derive(Clone, Copy, Debug)]
pub struct NotePullError<'a> {
    /// The reason, for people; empty: there is none any more.
    pub why: &'a str,
}

/// Accepts work for good that was merged by its pull request.
#[derive(Clone, Copy, Debug)]
pub struct ShipPull<'a> {
    /// The branch that it was merged into, as people name it.
    pub into: &'a str,
}

impl JobRow<'_> {
    /// Tests whether a pull request was begun that the job's folder still waits for.
    pub fn has_pull_request(self) -> bool {
        self.stage == Stage::Testing && self.content().has(RecordKey::PullRequestCommit)
    }

    fn expect_pull_request(self, step: StepName) -> Result<(), StepRefusal> {
        if self.has_pull_request() { Ok(()) } else { Err(StepRefusal::NoPullRequest { step }) }
    }
}

impl JobStep for BeginPull<'_> {
    const NAME: StepName = StepName::BeginPull;
    const FROM: &'static [Stage] = &[Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Sound;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        row.expect_no_landing(Self::NAME)?;
        if row.has_lease() {
            // The coordinator decides whether it ships, and when.
            return Err(StepRefusal::LeaseGivenBack { step: Self::NAME });
        }
        // Cut short, it leaves no request that is taken for this commit's.
        let update = RecordUpdate::new()
            .clear(PULL_KEYS)
            .clear(TRAIN_WAIT_KEYS)
            .set(RecordKey::PullRequestCommit, self.commit);
        if row.stage == Stage::Testing {
            return Ok(StepWrites::note(update).synced());
        }
        // A person takes it without its `verify`.
        let update = update.set(RecordKey::Verified, 0).set(RecordKey::VerifiedAt, now);
        Ok(StepWrites::to(Stage::Testing, update).synced())
    }
}

impl JobStep for NotePull<'_> {
    const NAME: StepName = StepName::NotePull;
    const FROM: &'static [Stage] = &[Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Sound;

    fn write(&self, row: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        row.expect_pull_request(Self::NAME)?;
        let update = RecordUpdate::new()
            .set(RecordKey::PullRequest, self.url)
            .set(RecordKey::PullRequestName, self.name)
            .set(RecordKey::PullRequestOpen, 1)
            .clear(PULL_KEYS.split_at(1).1);
        Ok(StepWrites::note(update).synced())
    }
}

impl JobStep for NotePullError<'_> {
    const NAME: StepName = StepName::NotePullError;
    const FROM: &'static [Stage] = &[Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, _: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        let error = RecordKey::PullRequestError;
        Ok(StepWrites::note(match self.why {
            "" => RecordUpdate::new().clear(&[error]),
            why => RecordUpdate::new().set(error, why),
        }))
    }
}

impl JobStep for ShipPull<'_> {
    const NAME: StepName = StepName::ShipPull;
    const FROM: &'static [Stage] = &[Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Sound;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        row.expect_no_landing(Self::NAME)?;
        if !row.content().has(RecordKey::PullRequestOpen) {
            return Err(StepRefusal::NoPullRequest { step: Self::NAME });
        }
        row.expect_no_landing(Self::NAME)?;
        let update = RecordUpdate::new()
            .set(RecordKey::Result, aq_manifest::Outcome::Shipped)
            .set(RecordKey::ShippedAt, now)
            .set(RecordKey::MergedInto, self.into)
            .clear(&[RecordKey::Message, RecordKey::CheckpointError, RecordKey::PullRequestError]);
        Ok(StepWrites::to(Stage::Shipped, update).synced())
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{LEASE, refusal, stages_of, written};
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn intents_come_first() {
        let begin = BeginPull { commit: COMMIT };
        let intent = format!("pull_request_commit={COMMIT}\n");
        assert_eq!(written(&begin, Stage::Testing, ""), Ok((None, intent.clone())));
        let before = format!("{intent}pull_request_open=1\npull_request_error=x\n");
        let again = format!("pull_request_open=\npull_request_error=\n{intent}");
        assert_eq!(written(&begin, Stage::Testing, &before), Ok((None, again)));
        let note = NotePull { url: "https://x/7", name: "github:o/r#7" };
        let no_request = StepRefusal::NoPullRequest { step: StepName::NotePull };
        assert_eq!(refusal(&note, Stage::Testing, ""), no_request);
        let text =
            "pull_request=https://x/7\npull_request_name=github:o/r#7\npull_request_open=1\n";
        assert_eq!(written(&note, Stage::Testing, &intent), Ok((None, text.to_owned())));
        assert_eq!(stages_of(&begin), [Stage::Review, Stage::Testing]);
    }

    #[test]
    fn unverified_work_says_so() {
        let begin = BeginPull { commit: COMMIT };
        let (to, text) = written(&begin, Stage::Review, "verified=1\n").unwrap();
        assert_eq!(to, Some(Stage::Testing));
        assert!(text.contains("verified=0\nverified_at=1970-01-01T00:01:40Z\n"), "{text}");
    }

    #[test]
    fn leases_are_the_coordinators() {
        let refused = refusal(&BeginPull { commit: COMMIT }, Stage::Testing, LEASE);
        assert_eq!(refused, StepRefusal::LeaseGivenBack { step: StepName::BeginPull });
    }

    #[test]
    fn merged_requests_ship() {
        let ship = ShipPull { into: "main" };
        let begun = format!("pull_request_commit={COMMIT}\n");
        let no_request = StepRefusal::NoPullRequest { step: StepName::ShipPull };
        assert_eq!(refusal(&ship, Stage::Testing, &begun), no_request);
        let open = format!("{begun}pull_request_open=1\npull_request_error=x\n");
        let (to, text) = written(&ship, Stage::Testing, &open).unwrap();
        assert_eq!(to, Some(Stage::Shipped));
        assert!(text.contains("merged_into=main\npull_request_error=\n"), "{text}");
        assert!(stages_of(&ship).is_empty());
    }

    #[test]
    fn errors_are_forgotten() {
        let note = |why, before| written(&NotePullError { why }, Stage::Testing, before);
        assert_eq!(note("x", ""), Ok((None, "pull_request_error=x\n".to_owned())));
        let gone = "pull_request_error=\n".to_owned();
        assert_eq!(note("", "pull_request_error=x\n"), Ok((None, gone)));
        assert_eq!(note("", ""), Ok((None, String::new())));
    }
}
