//! The wishes because of which a job ends before it is done.

use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::{Durability, Step};
use crate::{RecordKey, RecordUpdate};

/// The one who wishes that a job end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A person.
    Person,
    /// The coordinator: the job has gone to another host.
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

    /// Words for the log and the record.
    pub fn words(self) -> &'static str {
        match self {
            Self::Person => "stopped by a person",
            Self::Fenced => "its fleet lease has passed to another host",
        }
    }

    /// The demand on the disk: a host must not come back from power loss and believe that a fenced job
    /// is still its own.
    pub fn durability(self) -> Durability {
        match self {
            Self::Person => Durability::Deferred,
            Self::Fenced => Durability::Synced,
        }
    }

    /// The end of such a job, after `update`.
    pub(super) fn end(self, update: RecordUpdate, now: Timestamp) -> Step {
        let update = update
            .set(RecordKey::EndedAt, now)
            .set(RecordKey::Result, self.outcome())
            .set(RecordKey::Message, self.words());
        let step = Step::to(self.stage(), update);
        match self.durability() {
            Durability::Deferred => step,
            Durability::Synced => step.synced(),
        }
    }
}
