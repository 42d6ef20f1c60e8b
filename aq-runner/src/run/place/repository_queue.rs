//! The queue of a repository among those below `AQ_HOME`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::store::RepositoryMarker;

use super::error::{PlaceError, is_absent};
use super::git_config::ConfigFacts;
use super::repository_place::{RepositoryPlace, is_same};

/// Digits of an id that a queue's directory has in its name.
const SHORT: usize = 8;

/// The queue of a repository as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RepositoryQueue {
    /// Here it is.
    Found(MarkedQueue),
    /// Here it is, and its repository was elsewhere when it was last used.
    Moved(MarkedQueue),
    /// The queue is that of another directory, of which this repository is a copy.
    Copied {
        original: PathBuf,
    },
    Missing,
}

/// A directory below `AQ_HOME` with the marker of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MarkedQueue {
    pub(super) dir: PathBuf,
    pub(super) marker: RepositoryMarker,
}

/// The directory below `AQ_HOME` that a queue gets when no other has this name.
pub(super) fn queue_name(repository: &RepositoryPlace, id: &str) -> String {
    format!("{}-{}", repository.name(), id.get(..SHORT).unwrap_or(id))
}

/// Finds the queue that is marked with the repository.
///
/// # Errors
/// When the repository's config cannot be read, or the marker of its queue names nobody.
pub(super) fn queue_of(
    repository: &RepositoryPlace,
    aq_home: &Path,
) -> Result<RepositoryQueue, PlaceError> {
    let id = ConfigFacts::read(&repository.common_dir)?.id;
    // Nearly always it has its name, and then no other marker is read.
    if let Some(id) = &id
        && let Some(queue) = marked(aq_home.join(queue_name(repository, id)))
        && queue.marker.id.as_ref() == Some(id)
        && is_at(&queue.marker, &repository.common_dir)
    {
        return Ok(RepositoryQueue::Found(queue));
    }
    let chosen =
        |queues: &[MarkedQueue]| choose(queues, id.as_deref(), &repository.common_dir, &DiskPlaces);
    // A repository that was renamed has its old name there, and still its id.
    if let Some(short) = id.as_deref().map(|id| id.get(..SHORT).unwrap_or(id))
        && let found @ RepositoryQueue::Found(_) = chosen(&marked_queues(aq_home, short))
    {
        return Ok(found);
    }
    let found = chosen(&marked_queues(aq_home, ""));
    if let (RepositoryQueue::Missing, Some(id)) = (&found, id)
        && let Some(queue) = damaged(aq_home, &id)
    {
        let common_dir = repository.common_dir.clone();
        return Err(PlaceError::DamagedMarker { queue, id, common_dir });
    }
    Ok(found)
}

/// A queue with the name that one of this id gets, whose marker is there and names nobody. Another
/// one in its place would hide its jobs.
fn damaged(aq_home: &Path, id: &str) -> Option<PathBuf> {
    let end = format!("-{}", id.get(..SHORT).unwrap_or(id));
    let dirs = std::fs::read_dir(aq_home).ok()?.flatten();
    let named = dirs.filter(|dir| dir.file_name().to_string_lossy().ends_with(&end));
    let says_nothing = |dir: &PathBuf| match RepositoryMarker::read(dir) {
        Ok(Some(marker)) => marker.id.is_none() && marker.path.is_none(),
        Ok(None) => dir.join(".state/repository").exists(),
        Err(_) => dir.is_dir(),
    };
    named.map(|dir| dir.path()).find(says_nothing)
}

/// A look at recorded repositories, to judge markers.
trait RecordedPlace {
    fn standing(&self, recorded: &Path, here: &Path) -> RecordedStanding;
}

/// A recorded repository, seen from one that has the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RecordedStanding {
    /// Both are one directory.
    Same,
    Gone,
    /// Another directory, which has this id now.
    Other(Option<String>),
}

struct DiskPlaces;

impl RecordedPlace for DiskPlaces {
    fn standing(&self, recorded: &Path, here: &Path) -> RecordedStanding {
        match recorded.metadata() {
            Err(e) if is_absent(&e) => RecordedStanding::Gone,
            Ok(_) if is_same(recorded, here) => RecordedStanding::Same,
            // One that cannot be read keeps what it has.
            _ => {
                RecordedStanding::Other(ConfigFacts::read(recorded).ok().and_then(|facts| facts.id))
            }
        }
    }
}

