//! The directory of the checkouts of a queue's jobs: outside of every checkout of the user's, where
//! tools that look upwards find nothing of his, and with no part of its path that begins with a
//! dot, since tools skip those.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::store::QueueDir;

use super::settings::Settings;

/// The value of `worktrees` in the config for a directory next to the user's checkout.
pub(crate) const BESIDE: &str = "beside";

/// Where the checkouts of a queue's jobs are made: where the config says, else in the queue, else, when
/// that is in a checkout or hidden, below `AQ_HOME`. A job keeps the one that it has.
pub(crate) fn checkouts(queue: &QueueDir, settings: &Settings, cwd: &Path) -> PathBuf {
    let own = format!("jobs-{}", digest(queue.root().as_os_str()));
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

fn expanded(dir: &str, settings: &Settings) -> PathBuf {
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
pub(crate) fn is_in_checkout(dir: &Path, settings: &Settings) -> bool {
    let home = settings.environment.path("HOME").and_then(|home| home.canonicalize().ok());
    let is_top = |dir: &&Path| dir.join(".git").symlink_metadata().is_ok();
    dir.ancestors().find(is_top).is_some_and(|top| Some(top) != home.as_deref())
}

/// Eight digits that tell one queue from another.
fn digest(path: &OsStr) -> String {
    let hash = Sha256::digest(path.as_bytes());
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
