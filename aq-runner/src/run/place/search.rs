//! Which queue is meant.

use std::path::{Path, PathBuf};

use super::super::checkouts::job_of_checkout;
use super::super::environment::ProcessEnvironment;
use super::error::PlaceError;
use super::path_list::PathList;
use super::repository_place::RepositoryPlace;
use super::repository_queue::{RepositoryQueue, queue_of};
use super::user_dirs::UserDirs;

/// The folder name of a project's own queue.
pub const PROJECT_QUEUE: &str = ".aq";

/// A question for a queue.
#[derive(Clone, Copy, Debug)]
pub struct QueueSearch<'a> {
    /// The value of `--queue`.
    pub named: Option<&'a Path>,
    /// The current directory, without symbolic links.
    pub cwd: &'a Path,
    /// The caller's environment.
    pub environment: &'a ProcessEnvironment,
}

/// The rule by which a queue was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOrigin {
    /// `--queue`.
    Argument,
    /// `AQ_QUEUE`.
    Variable,
    /// The nearest `.aq/`.
    Project,
    /// The queue of the repository.
    Repository,
    /// The queue of the job in whose checkout the current directory is.
    Checkout,
    /// The user's own, where there is no project.
    User,
}

/// The repository of the current directory, compared with what its queue has recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepositoryStanding {
    /// Nothing is to be said of it: there is none, or its queue is where it was.
    Settled,
    /// It was elsewhere when its queue was last used.
    Moved {
        /// Its top at that time, where it is known.
        from: Option<PathBuf>,
    },
    /// It is a copy of a repository that has a queue, and has none of its own.
    Copied {
        /// The top of the other one.
        original: PathBuf,
    },
}

/// The queue that is meant, whether it is there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePlace {
    /// Its directory; `None` in a repository that has none yet, and for a user without a home.
    pub path: Option<PathBuf>,
    /// The rule that found it.
    pub origin: QueueOrigin,
    /// The repository of the current directory, where that was looked for.
    pub repository: Option<RepositoryPlace>,
    /// More about it.
    pub standing: RepositoryStanding,
    /// A `.aq/` above the repository, which is passed over.
    pub passed_over: Option<PathBuf>,
}

impl QueuePlace {
    fn of(path: Option<PathBuf>, origin: QueueOrigin) -> Self {
        let standing = RepositoryStanding::Settled;
        Self { path, origin, repository: None, standing, passed_over: None }
    }
}

/// Finds the queue that is meant.
///
/// # Errors
/// When the repository of the current directory cannot be read, or `AQ_HOME` is no place.
pub fn find_queue(search: &QueueSearch<'_>) -> Result<QueuePlace, PlaceError> {
    if let Some(named) = search.named {
        return Ok(QueuePlace::of(Some(named.to_owned()), QueueOrigin::Argument));
    }
    // An empty variable is as good as none.
    if let Some(named) = search.environment.path("AQ_QUEUE") {
        return Ok(QueuePlace::of(Some(named), QueueOrigin::Variable));
    }
    let dirs = UserDirs::new(search.environment)?;
    let cwd = search.cwd;
    if let Some((queue, _)) = job_of_checkout(cwd) {
        return Ok(QueuePlace::of(Some(queue), QueueOrigin::Checkout));
    }
    let Some(repository) = RepositoryPlace::find(cwd, dirs.home.as_deref(), search.environment)?
    else {
        let near = cwd.ancestors().find_map(project_queue);
        let origin = if near.is_some() { QueueOrigin::Project } else { QueueOrigin::User };
        return Ok(QueuePlace::of(near.or(dirs.data), origin));
    };
    // In the git directory itself nothing is below the top.
    let inside = cwd.ancestors().take_while(|dir| dir.starts_with(&repository.top));
    let near = inside.into_iter().find_map(project_queue);
    let passed_over = repository.top.ancestors().skip(1).find_map(project_queue);
    let mut place = QueuePlace::of(near, QueueOrigin::Project);
    place.passed_over = passed_over;
    if place.path.is_none() {
        place.origin = QueueOrigin::Repository;
        let found = dirs.aq_home.map(|home| queue_of(&repository, &home)).transpose()?;
        match found.unwrap_or(RepositoryQueue::Missing) {
            RepositoryQueue::Found(queue) => place.path = Some(queue.dir),
            RepositoryQueue::Moved(queue) => {
                place.standing = RepositoryStanding::Moved { from: queue.marker.top };
                place.path = Some(queue.dir);
            }
            RepositoryQueue::Copied { original } => {
                place.standing = RepositoryStanding::Copied { original };
            }
            RepositoryQueue::Missing => {}
        }
    }
    place.repository = Some(repository);
    Ok(place)
}

/// The queue of a project in this directory. Another directory of that name, or a file, is none.
fn project_queue(dir: &Path) -> Option<PathBuf> {
    let queue = dir.join(PROJECT_QUEUE);
    let has = |name: &str| queue.join(name).is_dir();
    (queue.symlink_metadata().is_ok() && has("inbox") && has(".state")).then_some(queue)
}

