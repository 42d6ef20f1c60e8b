//! Jobs whose deps' work does not go together, or cannot be had.

use aq_manifest::Stage;
use jiff::{SignedDuration, Timestamp};

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate, WORKER_KEYS};

/// The pause before such a job is tried again, however often its branches move.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// The pause before another machine is asked again.
const LONGER_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// Puts a job back that cannot start with the work of its deps. The attempt does not count, and the
/// next one comes when a branch has moved.
#[derive(Clone, Copy, Debug)]
pub struct AwaitDeps<'a> {
    /// The dep that is in the way.
    pub dep: &'a str,
    /// What is wrong with its work.
    pub obstacle: DepObstacle<'a>,
    /// The reason, for people.
    pub message: &'a str,
}

/// The reason why a job cannot start with the work of a dep.
#[derive(Clone, Copy, Debug)]
pub enum DepObstacle<'a> {
    /// It does not go with the rest.
    Conflict {
        /// A file in conflict.
        file: &'a str,
        /// A digest of where the branches were.
        seen: &'a str,
    },
    /// It is on this host, and cannot be had.
    Elsewhere(&'a str),
}

impl JobStep for AwaitDeps<'_> {
    const NAME: StepName = StepName::AwaitDeps;
    const FROM: &'static [Stage] = &[Stage::Building];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, _: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let pause = match self.obstacle {
            DepObstacle::Conflict { .. } => PAUSE,
            DepObstacle::Elsewhere(_) => LONGER_PAUSE,
        };
        let next = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        let update = RecordUpdate::new()
            .set(RecordKey::EndedAt, now)
            .set(RecordKey::NextEligible, next)
            .set(RecordKey::Message, self.message);
        let update = match self.obstacle {
            DepObstacle::Conflict { file, seen } => update
                .set(RecordKey::DepsConflict, file)
                .set(RecordKey::DepsConflictDep, self.dep)
                .set(RecordKey::DepsSeen, seen),
            DepObstacle::Elsewhere(host) => {
                update.set(RecordKey::DepElsewhere, format!("{}@{host}", self.dep))
            }
        };
        Ok(StepWrites::to(Stage::Inbox, update.clear(WORKER_KEYS)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{AT_WORK, stages_of, written};
    use super::*;

    #[test]
    fn conflicts_do_not_count() {
        let obstacle = DepObstacle::Conflict { file: "a,b", seen: "5d" };
        let step = AwaitDeps { dep: "schema", obstacle, message: "m" };
        let text = "ended_at=1970-01-01T00:01:40Z\nnext_eligible=1970-01-01T00:01:50Z\nmessage=m\n\
                    deps_conflict=a,b\ndeps_conflict_dep=schema\ndeps_seen=5d\n\
                    pid=\npidstart=\nboot=\nstep=\nmoved_to=inbox\n";
        let done = written(&step, Stage::Building, AT_WORK);
        assert_eq!(done, Ok((Some(Stage::Inbox), text.to_owned())));
        assert_eq!(stages_of(&step), [Stage::Building]);
    }

    #[test]
    fn other_hosts_are_asked_later() {
        let obstacle = DepObstacle::Elsewhere("mill-1");
        let step = AwaitDeps { dep: "schema", obstacle, message: "m" };
        let text = "ended_at=1970-01-01T00:01:40Z\nnext_eligible=1970-01-01T00:02:40Z\nmessage=m\n\
                    dep_elsewhere=schema@mill-1\npid=\npidstart=\nboot=\nstep=\nmoved_to=inbox\n";
        let done = written(&step, Stage::Building, AT_WORK);
        assert_eq!(done, Ok((Some(Stage::Inbox), text.to_owned())));
    }
}
