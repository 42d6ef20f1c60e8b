//! The wish that a job end before it is done: a file beside the queue's state, so that it is there
//! for the worker that gets the signal and for recovery when that worker is dead.

use std::io;
use std::path::{Path, PathBuf};

use aq_ledger::steps::{Durability, StopReason};
use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::{JobId, Outcome, Stage};

use crate::store::QueueDir;

/// What the file says when the job is no longer this host's.
const FENCED: &str = "fenced\n";

/// Whose wish it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A person's.
    Person,
    /// The coordinator's: the job went to another host.
    Fenced,
}

impl Why {
    /// The folder in which such a job ends.
    pub(crate) fn stage(self) -> Stage {
        match self {
            Self::Person => Stage::Failed,
            Self::Fenced => Stage::Quarantine,
        }
    }

    /// Its result.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Person => Outcome::Stopped,
            Self::Fenced => Outcome::Fenced,
        }
    }

    /// For the log and the record.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Person => "stopped by a person",
            Self::Fenced => "its fleet lease has passed to another host",
        }
    }

    /// The record of such an end.
    pub(crate) fn record(self) -> RecordUpdate {
        RecordUpdate::new()
            .set(RecordKey::Result, self.outcome())
            .set(RecordKey::Message, self.words())
    }

    /// A host must not come back from power loss and believe that the job is still its own.
    pub(crate) fn promise(self) -> Durability {
        match self {
            Self::Person => Durability::Deferred,
            Self::Fenced => Durability::Synced,
        }
    }
}

impl From<Why> for StopReason {
    fn from(why: Why) -> Self {
        match why {
            Why::Person => Self::Person,
            Why::Fenced => Self::Fenced,
        }
    }
}

/// The wish for one job, made or not.
#[derive(Debug)]
pub(crate) struct StopRequest {
    path: PathBuf,
}

impl StopRequest {
    pub(crate) fn of(queue: &QueueDir, id: &JobId) -> Self {
        // No job id starts with a dot, so this is nobody's scratch folder.
        Self { path: queue.state().join(format!("tmp/.stop-{id}")) }
    }

    /// Makes the wish. A fenced job stays fenced, whatever a person wishes later.
    pub(crate) fn make(&self, why: Why) -> io::Result<()> {
        match why {
            Why::Fenced => std::fs::write(&self.path, FENCED),
            Why::Person if self.why() == Some(Why::Fenced) => Ok(()),
            Why::Person => std::fs::write(&self.path, ""),
        }
    }

    /// Whether the wish is made, and whose it is.
    pub(crate) fn why(&self) -> Option<Why> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) if text == FENCED => Some(Why::Fenced),
            Ok(_) => Some(Why::Person),
            // What is there and cannot be read is a wish all the same.
            Err(_) => self.path.exists().then_some(Why::Person),
        }
    }

    pub(crate) fn is_made(&self) -> bool {
        self.path.exists()
    }

    pub(crate) fn withdraw(&self) {
        // Not there is as good as removed; a file that cannot be removed is met at the next run,
        // which withdraws it before it starts.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The request that the loop of a queue end, for one that is a part of a program: a signal would
/// end all of that.
#[derive(Debug)]
pub(crate) struct LoopStopRequest {
    path: PathBuf,
}

impl LoopStopRequest {
    pub(crate) fn of(queue: &QueueDir) -> Self {
        Self { path: queue.state().join("loop.stop") }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn make(&self) -> io::Result<()> {
        std::fs::write(&self.path, "")
    }

    pub(crate) fn is_made(&self) -> bool {
        self.path.exists()
    }

    pub(crate) fn withdraw(&self) {
        // One that stays ends the next loop, which is seen; mostly there is none.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_does_not_take_a_fence_away() {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(&dir.path().join("q")).unwrap();
        let request = StopRequest::of(&queue, &"a".parse().unwrap());
        assert_eq!(request.why(), None);
        request.make(Why::Person).unwrap();
        assert_eq!(request.why(), Some(Why::Person));
        request.make(Why::Fenced).unwrap();
        request.make(Why::Person).unwrap();
        assert_eq!(request.why(), Some(Why::Fenced));
        request.withdraw();
        assert!(!request.is_made());
    }
}
