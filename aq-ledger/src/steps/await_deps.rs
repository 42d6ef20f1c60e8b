//! Jobs whose deps' work does not go together.

use aq_manifest::Stage;
use jiff::{SignedDuration, Timestamp};

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate, WORKER_KEYS};

/// The pause before such a job is tried again, however often its branches move.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// Puts a job back that cannot start with the work of its deps. The attempt does not count, and the
/// next one comes when a branch has moved.
#[derive(Clone, Copy, Debug)]
pub struct AwaitDeps<'a> {
    /// The job whose work does not go with the rest.
    pub dep: &'a str,
    /// A file in conflict.
    pub file: &'a str,
    /// A digest of where the branches were.
    pub seen: &'a str,
    /// The reason, for people.
    pub message: &'a str,
}

impl JobStep for AwaitDeps<'_> {
    const NAME: StepName = StepName::AwaitDeps;
    const FROM: &'static [Stage] = &[Stage::Building];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, _: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let next = now.saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
        let update = RecordUpdate::new()
            .set(RecordKey::EndedAt, now)
            .set(RecordKey::NextEligible, next)
            .set(RecordKey::Message, self.message)
            .set(RecordKey::DepsConflict, self.file)
            .set(RecordKey::DepsConflictDep, self.dep)
            .set(RecordKey::DepsSeen, self.seen)
            .clear(WORKER_KEYS);
        Ok(StepWrites::to(Stage::Inbox, update))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{AT_WORK, stages_of, written};
    use super::*;

    #[test]
    fn conflicts_do_not_count() {
        let step = AwaitDeps { dep: "schema", file: "a,b", seen: "5d", message: "m" };
        let text = "ended_at=1970-01-01T00:01:40Z\nnext_eligible=1970-01-01T00:01:50Z\nmessage=m\n\
                    deps_conflict=a,b\ndeps_conflict_dep=schema\ndeps_seen=5d\n\
                    pid=\npidstart=\nboot=\nstep=\nmoved_to=inbox\n";
        let done = written(&step, Stage::Building, AT_WORK);
        assert_eq!(done, Ok((Some(Stage::Inbox), text.to_owned())));
        assert_eq!(stages_of(&step), [Stage::Building]);
    }
}
