//! A person's wish that a job end: a file beside the queue's state, so that it is there for the
//! worker that gets the signal and for recovery when that worker is dead.

use std::io;
use std::path::PathBuf;

use aq_manifest::JobId;

use crate::store::QueueDir;

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

    pub(crate) fn make(&self) -> io::Result<()> {
        std::fs::write(&self.path, "")
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
