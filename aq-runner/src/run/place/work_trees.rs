//! Work trees around a directory: queues are to be in none.

use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat, geteuid};

use super::super::environment::ProcessEnvironment;
use super::error::{PlaceError, at, is_absent};
use super::repository_place::{RepositoryPlace, is_same};
use super::user_dirs::UserDirs;

/// Refuses a parent of queues that is in a checkout, where a queue would be in the way of what
/// people do there.
///
/// # Errors
/// Names a place that would do.
pub(super) fn refuse_work_tree(
    aq_home: &Path,
    repository: &RepositoryPlace,
    dirs: &UserDirs,
    environment: &ProcessEnvironment,
) -> Result<(), PlaceError> {
    let top_of = |dir: &Path| work_tree_of(dir, repository, dirs, environment);
    let Some(top) = top_of(aq_home)? else { return Ok(()) };
    let beside = top.parent().map(|dir| dir.join("aq-work"));
    let default = dirs.home.as_ref().map(|home| home.join("aq-work"));
    let data = dirs.data.as_ref().map(|data| data.with_file_name("aq-work"));
    let would_do = |dir: &PathBuf| {
        let there = existing(dir);
        let wanted = AccessFlags::W_OK | AccessFlags::X_OK;
        faccessat(AT_FDCWD, there, wanted, AtFlags::AT_EACCESS).is_ok()
            && matches!(top_of(dir), Ok(None))
    };
    let named = [default, data, beside].into_iter().flatten().find(would_do);
    // Its parent is sticky, and it will be the user's own.
    let instead =
        named.unwrap_or_else(|| PathBuf::from(format!("/var/tmp/aq-work-{}", geteuid().as_raw())));
    Err(PlaceError::InWorkTree { aq_home: aq_home.to_owned(), top, instead })
}

/// The top of the work tree that a directory is in, or would be when it is made.
fn work_tree_of(
    dir: &Path,
    repository: &RepositoryPlace,
    dirs: &UserDirs,
    environment: &ProcessEnvironment,
) -> Result<Option<PathBuf>, PlaceError> {
    let there = existing(dir).canonicalize().map_err(|e| at("open", dir, e))?;
    // The repository itself counts also when its top is the home.
    if there.starts_with(&repository.top) {
        return Ok(Some(repository.top.clone()));
    }
    let found = RepositoryPlace::find(&there, dirs.home.as_deref(), environment)?;
    // The home counts only in itself, and the directory is to be below it.
    let is_home = |top: &Path| dirs.home.as_deref().is_some_and(|home| is_same(top, home));
    Ok(found.map(|found| found.top).filter(|top| !is_home(top)))
}

/// The nearest directory above that is there.
fn existing(dir: &Path) -> &Path {
    let is_there = |dir: &&Path| !dir.metadata().is_err_and(|e| is_absent(&e));
    dir.ancestors().find(is_there).unwrap_or(Path::new("/"))
}