fn choose(
    queues: &[MarkedQueue],
    id: Option<&str>,
    here: &Path,
    places: &dyn RecordedPlace,
) -> RepositoryQueue {
    let mut moved = None;
    let mut original = None;
    for queue in queues.iter().filter(|queue| id.is_some() && queue.marker.id.as_deref() == id) {
        let Some(recorded) = &queue.marker.path else { continue };
        match places.standing(recorded, here) {
            RecordedStanding::Same => return RepositoryQueue::Found(queue.clone()),
            RecordedStanding::Gone => moved = moved.or(Some(queue)),
            // Something else has come into the old place since.
            RecordedStanding::Other(Some(other)) if Some(other.as_str()) != id => {
                moved = moved.or(Some(queue));
            }
            RecordedStanding::Other(_) => {
                let top = queue.marker.top.as_ref().unwrap_or(recorded);
                original = original.or_else(|| Some(top.clone()));
            }
        }
    }
    // Where one of the two has no id, only the path can decide.
    let by_path = queues.iter().find(|queue| {
        (id.is_none() || queue.marker.id.is_none()) && queue.marker.path.as_deref() == Some(here)
    });
    match (by_path, moved, original) {
        (Some(queue), _, _) => RepositoryQueue::Found(queue.clone()),
        (None, Some(queue), _) => RepositoryQueue::Moved(queue.clone()),
        (None, None, Some(original)) => RepositoryQueue::Copied { original },
        (None, None, None) => RepositoryQueue::Missing,
    }
}

fn is_at(marker: &RepositoryMarker, here: &Path) -> bool {
    marker.path.as_ref().is_some_and(|recorded| is_same(recorded, here))
}

fn marked(dir: PathBuf) -> Option<MarkedQueue> {
    // What cannot be read marks nothing.
    let marker = RepositoryMarker::read(&dir).ok().flatten()?;
    Some(MarkedQueue { dir, marker })
}

/// The marked directories whose names have a part, by name. A home that cannot be read has none.
fn marked_queues(aq_home: &Path, part: &str) -> Vec<MarkedQueue> {
    let Ok(entries) = std::fs::read_dir(aq_home) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    let is_wanted = |name: &OsString| {
        let name = name.to_string_lossy();
        !name.starts_with('.') && name.contains(part)
    };
    let mut names: Vec<OsString> = names.filter(is_wanted).collect();
    names.sort_unstable();
    names.into_iter().filter_map(|name| marked(aq_home.join(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded repositories by their paths; nothing is elsewhere.
    struct KnownPlaces(Vec<(&'static str, RecordedStanding)>);

    impl RecordedPlace for KnownPlaces {
        fn standing(&self, recorded: &Path, _here: &Path) -> RecordedStanding {
            let known = self.0.iter().find(|(path, _)| Path::new(path) == recorded);
            known.map_or(RecordedStanding::Gone, |(_, standing)| standing.clone())
        }
    }

    fn queue(dir: &str, id: Option<&str>, path: &str) -> MarkedQueue {
        let marker = RepositoryMarker {
            id: id.map(str::to_owned),
            path: Some(path.into()),
            ..RepositoryMarker::default()
        };
        MarkedQueue { dir: dir.into(), marker }
    }

    fn chosen(queues: &[MarkedQueue], id: Option<&str>, facts: &KnownPlaces) -> String {
        match choose(queues, id, Path::new("/here"), facts) {
            RepositoryQueue::Found(queue) => format!("found {}", queue.dir.display()),
            RepositoryQueue::Moved(queue) => format!("moved {}", queue.dir.display()),
            RepositoryQueue::Copied { original } => format!("copy of {}", original.display()),
            RepositoryQueue::Missing => "missing".to_owned(),
        }
    }

    #[test]
    fn ids_decide_where_there_are_any() {
        let queues = [queue("a", Some("1"), "/old"), queue("b", Some("2"), "/here")];
        let gone = KnownPlaces(Vec::new());
        assert_eq!(chosen(&queues, Some("1"), &gone), "moved a");
        assert_eq!(chosen(&queues, Some("3"), &gone), "missing");
        assert_eq!(chosen(&queues, None, &gone), "found b");
        assert_eq!(chosen(&[], Some("1"), &gone), "missing");
        let same = KnownPlaces(vec![("/old", RecordedStanding::Same)]);
        assert_eq!(chosen(&queues, Some("1"), &same), "found a");
    }

    #[test]
    fn recorded_repository_keeps_the_queue() {
        let queues = [queue("a", Some("1"), "/old")];
        for (id, expected) in
            [(Some("1"), "copy of /old"), (None, "copy of /old"), (Some("2"), "moved a")]
        {
            let other = RecordedStanding::Other(id.map(str::to_owned));
            assert_eq!(chosen(&queues, Some("1"), &KnownPlaces(vec![("/old", other)])), expected);
        }
    }

    #[test]
    fn a_marker_without_an_id_goes_by_its_path() {
        let queues = [queue("a", None, "/here"), queue("b", Some("1"), "/old")];
        let copied = KnownPlaces(vec![("/old", RecordedStanding::Other(None))]);
        assert_eq!(chosen(&queues, Some("1"), &copied), "found a");
        let elsewhere = [queue("a", None, "/there")];
        assert_eq!(chosen(&elsewhere, Some("1"), &KnownPlaces(Vec::new())), "missing");
    }
}
