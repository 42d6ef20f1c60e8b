//! A project that was moved, or copied, together with what its queue has recorded of it.
//!
//! Records are mapped job by job, and the marker last: a process that dies between leaves
//! the marker as it was, and the next one goes on. A record says for how many moves it was mapped
//! (`place_moves`), so that none is mapped twice, not even where the new place is below the old
//! one.

use std::path::{Path, PathBuf};

use crate::store::{FileLock, QueueDir, RepositoryMarker, sync_file_system};

use super::checkouts::{recorded_queue, repair_checkouts};
use super::error::{PlaceError, is_absent};
use super::mapping::{RecordMove, map_records};
use super::repository_place::{RepositoryPlace, is_same};
use super::search::{PROJECT_QUEUE, QueuePlace};

/// A move that the queue has not followed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectMove {
    /// The old top.
    pub from: PathBuf,
    /// The new one.
    pub to: PathBuf,
    /// The old common git directory, where it is recorded.
    old_path: Option<PathBuf>,
    /// The marker to be.
    marker: RepositoryMarker,
}

impl ProjectMove {
    /// The directories in which the repository was, or is.
    fn places(&self) -> Vec<&Path> {
        let tops = [self.from.as_path(), self.to.as_path()].into_iter();
        tops.chain(self.old_path.as_deref()).chain(self.marker.path.as_deref()).collect()
    }

    fn step(&self, number: usize) -> RecordMove<'_> {
        RecordMove { from: &self.from, to: &self.to, number }
    }
}

/// Effects of following a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveReport {
    /// The old top.
    pub from: PathBuf,
    /// The new one.
    pub to: PathBuf,
    /// Jobs that work in the new place now.
    pub jobs: usize,
    /// Checkouts of jobs that could not be mended, with the cause.
    pub problems: Vec<String>,
}

/// Place of the project, compared with what the queue has recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ProjectFinding {
    Settled,
    /// The marker is missing, or incomplete; nothing was moved.
    Unmarked(RepositoryMarker),
    Moved(ProjectMove),
    Copied(PathBuf),
}

/// The move that a queue has not followed yet, for those who only look.
///
/// # Errors
/// When the marker cannot be read, or the queue is a copy.
pub fn pending_relocation(
    queue: &QueueDir,
    place: &QueuePlace,
) -> Result<Option<ProjectMove>, PlaceError> {
    match look(queue, place.repository.as_ref())? {
        ProjectFinding::Moved(relocation) => Ok(Some(relocation)),
        ProjectFinding::Copied(original) => {
            Err(PlaceError::CopiedQueue { queue: queue.root().to_owned(), original })
        }
        ProjectFinding::Settled | ProjectFinding::Unmarked(_) => Ok(None),
    }
}

/// Follows a project that was moved: recorded directories are mapped and checkouts mended, once,
/// whoever asks first. To be called before a verb changes the queue, which has to be trusted.
///
/// # Errors
/// When the queue's files cannot be written, or the queue is a copy.
pub fn follow_relocation(
    queue: &QueueDir,
    place: &QueuePlace,
) -> Result<Option<MoveReport>, PlaceError> {
    let repository = place.repository.as_ref();
    if look(queue, repository)? == ProjectFinding::Settled {
        return Ok(None);
    }
    let _one_at_a_time = FileLock::relocating(queue)?;
    match look(queue, repository)? {
        ProjectFinding::Settled => Ok(None),
        ProjectFinding::Unmarked(marker) => {
            marker.write(queue)?;
            Ok(None)
        }
        ProjectFinding::Copied(original) => {
            Err(PlaceError::CopiedQueue { queue: queue.root().to_owned(), original })
        }
        ProjectFinding::Moved(relocation) => {
            let number = relocation.marker.moved_from.len();
            let jobs = map_records(queue, &relocation.step(number))?;
            let problems = repair_checkouts(queue, &relocation.places(), &relocation.to);
            // The marker says that all of this is done.
            sync_file_system(queue.root())?;
            relocation.marker.write(queue)?;
            let ProjectMove { from, to, .. } = relocation;
            Ok(Some(MoveReport { from, to, jobs, problems }))
        }
    }
}

