//! The folders as directories: looking at all that is in them, and noticing that one is another
//! than before.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use aq_manifest::{JobId, Stage};

use crate::store::{QueueDir, StoreError};

use super::super::folder_watch::{FolderIdentity, folder_identity};
use super::{Dispatcher, Progress, RunError};

/// The folders of jobs that have not ended, in the order in which they are looked at: what runs
/// already comes before what could.
const LIVE: [Stage; 4] = [Stage::Building, Stage::Inbox, Stage::Review, Stage::Testing];

/// For so long a folder's time may stay the same when it changes again: some file systems keep
/// whole seconds, or every other one.
const SAME_TIME: Duration = Duration::from_secs(2);

/// Jobs that are named when a loop ends without them; the others are counted.
const NAMED: usize = 5;

/// A folder at the time of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FolderState {
    changed: SystemTime,
    identity: FolderIdentity,
}

/// The directories without which a loop is not the loop of its queue; `None` when one could not be
/// asked about.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueIdentity {
    root: Option<FolderIdentity>,
    state: Option<FolderIdentity>,
}

impl QueueIdentity {
    pub(super) fn of(queue: &QueueDir) -> Self {
        let identity = |path: &Path| folder_identity(path).ok().flatten();
        Self { root: identity(queue.root()), state: identity(&queue.state()) }
    }
}

/// The part of a queue that its loop has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostPart {
    /// The queue's directory was moved away or removed.
    Root,
    /// Another directory has the queue's path.
    RootReplaced,
    /// `.state/`, which has the records and this loop's lock, was moved away or removed.
    State,
    /// Another directory is `.state/`.
    StateReplaced,
}

impl LostPart {
    /// Answers whether the queue as a whole has gone.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Root | Self::RootReplaced)
    }

    pub(super) fn words(self, queue: &Path) -> String {
        let queue = queue.display();
        match self {
            Self::Root => format!("the queue {queue} was moved away or removed under its run loop"),
            Self::RootReplaced => {
                format!("{queue} is another directory than the one that its run loop worked on")
            }
            Self::State => format!(
                "{queue}/.state, which has the records of the jobs, was moved away or removed"
            ),
            Self::StateReplaced => format!(
                "{queue}/.state is another directory than the one with the records of the jobs"
            ),
        }
    }
}

pub(super) fn now_at(path: Option<&Path>) -> String {
    path.map_or(String::new(), |path| format!("; that one is {} now", path.display()))
}

/// The jobs that go on, in words.
pub(super) fn shown_jobs(jobs: &[JobId]) -> String {
    let mut words = match jobs.len() {
        0 => return "; no job was running".to_owned(),
        1 => "; its job goes on: ".to_owned(),
        n => format!("; its {n} jobs go on: "),
    };
    for (n, job) in jobs.iter().take(NAMED).enumerate() {
        // Writing to a `String` cannot fail.
        let _ = write!(words, "{}{job}", if n == 0 { "" } else { ", " });
    }
    match jobs.len().checked_sub(NAMED + 1) {
        Some(_) => words + ", ...",
        None => words,
    }
}

impl Dispatcher<'_> {
    pub(super) fn look_at_everything(&mut self) -> Result<(), RunError> {
        let mut missing = BTreeSet::new();
        for stage in LIVE {
            match self.queue.jobs(stage) {
                Ok(jobs) => jobs.iter().for_each(|id| self.look_at(id)),
                Err(e) if is_missing(&e) => {
                    missing.insert(stage);
                }
                Err(e) => return Err(e.into()),
            }
        }
        for stage in missing.difference(&self.missing) {
            let folder = self.queue.stage(*stage);
            let message = format!(
                "{} is not there; its jobs are looked at when it is, `aq init {}` makes it",
                folder.display(),
                self.queue.root().display()
            );
            (self.observer)(Progress::Trouble(&message));
        }
        self.missing = missing;
        Ok(())
    }

    /// Fails when a folder is missing as the loop begins; only later may somebody be at work on
    /// one.
    pub(super) fn expect_all_folders(&self) -> Result<(), RunError> {
        let Some(stage) = self.missing.first() else { return Ok(()) };
        let (root, missing) = (self.queue.root().to_owned(), stage.folder());
        Err(StoreError::Incomplete { root, missing }.into())
    }

    /// Looks whether a folder is another directory than before, and then at everything. `told` says
    /// that the file system has told of one.
    pub(super) fn look_at_folders(&mut self, told: bool) -> Result<(), RunError> {
        let changed = self.wakes.renew_watch(told);
        self.expect_queue()?;
        if changed || told {
            // Those of a folder that is gone.
            let known: Vec<JobId> = self.model.order().into_iter().cloned().collect();
            known.iter().for_each(|id| self.look_at(id));
            // The profiles, and the settings beside them.
            self.reload();
            self.swept = self.folder_states();
            self.look_at_everything()?;
        }
        Ok(())
    }

    /// Looks at everything when a folder has changed since the last sweep. Where changes are told,
    /// this finds nothing new, and in an idle queue it costs a few system calls.
    pub(super) fn sweep(&mut self) -> Result<(), RunError> {
        self.swept_at = Instant::now();
        self.look_at_folders(false)?;
        let states = self.folder_states();
        if self.swept != states || states.contains(&None) {
            self.swept = states;
            self.look_at_everything()?;
        }
        Ok(())
    }

    /// The last change of each folder, and the directory that it is; `None` when it may change
    /// again without a sign of it, or cannot be asked.
    pub(super) fn folder_states(&self) -> Vec<Option<FolderState>> {
        let state = |stage: &Stage| {
            let found = self.queue.stage(*stage).metadata().ok()?;
            let changed = found.modified().ok()?;
            let is_old = changed.elapsed().is_ok_and(|age| age > SAME_TIME);
            is_old.then_some(FolderState { changed, identity: (found.dev(), found.ino()) })
        };
        LIVE.iter().map(state).collect()
    }

    /// Fails when the queue's directory, or the one with its records and this loop's lock, is
    /// another one now. To go on would be to work on what nobody sees, beside another loop perhaps.
    pub(super) fn expect_queue(&self) -> Result<(), RunError> {
        let found = |path: &Path, known: Option<FolderIdentity>| match folder_identity(path) {
            Ok(None) => Some(None),
            Ok(found) if known.is_some() && found != known => Some(found),
            // One that cannot be asked about is not lost.
            Ok(_) | Err(_) => None,
        };
        let part = match found(self.queue.root(), self.identity.root) {
            Some(None) => LostPart::Root,
            Some(Some(_)) => LostPart::RootReplaced,
            None => match found(&self.queue.state(), self.identity.state) {
                Some(None) => LostPart::State,
                Some(Some(_)) => LostPart::StateReplaced,
                None => return Ok(()),
            },
        };
        let lock = self.lock.path_now();
        let state = lock.as_deref().and_then(Path::parent);
        let now_at = if part.is_whole() { state.and_then(Path::parent) } else { state };
        let mut going_on: Vec<JobId> = self.running.iter().cloned().collect();
        going_on.sort();
        let queue = self.queue.root().to_owned();
        Err(RunError::Lost { queue, part, now_at: now_at.map(Path::to_owned), going_on })
    }
}

fn is_missing(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
