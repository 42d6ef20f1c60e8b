//! The updates that trackers have got of each job, and those that wait: one small file a job, of
//! numbers and words only. Each is replaced whole, under one lock, so a kill between any two steps
//! leaves the file of before or the one after.
//!
//! A file is there only while it is needed. What it says of the past can be derived again from the
//! job's record, so none of this is synced.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aq_manifest::{JobId, Stage};
use aq_tracker::{StatusMap, TrackerUpdate};
use serde::{Deserialize, Serialize};

/// Most echoes of one job that wait. A tracker that is down for long does not get what came before.
const MAX_WAITING: usize = 64;

/// Longest file that is read, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// The files of all jobs.
#[derive(Clone, Debug)]
pub(crate) struct UpdateOutbox {
    dir: PathBuf,
}

/// The updates of one job: those that its tracker has got, and those that it is to get.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobUpdates {
    /// The item.
    pub(crate) item: String,
    /// Bytes of the job's record that have been read; `None`: it never was.
    #[serde(default)]
    pub(crate) read: Option<u64>,
    /// The folder that the job was last seen in: what led there has been noted.
    #[serde(default)]
    pub(crate) seen: Option<String>,
    /// The folder that was sent last.
    #[serde(default)]
    pub(crate) echoed: Option<String>,
    /// The comment that was written, where the tracker edits comments.
    #[serde(default)]
    pub(crate) comment: Option<String>,
    /// To be sent, in this order.
    #[serde(default)]
    pub(crate) waiting: Vec<TrackerUpdate>,
    /// The reason why the last try did not succeed.
    #[serde(default)]
    pub(crate) problem: Option<String>,
}

/// A right that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct OutboxLock {
    _file: File,
}

impl UpdateOutbox {
    /// The files in `dir`, which need not be there.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Waits for the right to change the files; it is held for a moment only.
    pub(crate) fn lock(&self) -> io::Result<OutboxLock> {
        self.lock_file("lock")
    }

    /// Waits for the right to talk to trackers: one process at a time does, so that nothing is sent
    /// twice. It is held for as long as one echo takes.
    pub(crate) fn lock_talk(&self) -> io::Result<OutboxLock> {
        self.lock_file("talk.lock")
    }

    fn lock_file(&self, name: &str) -> io::Result<OutboxLock> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.custom_flags(nix::libc::O_NOFOLLOW).open(self.dir.join(name))?;
        file.lock()?;
        Ok(OutboxLock { _file: file })
    }

    /// Reads the file of a job. One that cannot be understood is none: it is derived again.
    pub(crate) fn read(&self, job: &JobId) -> Option<JobUpdates> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK);
        let mut text = String::new();
        options.open(self.path(job)).ok()?.take(MAX_LEN).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Replaces what is known of a job.
    pub(crate) fn write(
        &self,
        _lock: &OutboxLock,
        job: &JobId,
        told: &JobUpdates,
    ) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(&serde_json::to_vec(told)?)?;
        file.persist(self.path(job)).map_err(|e| e.error)?;
        Ok(())
    }

    /// Changes what is known of a job, if something is.
    pub(crate) fn change(
        &self,
        job: &JobId,
        change: impl FnOnce(&mut JobUpdates),
    ) -> io::Result<()> {
        let lock = self.lock()?;
        let Some(mut told) = self.read(job) else { return Ok(()) };
        change(&mut told);
        self.write(&lock, job, &told)
    }

    /// Forgets a job.
    pub(crate) fn remove(&self, _lock: &OutboxLock, job: &JobId) -> io::Result<()> {
        match std::fs::remove_file(self.path(job)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// The jobs of which something is known.
    pub(crate) fn jobs(&self) -> Vec<JobId> {
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return Vec::new() };
        let job = |entry: std::fs::DirEntry| {
            let name = entry.file_name();
            JobId::new(Path::new(&name).to_str()?.strip_suffix(".json")?).ok()
        };
        entries.flatten().filter_map(job).collect()
    }

    fn path(&self, job: &JobId) -> PathBuf {
        self.dir.join(format!("{job}.json"))
    }
}

