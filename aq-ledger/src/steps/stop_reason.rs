//! The ends of jobs that nobody wants any more.

use aq_manifest::{Outcome, Stage};

use super::{Durability, StepWrites};
use crate::{RecordKey, RecordUpdate};

/// The reason to end a job before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// A person wants it to end.
    Person,
    /// The coordinator has given the job to another host.
    Fenced,
}

impl StopReason {
    /// The folder in which such a job ends.
    pub fn stage(self) -> Stage {
        match self {
            Self::Person => Stage::Failed,
            Self::Fenced => Stage::Quarantine,
        }
    }

    /// Its result.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Person => Outcome::Stopped,
            Self::Fenced => Outcome::Fenced,
        }
    }

    /// Its message, for the log and the record.
    pub fn message(self) -> &'static str {
        match self {
            Self::Person => "stopped by a person",
            Self::Fenced => "its fleet lease has passed to another host",
        }
    }

    /// The end of such a job, after the lines of `update`.
    pub(super) fn end(self, update: RecordUpdate) -> StepWrites {
        let update =
            update.set(RecordKey::Result, self.outcome()).set(RecordKey::Message, self.message());
        let step = StepWrites::to(self.stage(), update);
        match self.durability() {
            Durability::Synced => step.synced(),
            Durability::Deferred => step,
        }
    }

    /// The demand on the disk: a host must not come back from power loss and believe that the job
    /// is still its own.
    pub fn durability(self) -> Durability {
        match self {
            Self::Person => Durability::Deferred,
            Self::Fenced => Durability::Synced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fences_are_synced() {
        let end = |reason: StopReason| (reason.stage(), reason.outcome(), reason.durability());
        let stopped = (Stage::Failed, Outcome::Stopped, Durability::Deferred);
        assert_eq!(end(StopReason::Person), stopped);
        let fenced = (Stage::Quarantine, Outcome::Fenced, Durability::Synced);
        assert_eq!(end(StopReason::Fenced), fenced);
        for reason in [StopReason::Person, StopReason::Fenced] {
            assert_eq!(reason.end(RecordUpdate::new()).durability(), reason.durability());
        }
        let text = StopReason::Person.end(RecordUpdate::new()).update().to_text();
        assert_eq!(text, "result=stopped\nmessage=stopped by a person\nmoved_to=failed\n");
    }
}
