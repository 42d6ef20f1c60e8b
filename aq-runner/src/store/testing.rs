//! A queue in a temporary directory, for tests of this crate.

use std::ops::Deref;
use std::path::Path;

use aq_ledger::{RecordContent, RecordKey, RecordUpdate};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::add::{AddContext, AddError, DraftResult, JobDraft, add};
use super::queue_dir::QueueDir;

/// A queue that goes with this value.
#[derive(Debug)]
pub(crate) struct TestQueue {
    dir: tempfile::TempDir,
    queue: QueueDir,
}

impl TestQueue {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(&dir.path().join("q")).unwrap();
        Self { dir, queue }
    }

    /// The directory around the queue.
    pub(crate) fn base(&self) -> &Path {
        self.dir.path()
    }

    /// Adds files by name and text.
    pub(crate) fn add(&self, files: &[(&str, &str)]) -> Result<Vec<DraftResult>, AddError> {
        let draft = |&(name, text): &(&str, &str)| {
            JobDraft::new(format!("{name}.md"), id(name), text.to_owned())
        };
        self.add_drafts(&files.iter().map(draft).collect::<Vec<_>>())
    }

    pub(crate) fn add_drafts(&self, drafts: &[JobDraft]) -> Result<Vec<DraftResult>, AddError> {
        let base = self.base().to_owned();
        let context = AddContext::new(base, None, Timestamp::UNIX_EPOCH);
        add(&self.queue, drafts, &context).map(|report| report.added)
    }

    /// Puts a job with an almost empty record where it is wanted.
    pub(crate) fn place(&self, name: &str, stage: Stage, text: &str) {
        std::fs::write(self.queue.job_file(stage, &id(name)), text).unwrap();
        let record = RecordUpdate::new().set(RecordKey::AddedAt, Timestamp::UNIX_EPOCH);
        std::fs::write(self.queue.meta(&id(name)), record.to_new_file()).unwrap();
    }

    /// Moves a job's file as a person would.
    pub(crate) fn shift(&self, name: &str, from: Stage, to: Stage) {
        let (from, to) = (self.job_file(from, &id(name)), self.job_file(to, &id(name)));
        std::fs::rename(from, to).unwrap();
    }

    pub(crate) fn record(&self, name: &str) -> RecordContent {
        super::read_values(&self.queue.meta(&id(name))).unwrap()
    }
}

impl Deref for TestQueue {
    type Target = QueueDir;

    fn deref(&self) -> &QueueDir {
        &self.queue
    }
}

pub(crate) fn id(name: &str) -> JobId {
    name.parse().unwrap()
}