fn look(
    queue: &QueueDir,
    repository: Option<&RepositoryPlace>,
) -> Result<ProjectFinding, PlaceError> {
    let marker = RepositoryMarker::read(queue.root())?;
    if queue.root().ends_with(PROJECT_QUEUE) {
        return Ok(look_at_project(queue, marker));
    }
    let (Some(marker), Some(repository)) = (marker, repository) else {
        return Ok(ProjectFinding::Settled);
    };
    let Some(recorded) = marker.path.clone() else { return Ok(ProjectFinding::Settled) };
    let is_moved_queue = marker.root.as_deref() != Some(queue.root());
    let top = repository.main_top().to_owned();
    if is_same(&recorded, &repository.common_dir) {
        if !is_moved_queue {
            return Ok(ProjectFinding::Settled);
        }
        if let Some(other) = marker.root.clone().filter(|other| !is_gone(other)) {
            return Ok(if is_same(&other, queue.root()) {
                ProjectFinding::Settled
            } else {
                ProjectFinding::Copied(other)
            });
        }
        // The queue itself is elsewhere: only checkouts in it have to be mended.
        let marker = RepositoryMarker { root: Some(queue.root().to_owned()), ..marker };
        let (from, old_path) = (top.clone(), None);
        return Ok(ProjectFinding::Moved(ProjectMove { from, to: top, old_path, marker }));
    }
    let from = marker.top.clone().unwrap_or_else(|| recorded.clone());
    let path = Some(repository.common_dir.clone());
    let root = Some(queue.root().to_owned());
    let marker = RepositoryMarker { path, root, ..marker };
    let relocation = moved(marker, from, top);
    Ok(ProjectFinding::Moved(ProjectMove { old_path: Some(recorded), ..relocation }))
}

/// A queue in a project's own `.aq/` moves with it.
fn look_at_project(queue: &QueueDir, marker: Option<RepositoryMarker>) -> ProjectFinding {
    let root = queue.root();
    let top_of = |root: &Path| root.parent().unwrap_or(root).to_owned();
    let here = RepositoryMarker {
        top: Some(top_of(root)),
        root: Some(root.to_owned()),
        ..marker.clone().unwrap_or_default()
    };
    let is_marked = marker.is_some();
    // One of version 0.1 has no marker; what git knows of its checkouts decides.
    let recorded = match marker {
        Some(marker) => marker.root,
        None => recorded_queue(queue),
    };
    match recorded {
        None => ProjectFinding::Unmarked(here),
        Some(recorded) if recorded == root && is_marked => ProjectFinding::Settled,
        Some(recorded) if recorded == root => ProjectFinding::Unmarked(here),
        Some(recorded) if is_gone(&recorded) => {
            ProjectFinding::Moved(moved(here, top_of(&recorded), top_of(root)))
        }
        Some(recorded) if is_same(&recorded, root) => ProjectFinding::Settled,
        Some(recorded) => ProjectFinding::Copied(recorded),
    }
}

fn is_gone(path: &Path) -> bool {
    path.metadata().is_err_and(|e| is_absent(&e))
}

fn moved(marker: RepositoryMarker, from: PathBuf, to: PathBuf) -> ProjectMove {
    let mut moved_from = marker.moved_from;
    moved_from.push(from.clone());
    let marker = RepositoryMarker { top: Some(to.clone()), moved_from, ..marker };
    ProjectMove { from, to, old_path: None, marker }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_queues_know_moves_and_copies() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().canonicalize().unwrap().join(name);
        let queue = QueueDir::init(&at("p/.aq")).unwrap();
        let ProjectFinding::Unmarked(marker) = look(&queue, None).unwrap() else {
            panic!("no marker")
        };
        marker.write(&queue).unwrap();
        assert_eq!(look(&queue, None).unwrap(), ProjectFinding::Settled);
        std::fs::rename(at("p"), at("p2")).unwrap();
        let queue = QueueDir::open(&at("p2/.aq")).unwrap();
        let ProjectFinding::Moved(relocation) = look(&queue, None).unwrap() else {
            panic!("not moved")
        };
        assert_eq!((relocation.from, relocation.to), (at("p"), at("p2")));
        std::fs::create_dir_all(at("p/.aq")).unwrap();
        assert_eq!(look(&queue, None).unwrap(), ProjectFinding::Copied(at("p/.aq")));
    }
}
