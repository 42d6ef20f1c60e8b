//! The wish that a job end before it is done: a file beside the queue's state, so that it is there
//! for the worker that gets the signal and for recovery when that worker is dead.

use std::io;
use std::path::{Path, PathBuf};

use aq_ledger::steps::StopReason;
use aq_manifest::JobId;

use crate::store::QueueDir;

/// What the file says when the job is no longer this host's.
const FENCED: &str = "fenced\n";

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
    pub(crate) fn make(&self, reason: StopReason) -> io::Result<()> {
        match reason {
            StopReason::Fenced => std::fs::write(&self.path, FENCED),
            StopReason::Person if self.reason() == Some(StopReason::Fenced) => Ok(()),
            StopReason::Person => std::fs::write(&self.path, ""),
        }
    }

    /// The reason of the wish, when it is made.
    pub(crate) fn reason(&self) -> Option<StopReason> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) if text == FENCED => Some(StopReason::Fenced),
            Ok(_) => Some(StopReason::Person),
            // What is there and cannot be read is a wish all the same.
            Err(_) => self.path.exists().then_some(StopReason::Person),
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
        assert_eq!(request.reason(), None);
        request.make(StopReason::Person).unwrap();
        assert_eq!(request.reason(), Some(StopReason::Person));
        request.make(StopReason::Fenced).unwrap();
        request.make(StopReason::Person).unwrap();
        assert_eq!(request.reason(), Some(StopReason::Fenced));
        request.withdraw();
        assert!(!request.is_made());
    }

    #[test]
    fn unreadable_wishes_are_those_of_people() {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(&dir.path().join("q")).unwrap();
        let request = StopRequest::of(&queue, &"a".parse().unwrap());
        std::fs::create_dir(&request.path).unwrap();
        assert_eq!((request.reason(), request.is_made()), (Some(StopReason::Person), true));
    }

    #[test]
    fn loops_can_be_asked_twice() {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(&dir.path().join("q")).unwrap();
        let request = LoopStopRequest::of(&queue);
        for _ in 0..2 {
            assert!(!request.is_made());
            request.make().unwrap();
            request.make().unwrap();
            assert!(request.is_made() && request.path().exists());
            request.withdraw();
        }
        assert!(!request.is_made());
    }
}
