//! Jobs that go back and go on in their session.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{ATTEMPT_KEYS, FLEET_KEYS, JobRow, RecordUpdate};

/// Puts a job back whose next attempt goes on with its session, and with what people have said.
#[derive(Clone, Copy, Debug)]
pub struct ResumeJob {
    /// The folders from which this one is made.
    pub from: ResumeFrom,
}

/// The verb that puts a job back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeFrom {
    /// Words of a person: to finished or failed work.
    Reply,
    /// Finished work that is turned down with words.
    Reject,
    /// A failed job that is put back as it is; with `force` also a quarantined one.
    Requeue {
        /// Takes jobs out of `quarantine/`, too.
        force: bool,
    },
}

/// The folders of a reply. A job that waits or runs gets the words where it is.
const REPLY_FROM: &[Stage] =
    &[Stage::Inbox, Stage::Building, Stage::Review, Stage::Testing, Stage::Failed];

impl JobStep for ResumeJob {
    const NAME: StepName = StepName::Resume;
    /// Each verb has its own, and a reply more than those from which it puts a job back.
    const FROM: &'static [Stage] = &Stage::ALL;
    const CHECK: RecordCheck = RecordCheck::KnownFormat;

    fn write(&self, row: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        let (step, from): (_, &'static [Stage]) = match self.from {
            ResumeFrom::Reply => (StepName::Resume, REPLY_FROM),
            ResumeFrom::Reject => (StepName::Reject, &[Stage::Review, Stage::Testing]),
            ResumeFrom::Requeue { .. } => (StepName::Requeue, &[Stage::Failed, Stage::Quarantine]),
        };
        let is_ahead = matches!(row.stage, Stage::Inbox | Stage::Building);
        if is_ahead || !from.contains(&row.stage) {
            return Err(StepRefusal::WrongStage { step, at: row.stage, from });
        }
        if row.stage == Stage::Quarantine && self.from != (ResumeFrom::Requeue { force: true }) {
            return Err(StepRefusal::Quarantined { step });
        }
        if row.stage == Stage::Testing && row.has_lease() {
            // The coordinator takes no report of an earlier stage then.
            return Err(StepRefusal::LeaseGivenBack { step });
        }
        row.expect_no_landing(step)?;
        // In the fleet an ended job has ended; one whose work is turned down is this host's yet.
        let has_ended = !matches!(row.stage, Stage::Review | Stage::Testing);
        let update = RecordUpdate::new().clear(ATTEMPT_KEYS);
        let update = update.clear(if has_ended { FLEET_KEYS } else { &[] });
        Ok(StepWrites::to(Stage::Inbox, update).synced())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordKey;
    use crate::steps::lab::{LEASE, decide, is_synced, refusal};

    #[test]
    fn sessions_go_on_and_attempts_are_counted_anew() {
        let text = format!("attempts=3\nsession_id=s\nresult=crash\n{LEASE}");
        for (stage, is_leased) in [(Stage::Review, true), (Stage::Failed, false)] {
            let (to, record) = decide(&ResumeJob { from: ResumeFrom::Reply }, stage, &text);
            assert_eq!((to, record.get(RecordKey::SessionId)), (Some(Stage::Inbox), Some("s")));
            assert_eq!(
                (record.count(RecordKey::Attempts), record.has(RecordKey::Result)),
                (0, false)
            );
            assert_eq!(record.has(RecordKey::FleetJobId), is_leased, "{stage}");
        }
    }

    #[test]
    fn each_verb_has_its_folders() {
        let reply = ResumeJob { from: ResumeFrom::Reply };
        let requeue = |force| ResumeJob { from: ResumeFrom::Requeue { force } };
        let given_back = StepRefusal::LeaseGivenBack { step: StepName::Resume };
        assert_eq!(refusal(&reply, Stage::Testing, LEASE), given_back);
        assert_eq!(decide(&reply, Stage::Testing, "").0, Some(Stage::Inbox));
        let quarantined = StepRefusal::Quarantined { step: StepName::Requeue };
        assert_eq!(refusal(&requeue(false), Stage::Quarantine, ""), quarantined);
        assert_eq!(decide(&requeue(true), Stage::Quarantine, "").0, Some(Stage::Inbox));
        for (step, stage) in [
            (requeue(true), Stage::Review),
            (reply, Stage::Quarantine),
            (ResumeJob { from: ResumeFrom::Reject }, Stage::Failed),
        ] {
            assert!(
                matches!(refusal(&step, stage, ""), StepRefusal::WrongStage { .. }),
                "{step:?}"
            );
        }
        // A job that waits or runs has its words where it is, which is no wrong folder for them.
        for at in [Stage::Inbox, Stage::Building] {
            let step = StepName::Resume;
            let from =
                &[Stage::Inbox, Stage::Building, Stage::Review, Stage::Testing, Stage::Failed];
            assert_eq!(refusal(&reply, at, ""), StepRefusal::WrongStage { step, at, from });
        }
        assert!(is_synced(&reply, Stage::Review));
    }
}