/// True when this `.aq/` above this repository is to be named now: once for each pair, as the
/// user's state directory remembers. Where nothing can be remembered it is named each time.
pub fn is_first_pass(place: &QueuePlace, environment: &ProcessEnvironment) -> bool {
    let (Some(queue), Some(repository)) = (&place.passed_over, &place.repository) else {
        return false;
    };
    let Some(state) = UserDirs::state_of(environment) else { return true };
    // A path has no line break more often than not, and the list escapes those that do.
    let pair = format!("{}\n{}", queue.display(), repository.top.display());
    PathList::new(state.join("passed-over")).add(Path::new(&pair)).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use std::fs::create_dir_all;

    use super::*;

    struct SearchLab {
        _dir: tempfile::TempDir,
        root: PathBuf,
    }

    impl SearchLab {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().canonicalize().unwrap();
            create_dir_all(root.join("home")).unwrap();
            Self { _dir: dir, root }
        }

        fn queue(&self, dir: &str) {
            for name in ["inbox", ".state"] {
                create_dir_all(self.root.join(dir).join(".aq").join(name)).unwrap();
            }
        }

        fn repository(&self, dir: &str) {
            for name in [".git/objects", ".git/refs"] {
                create_dir_all(self.root.join(dir).join(name)).unwrap();
            }
            std::fs::write(self.root.join(dir).join(".git/HEAD"), "ref: refs/heads/x\n").unwrap();
        }

        /// The queue for a directory, relative to the lab, and the one that is passed over.
        fn found(&self, cwd: &str, more: &[(&str, &str)]) -> (String, Option<String>) {
            let home = self.root.join("home").display().to_string();
            let variables = [("HOME", home.as_str())];
            let all = variables.iter().chain(more);
            let environment =
                ProcessEnvironment::new(all.map(|(name, value)| ((*name).into(), (*value).into())));
            let cwd = self.root.join(cwd);
            create_dir_all(&cwd).unwrap();
            let search = QueueSearch { named: None, cwd: &cwd, environment: &environment };
            let place = find_queue(&search).unwrap();
            let shown = |path: PathBuf| {
                path.strip_prefix(&self.root).unwrap_or(&path).display().to_string()
            };
            let path = place.path.map_or_else(|| "none".to_owned(), shown);
            (format!("{:?} {path}", place.origin), place.passed_over.map(shown))
        }
    }

    #[test]
    fn outside_of_repositories_nearest_counts() {
        let lab = SearchLab::new();
        assert_eq!(lab.found("a/b", &[]).0, "User home/.local/share/aq");
        lab.queue("");
        assert_eq!(lab.found("a/b", &[]).0, "Project .aq");
        lab.queue("a");
        assert_eq!(lab.found("a/b", &[]).0, "Project a/.aq");
        assert_eq!(lab.found("a/b", &[("AQ_QUEUE", "q")]).0, "Variable q");
        assert_eq!(lab.found("a/b", &[("AQ_QUEUE", "")]).0, "Project a/.aq");
    }

    #[test]
    fn a_folder_of_the_name_is_no_queue() {
        let lab = SearchLab::new();
        create_dir_all(lab.root.join("a/.aq/inbox")).unwrap();
        create_dir_all(lab.root.join("a/b")).unwrap();
        std::fs::write(lab.root.join("a/b/.aq"), "").unwrap();
        assert_eq!(lab.found("a/b", &[]).0, "User home/.local/share/aq");
    }

    #[test]
    fn in_repositories_nothing_above_counts() {
        let lab = SearchLab::new();
        lab.queue("");
        lab.repository("p");
        assert_eq!(lab.found("p/src", &[]), ("Repository none".to_owned(), Some(".aq".to_owned())));
        lab.queue("p");
        assert_eq!(lab.found("p/src", &[]).0, "Project p/.aq");
        lab.queue("p/src");
        assert_eq!(lab.found("p/src/deep", &[]).0, "Project p/src/.aq");
    }

    #[test]
    fn queue_above_is_named_once() {
        let lab = SearchLab::new();
        let environment = ProcessEnvironment::new([("HOME".into(), lab.root.join("home").into())]);
        lab.queue("");
        let mut said = Vec::new();
        for dir in ["p", "q", "p"] {
            lab.repository(dir);
            let cwd = lab.root.join(dir);
            let search = QueueSearch { named: None, cwd: &cwd, environment: &environment };
            said.push(is_first_pass(&find_queue(&search).unwrap(), &environment));
        }
        assert_eq!(said, [true, true, false]);
    }

    #[test]
    fn a_repository_of_the_home_is_passed_by() {
        let lab = SearchLab::new();
        lab.repository("home");
        lab.queue("home");
        assert_eq!(lab.found("home/src", &[]).0, "Project home/.aq");
        let elsewhere = lab.root.display().to_string();
        let moved = [("XDG_DATA_HOME", elsewhere.as_str())];
        std::fs::remove_dir_all(lab.root.join("home/.aq")).unwrap();
        assert_eq!(lab.found("home/src", &moved).0, "User aq");
        assert_eq!(lab.found("home", &moved).0, "Repository none");
    }
}
