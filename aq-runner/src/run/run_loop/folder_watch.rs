//! Watching a queue's folders. A watch is on a directory and not on its name: when somebody moves a
//! folder away and makes another, the old one is still watched. So each folder's identity is kept,
//! and one that is another directory now is watched anew.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aq_manifest::Stage;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::store::{QueueDir, job_of};

use crate::run::queue::folder_identity::{FolderIdentity, folder_identity};
use crate::run::run_loop::WakeCause;
use crate::run::stop::LoopStopRequest;

/// The watch of one process over the folders of a queue.
#[derive(Debug)]
pub(crate) struct FolderWatch {
    watcher: RecommendedWatcher,
    folders: Vec<WatchedFolder>,
}

#[derive(Debug)]
struct WatchedFolder {
    path: PathBuf,
    /// The directory that is watched; `None` while none is.
    identity: Option<FolderIdentity>,
}

impl FolderWatch {
    /// Starts to watch every folder that is there.
    ///
    /// # Errors
    /// When none can be watched.
    pub(crate) fn start(
        queue: &QueueDir,
        tell: impl Fn(WakeCause) + Send + 'static,
    ) -> notify::Result<Self> {
        let watcher = watcher(queue, tell)?;
        let folders = watched(queue).map(|path| WatchedFolder { path, identity: None }).collect();
        let mut watch = Self { watcher, folders };
        watch.renew(false);
        match watch.folders.iter().any(|folder| folder.identity.is_some()) {
            true => Ok(watch),
            false => Err(notify::Error::generic("no folder of the queue can be watched")),
        }
    }

    /// Watches the folders that are other directories than before, or `all` in the root, because
    /// an event of one that moves ends its watch, perhaps after a new one began. Returns
    /// whether there were any: what happened there meanwhile had no event.
    pub(crate) fn renew(&mut self, all: bool) -> bool {
        let mut changed = all;
        for (n, folder) in self.folders.iter_mut().enumerate() {
            // Of one that cannot be asked about, the old watch may still report.
            let Ok(found) = folder_identity(&folder.path) else { continue };
            // The root's own watch has no pause: a folder that is made later than it is looked for
            // here has an event.
            if found == folder.identity && !(all && n > 0) {
                continue;
            }
            changed |= found != folder.identity;
            let _ = self.watcher.unwatch(&folder.path);
            let is_watched = found.is_some()
                && self.watcher.watch(&folder.path, RecursiveMode::NonRecursive).is_ok();
            // When it was replaced just now, its new identity differs at the next look.
            folder.identity = found.filter(|_| is_watched);
        }
        changed
    }
}

/// A watch over a queue's folders that ends when it is dropped, for a program that shows the queue.
#[derive(Debug)]
pub struct QueueWatch {
    watch: FolderWatch,
    /// Set when a folder was moved, removed or made since the last [`Self::renew`].
    moved: Arc<AtomicBool>,
}

impl QueueWatch {
    /// Calls `changed`, on a thread of its own, whenever a job's file comes, changes or goes, and
    /// when settings, profiles or what is known of engines change. Many changes are many calls.
    /// What happens inside a record or a log has no event.
    ///
    /// # Errors
    /// When the file system cannot be watched, such as one of another machine.
    pub fn start(queue: &QueueDir, changed: impl Fn() + Send + 'static) -> io::Result<Self> {
        let moved = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&moved);
        let watch = FolderWatch::start(queue, move |wake| {
            if wake == WakeCause::Folders {
                told.store(true, Ordering::SeqCst);
            }
            changed();
        });
        Ok(Self { watch: watch.map_err(io::Error::other)?, moved })
    }

    /// Watches folders that were moved away and made anew. To be called at each look: it costs a
    /// system call a folder.
    pub fn renew(&mut self) {
        self.watch.renew(self.moved.swap(false, Ordering::SeqCst));
    }
}

/// The folders that are watched, the root first. It has the settings, and `.state/` the engines;
/// what else happens there wakes nobody.
fn watched(queue: &QueueDir) -> impl Iterator<Item = PathBuf> {
    let others = [queue.root().to_owned(), queue.state(), queue.profiles().to_owned()];
    others.into_iter().chain(Stage::ALL.map(|stage| queue.stage(stage)))
}

