//! New queues: what is made by the user's own command is trusted from its first moment.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aq_manifest::Stage;

use crate::store::{FileLock, QueueDir, RepositoryMarker, StoreError};

use super::super::environment::ProcessEnvironment;
use super::error::{PlaceError, at, is_absent};
use super::git_config::{IdPolicy, establish_id, new_id};
use super::repository_place::RepositoryPlace;
use super::repository_queue::{RepositoryQueue, queue_name, queue_of};
use super::search::{QueuePlace, RepositoryStanding};
use super::trust::{list_queue, require_trust};
use super::user_dirs::UserDirs;
use super::work_trees::refuse_work_tree;

/// A queue after an attempt to make one.
#[derive(Clone, Debug)]
pub struct MadeQueue {
    /// The queue.
    pub queue: QueueDir,
    /// It was not there before.
    pub is_new: bool,
}

/// Names in a directory by which it is a queue, or is to be one.
const QUEUE_PARTS: [&str; 7] =
    ["profiles", "config.yaml", "logs", ".state", "schedules", "questions", "feedback"];

/// Makes a queue in a directory, or what is missing of one. A new one is trusted; a directory that
/// has a part of a queue in it is not, because nobody knows where that came from.
///
/// # Errors
/// When the directory, or the user's list, cannot be written.
pub fn make_queue(dir: &Path, environment: &ProcessEnvironment) -> Result<MadeQueue, PlaceError> {
    let whole = std::path::absolute(dir).map_err(|e| at("find", dir, e))?;
    if whole.to_str().is_none() {
        return Err(StoreError::NotText(whole).into());
    }
    if dir.exists() && !dir.is_dir() {
        return Err(StoreError::NotADirectory(dir.to_owned()).into());
    }
    let parents = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    parents.map_err(|e| at("create", dir, e))?;
    let root = dir.canonicalize().map_err(|e| at("open", dir, e))?;
    let stages = Stage::ALL.map(Stage::folder);
    let has = |name: &&str| root.join(name).symlink_metadata().is_ok();
    let is_new = !QUEUE_PARTS.iter().chain(&stages).any(has);
    if is_new {
        // First on the list: a queue whose making was cut short can then be completed.
        list_queue(&root, environment)?;
    }
    Ok(MadeQueue { queue: QueueDir::init(&root)?, is_new })
}

/// Makes the queue of a repository, below `AQ_HOME`. Where it has one, that is completed.
///
/// # Errors
/// When there is no place for it, or the user's list cannot be written.
pub fn make_repository_queue(
    repository: &RepositoryPlace,
    environment: &ProcessEnvironment,
) -> Result<MadeQueue, PlaceError> {
    let dirs = UserDirs::new(environment)?;
    let aq_home = dirs.aq_home.as_ref().ok_or(PlaceError::NoHome)?;
    refuse_work_tree(aq_home, repository, &dirs, environment)?;
    for path in [&repository.common_dir, &repository.top, aq_home] {
        if path.to_str().is_none() {
            return Err(PlaceError::NotText(path.clone()));
        }
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(aq_home);
    made.map_err(|e| at("create", aq_home, e))?;
    let aq_home = aq_home.canonicalize().map_err(|e| at("open", aq_home, e))?;
    let lock_file = aq_home.join(".lock");
    let lock = FileLock::waited_for(&lock_file)?;
    let policy = match queue_of(repository, &aq_home)? {
        RepositoryQueue::Found(found) => {
            let queue = QueueDir::init(&found.dir)?;
            complete_marker(&queue, found.marker, repository, environment)?;
            return Ok(MadeQueue { queue, is_new: false });
        }
        RepositoryQueue::Moved(found) => {
            return Ok(MadeQueue { queue: QueueDir::init(&found.dir)?, is_new: false });
        }
        RepositoryQueue::Copied { .. } => IdPolicy::Replace,
        RepositoryQueue::Missing => IdPolicy::Keep,
    };
    let fresh = new_id()?;
    let id = establish_id(&repository.common_dir, &fresh, policy)?;
    let root = free_name(&aq_home, &queue_name(repository, id.as_deref().unwrap_or(&fresh)));
    let marker = RepositoryMarker {
        id,
        path: Some(repository.common_dir.clone()),
        top: Some(repository.main_top().to_owned()),
        root: Some(root.clone()),
        moved_from: Vec::new(),
    };
    let queue = place_whole(&aq_home, &root, &marker, environment)?;
    drop(lock);
    Ok(MadeQueue { queue, is_new: true })
}

/// Makes the queue under another name and gives it its own when nothing is missing: one without a
/// marker would be found by nobody.
fn place_whole(
    aq_home: &Path,
    root: &Path,
    marker: &RepositoryMarker,
    environment: &ProcessEnvironment,
) -> Result<QueueDir, PlaceError> {
    let half = aq_home.join(".new");
    match std::fs::remove_dir_all(&half) {
        Err(e) if !is_absent(&e) => return Err(at("remove", &half, e).into()),
        _ => {}
    }
    marker.write(&QueueDir::init(&half)?)?;
    list_queue(root, environment)?;
    std::fs::rename(&half, root).map_err(|e| at("move the new queue to", root, e))?;
    std::fs::File::open(aq_home)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| at("sync the directory", aq_home, e))?;
    Ok(QueueDir::open(root)?)
}

/// Gives a queue that was found by its path alone the id, when the config can be written by now.
fn complete_marker(
    queue: &QueueDir,
    marker: RepositoryMarker,
    repository: &RepositoryPlace,
    environment: &ProcessEnvironment,
) -> Result<(), PlaceError> {
    if require_trust(queue, environment).is_err() {
        return Ok(());
    }
    let id = match &marker.id {
        Some(id) => id.clone(),
        None => new_id()?,
    };
    let id = establish_id(&repository.common_dir, &id, IdPolicy::Keep)?;
    if id.is_some() && id != marker.id {
        RepositoryMarker { id, ..marker }.write(queue)?;
    }
    Ok(())
}

