//! The directory of the checkouts of a queue's jobs: outside of every checkout of the user's, where
//! tools that look upwards find nothing of his, and with no part of its path that begins with a
//! dot, since tools skip those.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::store::QueueDir;

use super::settings::{BESIDE, QueueSettings};

/// The beginning of the name of a directory with the checkouts of one queue.
const OWN: &str = "jobs-";

/// Where the checkouts of a queue's jobs are made: where the config says, else in the queue, else,
/// when that is in a checkout or hidden, below `AQ_HOME`. A job keeps the one that it has.
pub(crate) fn checkouts(queue: &QueueDir, settings: &QueueSettings, cwd: &Path) -> PathBuf {
    let own = format!("{OWN}{}", digest(queue.root().as_os_str()));
    match settings.config.worktrees.as_deref() {
        Some(BESIDE) => {
            if let Some((dir, name)) = beside(cwd) {
                return dir.join(format!("{name}-{own}"));
            }
        }
        Some(dir) => return expanded(dir, settings).join(own),
        None => {}
    }
    let inside = queue.work();
    match settings.environment.aq_home().filter(|home| home.is_absolute()) {
        Some(home) if is_hidden(&inside) || is_in_checkout(queue.root(), settings) => {
            home.join(own)
        }
        _ => inside,
    }
}

/// The directory that holds the user's checkout, and the checkout's name.
fn beside(cwd: &Path) -> Option<(&Path, String)> {
    let top = cwd.ancestors().find(|dir| dir.join(".git").symlink_metadata().is_ok())?;
    let name = top.file_name()?.to_string_lossy();
    let name = name.trim_start_matches('.');
    Some((top.parent()?, if name.is_empty() { "repository".to_owned() } else { name.to_owned() }))
}

fn expanded(dir: &str, settings: &QueueSettings) -> PathBuf {
    match (dir.strip_prefix("~/"), settings.environment.path("HOME")) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(dir),
    }
}

fn is_hidden(path: &Path) -> bool {
    path.components()
        .any(|part| matches!(part, Component::Normal(name) if name.as_bytes().starts_with(b".")))
}

/// Whether a directory is in a work tree. The home directory being one says nothing: everything of
/// the user's is in it.
pub(crate) fn is_in_checkout(dir: &Path, settings: &QueueSettings) -> bool {
    let home = settings.environment.path("HOME").and_then(|home| home.canonicalize().ok());
    let is_top = |dir: &&Path| dir.join(".git").symlink_metadata().is_ok();
    dir.ancestors().find(is_top).is_some_and(|top| Some(top) != home.as_deref())
}

/// The file that names the queue of checkouts that lie elsewhere. No job's id begins with a dot.
const QUEUE_FILE: &str = ".queue";

/// Notes whose checkouts are in a directory, so that their queue is found from within them.
///
/// # Errors
/// When that cannot be written.
pub(crate) fn note_queue(queue: &QueueDir, checkouts: &Path) -> io::Result<()> {
    let name = queue.root().as_os_str().as_bytes();
    let file = checkouts.join(QUEUE_FILE);
    if checkouts == queue.work() || std::fs::read(&file).is_ok_and(|known| known == name) {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(checkouts)?;
    let mut new = tempfile::NamedTempFile::new_in(checkouts)?;
    new.write_all(name)?;
    new.persist(&file)?;
    Ok(())
}

/// The queue and the name of the job in whose checkout a directory is, if it is in one.
pub(crate) fn job_of_checkout(dir: &Path) -> Option<(PathBuf, &OsStr)> {
    dir.ancestors().find_map(|top| Some((queue_of_checkout(top)?, top.parent()?.file_name()?)))
}

/// The queue of the job whose checkout has this top.
fn queue_of_checkout(top: &Path) -> Option<PathBuf> {
    let job = top.parent()?;
    let checkouts = job.parent()?;
    let name = checkouts.file_name()?.to_str()?;
    let queue = match std::fs::read(checkouts.join(QUEUE_FILE)) {
        Ok(queue) if name.contains(OWN) => PathBuf::from(OsString::from_vec(queue)),
        _ if name == "work" => checkouts.parent()?.to_owned(),
        _ => return None,
    };
    let control = queue.join(".state/checkouts").join(job.file_name()?);
    control.is_dir().then_some(queue)
}

/// Eight digits that distinguish one queue from another.
fn digest(path: &OsStr) -> String {
    let hash = Sha256::digest(path.as_bytes());
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