fn watcher(
    queue: &QueueDir,
    tell: impl Fn(WakeCause) + Send + 'static,
) -> notify::Result<RecommendedWatcher> {
    let places = WatchedPaths {
        config: queue.config(),
        engines: queue.engines(),
        stop: LoopStopRequest::of(queue).path().to_owned(),
        profiles: queue.profiles().to_owned(),
        root: queue.root().to_owned(),
        folders: watched(queue).collect(),
    };
    let started = Arc::new(());
    let held = Arc::clone(&started);
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let _with_the_thread = &held;
        let wakes = match event {
            Ok(event) if event.need_rescan() => vec![WakeCause::Everything],
            Ok(event) => places.wakes_of(&event),
            Err(_) => vec![WakeCause::Everything],
        };
        wakes.into_iter().for_each(&tell);
    })?;
    if Arc::strong_count(&started) == 1 {
        // Its thread could not be started, which it does not say: it panics when it is used or
        // dropped.
        let _ = std::mem::ManuallyDrop::new(watcher);
        return Err(notify::Error::generic("no thread can be started that watches the queue"));
    }
    Ok(watcher)
}

/// The paths that events are about.
struct WatchedPaths {
    config: PathBuf,
    engines: PathBuf,
    stop: PathBuf,
    profiles: PathBuf,
    root: PathBuf,
    folders: BTreeSet<PathBuf>,
}

impl WatchedPaths {
    fn wakes_of(&self, event: &notify::Event) -> Vec<WakeCause> {
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            EventKind::Access(_) => return Vec::new(),
            _ => {}
        }
        let moves = matches!(
            event.kind,
            EventKind::Create(_)
                | EventKind::Remove(_)
                | EventKind::Modify(ModifyKind::Name(_))
                | EventKind::Other
                | EventKind::Any
        );
        let wake_of = |path: &PathBuf| {
            if moves && self.folders.contains(path) {
                return Some(WakeCause::Folders);
            }
            let folder = path.parent()?;
            if *path == self.config || folder == self.profiles {
                return Some(WakeCause::Settings);
            }
            if *path == self.engines {
                return Some(WakeCause::Engines);
            }
            if *path == self.stop {
                return Some(WakeCause::Stop);
            }
            (folder.parent()? == self.root).then_some(())?;
            job_of(path.file_name()?.to_str()?).map(WakeCause::Job)
        };
        event.paths.iter().filter_map(wake_of).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::store::testing::TestQueue;

    #[test]
    fn a_replaced_folder_is_told_of_again() {
        let queue = TestQueue::new();
        let (sender, told) = channel();
        let mut watch = QueueWatch::start(&queue, move || {
            let _ = sender.send(());
        })
        .unwrap();
        let inbox = queue.stage(Stage::Inbox);
        for round in 0..3 {
            std::fs::rename(&inbox, queue.root().join(format!("old-{round}"))).unwrap();
            std::fs::create_dir(&inbox).unwrap();
            told.recv_timeout(Duration::from_secs(30)).unwrap();
            // The events of the move may come in several parts: until all have come, a new file is
            // made for each.
            let begun = Instant::now();
            loop {
                assert!(begun.elapsed() < Duration::from_secs(30), "round {round}");
                watch.renew();
                while told.try_recv().is_ok() {}
                let name = format!("job-{}.md", begun.elapsed().as_nanos());
                std::fs::write(inbox.join(name), "x").unwrap();
                let is_told = told.recv_timeout(Duration::from_millis(200)).is_ok();
                if is_told && !watch.moved.load(Ordering::SeqCst) {
                    break;
                }
            }
        }
    }

    #[test]
    fn slow_look_finds_another_directory() {
        let queue = TestQueue::new();
        let mut watch = FolderWatch::start(&queue, |_| {}).unwrap();
        assert!(!watch.renew(false));
        std::fs::remove_dir(queue.profiles()).unwrap();
        assert!(watch.renew(false), "it is gone");
        assert!(!watch.renew(false));
        std::fs::create_dir(queue.profiles()).unwrap();
        assert!(watch.renew(false), "it is back");
        let review = queue.stage(Stage::Review);
        std::fs::rename(&review, queue.root().join("old")).unwrap();
        std::fs::create_dir(&review).unwrap();
        assert!(watch.renew(false), "it is another one");
        assert!(!watch.renew(false));
        assert!(watch.renew(true));
    }
}
