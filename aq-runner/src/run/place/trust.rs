//! Trust in queues: what a queue names is run only when that is the user's own will.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};

use crate::store::{QueueDir, StoreError};

use super::super::environment::ProcessEnvironment;
use super::error::at;
use super::exposure::{ExposedPlace, exposed_place};
use super::path_list::PathList;
use super::user_dirs::UserDirs;

/// Pause between two looks at a queue that is waited for, where the list cannot be watched, and for
/// what changes elsewhere, such as a mode.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A queue of which nothing is run.
#[derive(Debug, thiserror::Error)]
pub struct UntrustedQueue {
    /// The queue.
    pub queue: PathBuf,
    /// The cause.
    pub cause: TrustProblem,
}

/// The cause that nothing of a queue is run.
#[derive(Debug)]
pub enum TrustProblem {
    /// The user's list has not got it.
    Unlisted,
    /// Another user could change it.
    Exposed(ExposedPlace),
    /// The user's list cannot be read.
    Unreadable(StoreError),
    /// The directories that it is in cannot be looked at.
    Hidden(io::Error),
}

impl fmt::Display for UntrustedQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is not trusted: ")?;
        match &self.cause {
            TrustProblem::Unlisted => write!(f, "aq trust {}", shell_word(&self.queue)),
            TrustProblem::Exposed(place) => write!(f, "{place}"),
            TrustProblem::Unreadable(e) => write!(f, "{e}"),
            TrustProblem::Hidden(e) => {
                write!(f, "cannot look at what {} is in: {e}", self.queue.display())
            }
        }
    }
}

/// A path as a shell takes it for one word.
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Checks that the user wants what this queue names to be run: `aq init` or `aq trust` has put it
/// on the list in the user's state directory and no other user could change it since, or `AQ_TRUST`
/// names it.
///
/// Every front end calls this before it runs or changes anything of a queue: before [`run`], and
/// before each verb. [`overview`] and the other looks need no trust.
///
/// [`run`]: crate::run::run
/// [`overview`]: crate::run::overview
///
/// # Errors
/// The cause, with the mend.
pub fn require_trust(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
) -> Result<(), UntrustedQueue> {
    let root = queue.root();
    let untrusted = |cause| UntrustedQueue { queue: root.to_owned(), cause };
    if trusted_by_variable(environment).any(|dir| dir == root) {
        return Ok(());
    }
    let listed = trust_list(environment).map_or(Ok(Vec::new()), |list| list.read());
    let listed = listed.map_err(|e| untrusted(TrustProblem::Unreadable(e)))?;
    if !listed.iter().any(|path| path == root) {
        return Err(untrusted(TrustProblem::Unlisted));
    }
    match exposed_place(root) {
        Ok(None) => Ok(()),
        Ok(Some(place)) => Err(untrusted(TrustProblem::Exposed(place))),
        Err(e) => Err(untrusted(TrustProblem::Hidden(e))),
    }
}

/// Puts a queue on the user's list; `false` when it is there already. What `aq trust` does.
///
/// # Errors
/// When another user could change the queue, or the list cannot be written.
pub fn trust_queue(queue: &QueueDir, environment: &ProcessEnvironment) -> Result<bool, TrustError> {
    let root = queue.root();
    if let Some(place) = exposed_place(root).map_err(|e| at("look at", root, e))? {
        return Err(TrustError::Exposed(place));
    }
    Ok(list_queue(root, environment)?)
}

/// A queue that cannot be put on the list.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Another user could change it.
    #[error("{0}")]
    Exposed(ExposedPlace),
    /// The list.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts a path on the list, unless `AQ_TRUST` names it.
pub(super) fn list_queue(
    root: &Path,
    environment: &ProcessEnvironment,
) -> Result<bool, StoreError> {
    if trusted_by_variable(environment).any(|dir| dir == root) {
        return Ok(false);
    }
    match trust_list(environment) {
        Some(list) => list.add(root),
        None => {
            let why = "neither HOME nor XDG_STATE_HOME is set, so no queue can be listed as \
                       trusted; set one, or AQ_TRUST";
            Err(at("trust", root, io::Error::other(why)))
        }
    }
}

/// The queues that the user trusts, as listed; none when the list cannot be read.
pub fn trusted_queues(environment: &ProcessEnvironment) -> Vec<PathBuf> {
    trust_list(environment).and_then(|list| list.read().ok()).unwrap_or_default()
}

