//! The folders as directories: looking at all that is in them, and noticing that one is another
//! than before.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use aq_manifest::{JobId, Stage};

use super::context::PendingWork;
use super::effects::EffectPerformer;
use super::loop_core::{LoopCore, LoopEvent, SWEEP};
use super::progress::RunError;
use crate::run::queue::folder_identity::{FolderIdentity, folder_identity};
use crate::store::{QueueDir, StoreError};

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

pub(super) fn shown_place(path: Option<&Path>) -> String {
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

/// The last looks at the folders.
#[derive(Debug)]
pub(super) struct FolderLooks {
    /// The directories that the loop works on.
    identity: QueueIdentity,
    /// Folders that are not there.
    missing: BTreeSet<Stage>,
    /// The folders as of the last sweep.
    swept: Vec<Option<FolderState>>,
    /// When that was.
    swept_at: Instant,
}

impl FolderLooks {
    pub(super) fn new(identity: QueueIdentity) -> Self {
        let (missing, swept) = (BTreeSet::new(), Vec::new());
        Self { identity, missing, swept, swept_at: Instant::now() }
    }

    /// Takes the folders as they are now for looked at.
    pub(super) fn note_states(&mut self, queue: &QueueDir) {
        self.swept = folder_states(queue);
    }
}

impl EffectPerformer<'_> {
    /// Sends each job that is not over as touched.
    pub(super) fn list_folders(&mut self, out: &mut Vec<PendingWork>) -> Result<(), RunError> {
        let mut missing = BTreeSet::new();
        for stage in LIVE {
            match self.context.touch_jobs(stage, out) {
                Ok(()) => {}
                Err(e) if is_missing(&e) => {
                    missing.insert(stage);
                }
                Err(e) => return Err(e.into()),
            }
        }
        for stage in missing.difference(&self.folders.missing) {
            let folder = self.context.queue.stage(*stage);
            let message =
                format!("{} is not there: make it, and its jobs are looked at", folder.display());
            self.context.report_trouble(&message);
        }
        self.folders.missing = missing;
        Ok(())
    }

    /// Fails when a folder is missing as the loop begins; only later may somebody be at work on
    /// one.
    pub(super) fn expect_all_folders(&self) -> Result<(), RunError> {
        let Some(stage) = self.folders.missing.first() else { return Ok(()) };
        let (root, missing) = (self.context.queue.root().to_owned(), stage.folder());
        Err(StoreError::Incomplete { root, missing }.into())
    }

    /// Looks whether a folder is another directory than before. `told`: the watch has seen that one
    /// is.
    pub(super) fn look_at_folders(
        &mut self,
        told: bool,
        core: &LoopCore,
        out: &mut Vec<PendingWork>,
    ) -> Result<(), RunError> {
        let changed = self.context.source.renew_watch(told);
        self.expect_queue(core)?;
        if changed || told {
            self.folders.note_states(self.context.queue);
            out.push(LoopEvent::FoldersReplaced.into());
        }
        Ok(())
    }

    /// Has everything looked at when a folder has changed since the last sweep. Where changes are
    /// reported, this finds nothing new, and in an idle queue it costs a few system calls.
    pub(super) fn sweep_when_due(
        &mut self,
        core: &LoopCore,
        out: &mut Vec<PendingWork>,
    ) -> Result<(), RunError> {
        if self.folders.swept_at.elapsed() < SWEEP {
            return Ok(());
        }
        self.folders.swept_at = Instant::now();
        self.look_at_folders(false, core, out)?;
        let states = folder_states(self.context.queue);
        if self.folders.swept != states || states.contains(&None) {
            self.folders.swept = states;
            out.push(LoopEvent::FoldersChanged.into());
        }
        Ok(())
    }

    /// Fails when the queue's directory, or the one with its records and this loop's lock, is
    /// another one now. To go on would be to work on what nobody sees, beside another loop perhaps.
    pub(super) fn expect_queue(&self, core: &LoopCore) -> Result<(), RunError> {
        let found = |path: &Path, known: Option<FolderIdentity>| match folder_identity(path) {
            Ok(None) => Some(None),
            Ok(found) if known.is_some() && found != known => Some(found),
            // One that cannot be asked about is not lost.
            Ok(_) | Err(_) => None,
        };
        let (queue, identity) = (self.context.queue, self.folders.identity);
        let part = match found(queue.root(), identity.root) {
            Some(None) => LostPart::Root,
            Some(Some(_)) => LostPart::RootReplaced,
            None => match found(&queue.state(), identity.state) {
                Some(None) => LostPart::State,
                Some(Some(_)) => LostPart::StateReplaced,
                None => return Ok(()),
            },
        };
        let lock = self.lock_path();
        let state = lock.as_deref().and_then(Path::parent);
        let now_at = if part.is_whole() { state.and_then(Path::parent) } else { state };
        let mut going_on: Vec<JobId> = core.running().iter().cloned().collect();
        going_on.sort();
        let queue = queue.root().to_owned();
        Err(RunError::Lost { queue, part, now_at: now_at.map(Path::to_owned), going_on })
    }
}

/// The last change of each folder, and the directory that it is; `None` when it may change again
/// without a sign of it, or cannot be asked.
fn folder_states(queue: &QueueDir) -> Vec<Option<FolderState>> {
    let state = |stage: &Stage| {
        let found = queue.stage(*stage).metadata().ok()?;
        let changed = found.modified().ok()?;
        let is_old = changed.elapsed().is_ok_and(|age| age > SAME_TIME);
        is_old.then_some(FolderState { changed, identity: (found.dev(), found.ino()) })
    };
    LIVE.iter().map(state).collect()
}

fn is_missing(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
