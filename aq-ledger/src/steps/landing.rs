//! Targets of jobs that move.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, LandingIntent, RecordKey, RecordUpdate};

/// Notes that the target of a job is about to move to a commit with its work. Whoever finds this
/// looks first whether it has.
#[derive(Clone, Copy, Debug)]
pub struct NoteLanding<'a> {
    /// The move.
    pub landing: LandingIntent<'a>,
}

/// Forgets a landing whose target has not moved.
#[derive(Clone, Copy, Debug)]
pub struct ForgetLanding;

impl JobRow<'_> {
    /// Tests whether the job's target may have moved, and the job has not followed.
    pub fn has_open_landing(self) -> bool {
        self.stage == Stage::Testing && self.content().has(RecordKey::Landing)
    }

    /// Tests for a job whose target is at a remote: that of the fleet's jobs.
    pub fn lands_at_remote(self) -> bool {
        self.has_lease()
    }

    /// Refuses a step while the target may have moved.
    pub(super) fn expect_no_landing(self, step: StepName) -> Result<(), StepRefusal> {
        if self.has_open_landing() { Err(StepRefusal::LandingOpen { step }) } else { Ok(()) }
    }
}

impl JobStep for NoteLanding<'_> {
    const NAME: StepName = StepName::NoteLanding;
    const FROM: &'static [Stage] = &[Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Sound;

    fn write(&self, row: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        row.expect_no_landing(Self::NAME)?;
        if row.has_lease() && row.fleet_ships().is_none() {
            // The coordinator decides whether it ships.
            return Err(StepRefusal::LeaseGivenBack { step: Self::NAME });
        }
        let update = RecordUpdate::new().set(RecordKey::Landing, self.landing);
        // Its folder is on record from here on: after a power cut no earlier one counts.
        Ok(StepWrites::to(Stage::Testing, update).synced())
    }
}

impl JobStep for ForgetLanding {
    const NAME: StepName = StepName::ForgetLanding;
    const FROM: &'static [Stage] = &[Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, _: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        Ok(StepWrites::note(RecordUpdate::new().clear(&[RecordKey::Landing])))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{LEASE, decide, refusal, stages_of, written};
    use super::super::{MergedWork, RejectWork, ShipWork};
    use super::*;
    use crate::CommitName;

    const NEW: &str = "0123456789abcdef0123456789abcdef01234567";

    fn landing() -> LandingIntent<'static> {
        let commit = CommitName::of(NEW).expect("a commit");
        LandingIntent { target: "refs/heads/main", old: None, new: commit }
    }

    #[test]
    fn landings_come_one_by_one() {
        let note = NoteLanding { landing: landing() };
        let (_, record) = decide(&note, Stage::Testing, "");
        let text = record.get(RecordKey::Landing).unwrap();
        assert_eq!(text, format!("refs/heads/main - {NEW}"));
        let open = format!("landing={text}\n");
        let name = StepName::NoteLanding;
        assert_eq!(refusal(&note, Stage::Testing, &open), StepRefusal::LandingOpen { step: name });
        let leased = StepRefusal::LeaseGivenBack { step: name };
        assert_eq!(refusal(&note, Stage::Testing, LEASE), leased);
        let allowed = format!("{LEASE}fleet_ships=1\n");
        assert!(decide(&note, Stage::Testing, &allowed).1.has(RecordKey::Landing));
        assert_eq!(stages_of(&note), [Stage::Testing]);
        let forgotten = written(&ForgetLanding, Stage::Testing, &open);
        assert_eq!(forgotten, Ok((None, "landing=\n".to_owned())));
    }

    #[test]
    fn moved_targets_lead_to_shipped() {
        let open = format!("landing=refs/heads/main {NEW} {NEW}\npid=7\n");
        let reject = StepRefusal::LandingOpen { step: StepName::Reject };
        assert_eq!(refusal(&RejectWork { reason: None }, Stage::Testing, &open), reject);
        let ship = StepRefusal::LandingOpen { step: StepName::Ship };
        assert_eq!(refusal(&ShipWork { merged: None }, Stage::Testing, &open), ship);
        let merged = MergedWork { into: "main", commit: NEW, remote: None };
        let (to, record) = decide(&ShipWork { merged: Some(merged) }, Stage::Testing, &open);
        assert_eq!((to, record.get(RecordKey::MergedCommit)), (Some(Stage::Shipped), Some(NEW)));
        assert!(!record.has(RecordKey::Pid));
    }
}