/// The name, or one with a number where another queue has it.
fn free_name(aq_home: &Path, name: &str) -> PathBuf {
    let numbered = (2..).map(|n| aq_home.join(format!("{name}-{n}")));
    let mut names = std::iter::once(aq_home.join(name)).chain(numbered);
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    names.find(is_free).unwrap_or_else(|| aq_home.join(name))
}

/// Makes the queue for a verb that needs one where none is: that of the repository, or the user's
/// own.
///
/// # Errors
/// As [`make_queue`] and [`make_repository_queue`]; in a copy of a repository, which is to be a
/// person's decision.
pub fn make_missing_queue(
    place: &QueuePlace,
    environment: &ProcessEnvironment,
) -> Result<MadeQueue, PlaceError> {
    match (&place.path, &place.repository, &place.standing) {
        (None, Some(repository), RepositoryStanding::Copied { original }) => {
            Err(PlaceError::CopiedRepository {
                top: repository.top.clone(),
                original: original.clone(),
            })
        }
        (None, Some(repository), _) => make_repository_queue(repository, environment),
        (Some(path), _, _) => make_queue(path, environment),
        (None, None, _) => Err(PlaceError::NoHome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct MakingLab {
        _dir: tempfile::TempDir,
        root: PathBuf,
    }

    impl MakingLab {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().canonicalize().unwrap();
            std::fs::create_dir(root.join("home")).unwrap();
            Self { _dir: dir, root }
        }

        fn environment(&self, aq_home: &str) -> ProcessEnvironment {
            let path = |name: &str| self.root.join(name).into_os_string();
            ProcessEnvironment::new([
                ("HOME".into(), path("home")),
                ("AQ_HOME".into(), path(aq_home)),
            ])
        }

        fn repository(&self, name: &str) -> RepositoryPlace {
            let top = self.root.join(name);
            for dir in [".git/objects", ".git/refs"] {
                std::fs::create_dir_all(top.join(dir)).unwrap();
            }
            std::fs::write(top.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
            std::fs::write(top.join(".git/config"), "[core]\n").unwrap();
            RepositoryPlace { common_dir: top.join(".git"), top, is_linked: false }
        }
    }

    #[test]
    fn new_queues_are_trusted_and_others_not() {
        let lab = MakingLab::new();
        let environment = lab.environment("work");
        let made = make_queue(&lab.root.join("a/q"), &environment).unwrap();
        assert!(made.is_new);
        require_trust(&made.queue, &environment).unwrap();
        assert!(!make_queue(&lab.root.join("a/q"), &environment).unwrap().is_new);
        let brought = lab.root.join("b/.aq");
        std::fs::create_dir_all(&brought).unwrap();
        std::fs::write(brought.join("config.yaml"), "max: 1\n").unwrap();
        let made = make_queue(&brought, &environment).unwrap();
        assert!(!made.is_new);
        require_trust(&made.queue, &environment).unwrap_err();
    }

    #[test]
    fn repositories_get_one_queue_each() {
        let lab = MakingLab::new();
        let environment = lab.environment("work");
        let repository = lab.repository("my app");
        let made = make_repository_queue(&repository, &environment).unwrap();
        let root = made.queue.root().to_owned();
        let name = root.file_name().unwrap().to_str().unwrap();
        let (prefix, short) = name.split_once('-').unwrap();
        assert_eq!((prefix, short.len(), made.is_new), ("myapp", 8, true));
        require_trust(&made.queue, &environment).unwrap();
        let marker = RepositoryMarker::read(&root).unwrap().unwrap();
        assert_eq!(marker.path, Some(repository.common_dir.clone()));
        assert!(marker.id.as_ref().unwrap().starts_with(short));
        let again = make_repository_queue(&repository, &environment).unwrap();
        assert_eq!((again.queue.root(), again.is_new), (root.as_path(), false));
        let other = make_repository_queue(&lab.repository("other"), &environment).unwrap();
        assert!(other.is_new);
    }

    #[test]
    fn another_home_gets_a_queue_with_the_same_id() {
        let lab = MakingLab::new();
        let repository = lab.repository("app");
        let id = |home: &str| {
            let made = make_repository_queue(&repository, &lab.environment(home)).unwrap();
            RepositoryMarker::read(made.queue.root()).unwrap().unwrap().id.unwrap()
        };
        assert_eq!(id("one"), id("two"));
    }

    #[test]
    fn a_half_made_queue_is_no_obstacle() {
        let lab = MakingLab::new();
        std::fs::create_dir_all(lab.root.join("work/.new/inbox")).unwrap();
        let made = make_repository_queue(&lab.repository("app"), &lab.environment("work"));
        assert!(made.unwrap().is_new);
        assert!(!lab.root.join("work/.new").exists());
    }

    #[test]
    fn a_home_in_a_checkout_is_refused_with_another() {
        let lab = MakingLab::new();
        let repository = lab.repository("app");
        lab.repository("other");
        for (aq_home, top) in [("app/work", "app"), ("other/a/b", "other")] {
            let refused = make_repository_queue(&repository, &lab.environment(aq_home));
            let Err(PlaceError::InWorkTree { top: found, instead, .. }) = refused else {
                panic!("{aq_home}: {refused:?}")
            };
            assert_eq!((found, instead), (lab.root.join(top), lab.root.join("home/aq-work")));
            assert!(!lab.root.join(aq_home).exists());
        }
        lab.repository("home");
        make_repository_queue(&repository, &lab.environment("home/aq-work")).unwrap();
    }
}
