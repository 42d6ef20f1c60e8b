//! Jobs that wait for a directory in another queue than the one that is used there now.

use std::path::PathBuf;

use aq_manifest::{JobId, Stage};

use crate::store::{JobRecord, QueueDir};

use super::super::environment::ProcessEnvironment;
use super::error::PlaceError;
use super::trust::trusted_queues;
use super::user_dirs::UserDirs;

/// Jobs that wait for a directory in one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingElsewhere {
    /// The queue.
    pub queue: PathBuf,
    /// The jobs, by name.
    pub jobs: Vec<JobId>,
}

/// The jobs in the inboxes of all queues that the user's list has, and of the user's own, that work
/// in one of `dirs` or below it. `here` is left out. A queue that cannot be read has none.
///
/// # Errors
/// When `AQ_HOME` is no place.
pub fn waiting_elsewhere(
    here: &QueueDir,
    dirs: &[PathBuf],
    environment: &ProcessEnvironment,
) -> Result<Vec<WaitingElsewhere>, PlaceError> {
    if dirs.is_empty() {
        return Ok(Vec::new());
    }
    let mut queues = trusted_queues(environment);
    queues.extend(UserDirs::new(environment)?.data);
    queues.sort();
    queues.dedup();
    let opened = queues.iter().filter_map(|path| QueueDir::open(path).ok());
    let others = opened.filter(|queue| queue.root() != here.root());
    let found = others.map(|queue| WaitingElsewhere {
        jobs: jobs_in(&queue, dirs),
        queue: queue.root().to_owned(),
    });
    Ok(found.filter(|found| !found.jobs.is_empty()).collect())
}

fn jobs_in(queue: &QueueDir, dirs: &[PathBuf]) -> Vec<JobId> {
    let ids = queue.jobs(Stage::Inbox).unwrap_or_default();
    let works_here = |id: &JobId| {
        let record = JobRecord::read(queue, Stage::Inbox, id.clone());
        let cwd = record.ok().and_then(|record| record.cwd());
        cwd.is_some_and(|cwd| dirs.iter().any(|dir| cwd.starts_with(dir)))
    };
    let mut jobs: Vec<JobId> = ids.into_iter().filter(works_here).collect();
    jobs.sort();
    jobs
}
