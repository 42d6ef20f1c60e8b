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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_project_queue_comes_before_the_users_own() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        let (data, home) = (Path::new("/data"), Path::new("/h"));
        assert_eq!(locate(&deep, Some(data), Some(home)).unwrap(), Path::new("/data/aq"));
        std::fs::create_dir(dir.path().join(".aq")).unwrap();
        assert_eq!(locate(&deep, Some(data), Some(home)).unwrap(), dir.path().join(".aq"));
        std::fs::create_dir(deep.join(".aq")).unwrap();
        assert_eq!(locate(&deep, Some(data), Some(home)).unwrap(), deep.join(".aq"));
    }

    #[test]
    fn without_a_project_queue_the_home_decides() {
        let nowhere = Path::new("/");
        let home = Path::new("/h");
        let own = Path::new("/h/.local/share/aq");
        assert_eq!(locate(nowhere, None, Some(home)).unwrap(), own);
        assert_eq!(locate(nowhere, Some(Path::new("relative")), Some(home)).unwrap(), own);
        assert_eq!(locate(nowhere, None, None), None);
    }
}
