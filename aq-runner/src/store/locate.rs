//! Which queue is meant when nobody says so.

use std::path::{Path, PathBuf};

/// The folder name of a project's own queue.
pub const PROJECT_QUEUE: &str = ".aq";

/// The queue's directory: the nearest `.aq/` in `cwd` or above it, else the user's own
/// (`$XDG_DATA_HOME/aq`, else `~/.local/share/aq`). `None` when there is neither and no home.
pub fn locate(cwd: &Path, data_home: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    let near = cwd.ancestors().map(|dir| dir.join(PROJECT_QUEUE)).find(|dir| dir.is_dir());
    // The XDG specification has relative paths ignored.
    let own = data_home
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join("aq"))
        .or_else(|| Some(home?.join(".local/share/aq")));
    near.or(own)
}
