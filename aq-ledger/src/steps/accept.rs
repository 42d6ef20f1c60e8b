//! Agents' work that passes its judgement.

use aq_manifest::{ReviewPolicy, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate, WORKER_KEYS};

/// Takes the agent's work into `review/`. The attempt has ended and counts.
#[derive(Clone, Copy, Debug)]
pub struct AcceptWork {
    /// The one who comes next: a person, or `verify` in the same worker.
    pub policy: ReviewPolicy,
}

impl JobStep for AcceptWork {
    const NAME: StepName = StepName::Accept;
    const FROM: &'static [Stage] = &[Stage::Building];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let update = RecordUpdate::new()
            .set(RecordKey::EndedAt, now)
            .set(RecordKey::Recoveries, 0)
            .set(RecordKey::Attempts, row.attempt_number())
            .clear(&[RecordKey::HostTries]);
        let update = match self.policy {
            ReviewPolicy::Human => update.clear(WORKER_KEYS),
            // The worker stays named: when it dies in `verify`, there is something to end.
            ReviewPolicy::Auto => update,
        };
        Ok(StepWrites::to(Stage::Review, update))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{AT_WORK, stages_of, written};
    use super::*;

    #[test]
    fn workers_stay_named_for_verify() {
        let accept = |policy| {
            let done = written(&AcceptWork { policy }, Stage::Building, AT_WORK);
            done.map(|(to, text)| (to, text.replace("ended_at=1970-01-01T00:01:40Z\n", "")))
        };
        let kept = "recoveries=0\nattempts=3\nmoved_to=review\n".to_owned();
        assert_eq!(accept(ReviewPolicy::Auto), Ok((Some(Stage::Review), kept)));
        let cleared = "recoveries=0\nattempts=3\npid=\npidstart=\nboot=\nstep=\nmoved_to=review\n";
        assert_eq!(accept(ReviewPolicy::Human), Ok((Some(Stage::Review), cleared.to_owned())));
        assert_eq!(stages_of(&AcceptWork { policy: ReviewPolicy::Auto }), [Stage::Building]);
    }
}