impl JobUpdates {
    /// Adds what is to be sent, but not what the tracker has got last, and nothing of folders
    /// that have no status.
    pub(crate) fn note(
        &mut self,
        echoes: impl IntoIterator<Item = TrackerUpdate>,
        statuses: &StatusMap,
    ) {
        for echo in echoes {
            if statuses.status(echo.stage).is_some() && !self.is_last(echo.stage) {
                self.waiting.push(echo);
            }
        }
        let too_many = self.waiting.len().saturating_sub(MAX_WAITING);
        self.waiting.drain(..too_many);
    }

    /// Takes the first one that waits out, if it is this: it may have been dropped since.
    pub(crate) fn done(&mut self, echo: &TrackerUpdate) {
        if self.waiting.first() == Some(echo) {
            self.waiting.remove(0);
        }
    }

    /// Tests for the state that the tracker knows, or will know when all is sent.
    pub(crate) fn is_last(&self, stage: Stage) -> bool {
        match self.waiting.last() {
            Some(echo) => echo.stage == stage,
            None => self.echoed.as_deref() == Some(stage.folder()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(stage: Stage) -> TrackerUpdate {
        TrackerUpdate::read(stage, |_| None)
    }

    fn stages(told: &JobUpdates) -> Vec<Stage> {
        told.waiting.iter().map(|echo| echo.stage).collect()
    }

    #[test]
    fn repeated_folders_are_left_out() {
        let mut told = JobUpdates { echoed: Some("building".to_owned()), ..JobUpdates::default() };
        let steps = [Stage::Building, Stage::Inbox, Stage::Building, Stage::Review, Stage::Review];
        told.note(steps.map(echo), &StatusMap::default());
        assert_eq!(stages(&told), [Stage::Review]);
        told.note([echo(Stage::Building)], &StatusMap::default());
        assert_eq!(stages(&told), [Stage::Review, Stage::Building]);
    }

    #[test]
    fn long_outage_drops_the_oldest() {
        let mut told = JobUpdates::default();
        for _ in 0..MAX_WAITING {
            told.note([echo(Stage::Building), echo(Stage::Failed)], &StatusMap::default());
        }
        told.note([echo(Stage::Shipped)], &StatusMap::default());
        assert_eq!(told.waiting.len(), MAX_WAITING);
        assert_eq!(told.waiting.last().map(|echo| echo.stage), Some(Stage::Shipped));
    }

    #[test]
    fn files_survive_and_nonsense_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = UpdateOutbox::new(dir.path().join("tracker"));
        let job: JobId = "a".parse().unwrap();
        assert!(outbox.jobs().is_empty());
        assert!(!dir.path().join("tracker").exists(), "looking makes nothing");
        let lock = outbox.lock().unwrap();
        let full = TrackerUpdate::read(Stage::Failed, |key| match key {
            "result" => Some("retries_exhausted"),
            "failure_class" => Some("timeout"),
            "cost_usd" => Some("0.1"),
            "attempts" => Some("3"),
            _ => None,
        });
        let told = JobUpdates {
            item: "AQ-1".to_owned(),
            read: Some(7),
            waiting: vec![echo(Stage::Review), full],
            ..JobUpdates::default()
        };
        outbox.write(&lock, &job, &told).unwrap();
        assert_eq!(outbox.read(&job), Some(told));
        assert_eq!(outbox.jobs(), std::slice::from_ref(&job));
        std::fs::write(dir.path().join("tracker/a.json"), "{\"item\": 3").unwrap();
        assert_eq!(outbox.read(&job), None);
        outbox.remove(&lock, &job).unwrap();
        outbox.remove(&lock, &job).unwrap();
        assert!(outbox.jobs().is_empty());
    }
}
