//! Ended jobs that a person puts back to start afresh.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{FLEET_KEYS, JobRow, RUN_KEYS, RecordKey, RecordUpdate};

/// Puts an ended job back as if it had never run. One of the fleet is this host's own from then on:
/// there it has ended, or has passed to another host.
#[derive(Clone, Copy, Debug)]
pub struct RequeueJob {
    /// Takes jobs out of `quarantine/`, too.
    pub force: bool,
}

impl JobStep for RequeueJob {
    const NAME: StepName = StepName::Requeue;
    const FROM: &'static [Stage] = &[Stage::Failed, Stage::Quarantine];
    const CHECK: RecordCheck = RecordCheck::KnownFormat;

    fn write(&self, row: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        if row.stage == Stage::Quarantine && !self.force {
            return Err(StepRefusal::Quarantined { step: Self::NAME });
        }
        let update = RecordUpdate::new().clear(RUN_KEYS).clear(FLEET_KEYS);
        Ok(StepWrites::to(Stage::Inbox, update.clear(&[RecordKey::Held])).synced())
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{LEASE, is_synced, refusal, stages_of, written};
    use super::*;

    #[test]
    fn afresh_means_without_a_past() {
        let before = format!(
            "lock=l\nattempts=3\nsession_id=s\nsetup_done=1\nheld=1\ntotal_cost_usd=2\n\
             wip_branch=aq/wip/a\n{LEASE}"
        );
        let text = "attempts=\nsession_id=\nsetup_done=\nfleet_job_id=\nfleet_lease_epoch=\nheld=\n\
                    moved_to=inbox\n";
        for (force, stage) in
            [(false, Stage::Failed), (true, Stage::Failed), (true, Stage::Quarantine)]
        {
            let done = written(&RequeueJob { force }, stage, &before);
            assert_eq!(done, Ok((Some(Stage::Inbox), text.to_owned())));
        }
        assert!(is_synced(&RequeueJob { force: false }, Stage::Failed));
    }

    #[test]
    fn quarantine_is_left_by_force() {
        assert_eq!(stages_of(&RequeueJob { force: true }), [Stage::Failed, Stage::Quarantine]);
        let quarantined = StepRefusal::Quarantined { step: StepName::Requeue };
        assert_eq!(refusal(&RequeueJob { force: false }, Stage::Quarantine, ""), quarantined);
    }
}