/// The user's list: `queues` in the state directory.
pub fn trust_list(environment: &ProcessEnvironment) -> Option<PathList> {
    Some(PathList::new(UserDirs::state_of(environment)?.join("queues")))
}

fn trusted_by_variable(environment: &ProcessEnvironment) -> impl Iterator<Item = PathBuf> {
    let named = environment.get("AQ_TRUST").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&named).collect();
    let absolute = dirs.into_iter().filter(|dir| dir.is_absolute());
    absolute.filter_map(|dir| dir.canonicalize().ok())
}

/// Waits until [`require_trust`] passes, without looking often. `changed` gets the cause, first and
/// whenever it is another one.
///
/// # Errors
/// When the user has no state directory, so that nothing can be waited for.
pub fn wait_for_trust(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    mut changed: impl FnMut(&UntrustedQueue),
) -> io::Result<()> {
    let mut told = String::new();
    let mut watched = None;
    loop {
        // Watching starts before the look, so that nothing falls between the two.
        if watched.is_none() {
            watched = watch_list(environment).ok();
        }
        let Err(untrusted) = require_trust(queue, environment) else { return Ok(()) };
        let words = untrusted.to_string();
        if words != told {
            changed(&untrusted);
            told = words;
        }
        match &watched {
            Some((_watcher, events)) => {
                let _ = events.recv_timeout(LOOK_AGAIN);
            }
            None => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

/// Watches the directory of the list: the file itself may not be there yet.
fn watch_list(
    environment: &ProcessEnvironment,
) -> io::Result<(notify::RecommendedWatcher, std::sync::mpsc::Receiver<()>)> {
    let list = trust_list(environment).ok_or(io::ErrorKind::NotFound)?;
    let dir = list.path().parent().unwrap_or(Path::new("/"));
    std::fs::DirBuilder::new().recursive(true).create(dir)?;
    let (sender, events) = channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // A look at the list is an event, too, and would be answered by the next look.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = sender.send(());
        }
    })
    .map_err(io::Error::other)?;
    watcher.watch(dir, RecursiveMode::NonRecursive).map_err(io::Error::other)?;
    Ok((watcher, events))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TestQueue;

    fn environment(queue: &TestQueue, more: &[(&str, &str)]) -> ProcessEnvironment {
        let state = queue.base().join("state").display().to_string();
        let variables = [("XDG_STATE_HOME", state.as_str())];
        let all = variables.iter().chain(more);
        ProcessEnvironment::new(all.map(|(name, value)| ((*name).into(), (*value).into())))
    }

    #[test]
    fn only_listed_queues_are_trusted() {
        let queue = TestQueue::new();
        let environment = environment(&queue, &[]);
        let refused = require_trust(&queue, &environment).unwrap_err().to_string();
        let expected = format!("the queue is not trusted: aq trust {}", shell_word(queue.root()));
        assert_eq!(refused, expected);
        assert!(trust_queue(&queue, &environment).unwrap());
        assert!(!trust_queue(&queue, &environment).unwrap());
        require_trust(&queue, &environment).unwrap();
        assert_eq!(trusted_queues(&environment), [queue.root()]);
    }

    #[test]
    fn the_variable_names_queues_exactly() {
        let queue = TestQueue::new();
        let root = queue.root().display().to_string();
        let trusts = |value: &str| {
            require_trust(&queue, &environment(&queue, &[("AQ_TRUST", value)])).is_ok()
        };
        assert!(trusts(&root));
        assert!(trusts(&format!("/nowhere:{root}/../q")));
        for value in ["", "q", "/", &format!("{root}/inbox"), &format!("{root}x")] {
            assert!(!trusts(value), "{value}");
        }
    }

    #[test]
    fn without_a_state_directory_the_variable_is_named() {
        let queue = TestQueue::new();
        let refused = trust_queue(&queue, &ProcessEnvironment::default()).unwrap_err().to_string();
        assert!(refused.contains("AQ_TRUST"), "{refused}");
    }

    #[test]
    fn waiting_ends_when_the_queue_is_listed() {
        let queue = TestQueue::new();
        let environment = environment(&queue, &[]);
        let mut said = 0;
        wait_for_trust(&queue, &environment, |_| {
            said += 1;
            trust_queue(&queue, &environment).unwrap();
        })
        .unwrap();
        assert_eq!(said, 1);
    }

    #[test]
    fn paths_are_quoted_for_shells() {
        assert_eq!(shell_word(Path::new("/a/b-c.d")), "/a/b-c.d");
        assert_eq!(shell_word(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
