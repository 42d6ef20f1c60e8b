//! The project of a queue, as the queue records it: `.state/repository`.

use std::io;
use std::path::{Path, PathBuf};

use aq_ledger::{RecordUpdate, key_names};

use super::durable::{replace_durably, sync_dir};
use super::error::Result;
use super::meta::read_values;
use super::queue_dir::QueueDir;

key_names! {
    /// A key of `.state/repository`.
    enum MarkerKey {
        /// `aq.id` of the repository's config.
        Id = "id",
        /// Common git directory of the repository.
        Path = "path",
        /// Top of the work tree.
        Top = "top",
        /// The queue's own directory.
        Root = "root",
        /// Earlier tops.
        MovedFrom = "moved_from",
    }
}

/// The project that a queue is for, as of the last verb that changed the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryMarker {
    /// `aq.id` of the repository's config; absent where that could not be written.
    pub id: Option<String>,
    /// Common git directory of the repository; absent of a queue in a project's `.aq/`.
    pub path: Option<PathBuf>,
    /// Top of the work tree, or the bare repository; of a `.aq/` the directory that it is in.
    pub top: Option<PathBuf>,
    /// The queue's own directory.
    pub root: Option<PathBuf>,
    /// Earlier tops, the oldest first.
    pub moved_from: Vec<PathBuf>,
}

impl RepositoryMarker {
    /// Reads the marker of a queue; `None` when it has none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(root: &Path) -> Result<Option<Self>> {
        let meta = read_values(&root.join(".state/repository"))?;
        if meta.is_empty() {
            return Ok(None);
        }
        // A relative path would be another place for each reader.
        let path = |key| meta.get(key).map(PathBuf::from).filter(|path| path.is_absolute());
        Ok(Some(Self {
            id: meta.get(MarkerKey::Id).map(str::to_owned),
            path: path(MarkerKey::Path),
            top: path(MarkerKey::Top),
            root: path(MarkerKey::Root),
            moved_from: meta.list(MarkerKey::MovedFrom).into_iter().map(PathBuf::from).collect(),
        }))
    }

    /// Replaces the marker, durably. Who writes it holds a lock of the queue.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, queue: &QueueDir) -> Result<()> {
        let shown = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let earlier: Vec<String> =
            self.moved_from.iter().map(|path| path.display().to_string()).collect();
        let record = RecordUpdate::new()
            .set_some(MarkerKey::Id, self.id.as_ref())
            .set_some(MarkerKey::Path, shown(&self.path))
            .set_some(MarkerKey::Top, shown(&self.top))
            .set_some(MarkerKey::Root, shown(&self.root));
        let record = if earlier.is_empty() {
            record
        } else {
            record.set_list(MarkerKey::MovedFrom, &earlier)
        };
        let state = queue.state();
        let through = state.join("tmp/.repository");
        replace_durably(&state.join("repository"), &through, record.to_text().as_bytes())?;
        sync_dir(&state)
    }

    /// A recorded directory of a project that was moved since, where it is now. The directory as it
    /// is recorded when it is there, or nowhere.
    pub fn present(&self, recorded: &Path) -> PathBuf {
        let is_gone = |path: &Path| {
            path.metadata().is_err_and(|e| {
                matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            })
        };
        let Some(top) = self.top.as_ref().filter(|_| is_gone(recorded)) else {
            return recorded.to_owned();
        };
        let mapped = self.moved_from.iter().rev().filter_map(|old| below(recorded, old, top));
        mapped.into_iter().find(|dir| dir.is_dir()).unwrap_or_else(|| recorded.to_owned())
    }
}

/// The place below `new` that `path` has below `old`.
pub fn below(path: &Path, old: &Path, new: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(old).ok()?;
    Some(if rest.as_os_str().is_empty() { new.to_owned() } else { new.join(rest) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TestQueue;

    #[test]
    fn markers_are_read_as_written() {
        let queue = TestQueue::new();
        assert_eq!(RepositoryMarker::read(queue.root()).unwrap(), None);
        let marker = RepositoryMarker {
            id: Some("0123456789abcdef".to_owned()),
            path: Some("/a\nb=\\/.git".into()),
            top: Some("/a\nb=\\".into()),
            root: Some(queue.root().to_owned()),
            moved_from: vec!["/x,y".into(), "/z".into()],
        };
        marker.write(&queue).unwrap();
        assert_eq!(RepositoryMarker::read(queue.root()).unwrap(), Some(marker));
    }

    #[test]
    fn relative_paths_in_markers_do_not_count() {
        let queue = TestQueue::new();
        std::fs::write(queue.state().join("repository"), "id=1\npath=a/.git\n").unwrap();
        let marker = RepositoryMarker::read(queue.root()).unwrap().unwrap();
        assert_eq!((marker.id.as_deref(), marker.path), (Some("1"), None));
    }

    #[test]
    fn only_directories_that_are_gone_are_mapped() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("new/src")).unwrap();
        std::fs::create_dir_all(at("there")).unwrap();
        let marker = RepositoryMarker {
            top: Some(at("new")),
            moved_from: vec![at("first"), at("old")],
            ..RepositoryMarker::default()
        };
        for (recorded, now) in [
            ("old/src", "new/src"),
            ("old", "new"),
            ("first/src", "new/src"),
            ("old/gone", "old/gone"),
            ("older", "older"),
            ("there", "there"),
        ] {
            assert_eq!(marker.present(&at(recorded)), at(now), "{recorded}");
        }
    }
}
