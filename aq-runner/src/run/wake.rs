//! What wakes the run loop: a file that changed, a worker that ended, a signal. One channel, so
//! that the loop sleeps in one place and does nothing when nothing happens.

use std::ffi::c_int;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aq_manifest::{JobId, Stage};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::store::{QueueDir, job_of};

/// Something that the loop looks into.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wake {
    /// The file of a job appeared, changed or went.
    Job(JobId),
    /// A profile or the settings changed: every waiting job may be another now.
    Settings,
    /// What is known of the engines changed.
    Engines,
    /// Something changed, and nobody knows what.
    Everything,
    /// The worker of a job ended.
    WorkerEnded(JobId),
    /// Another process that held a job let go of it.
    Free(JobId),
    /// The coordinator of the fleet has said something.
    Fleet,
    /// A signal came.
    Signal(c_int),
}

/// The receiving end, and what feeds it.
#[derive(Debug)]
pub(crate) struct Wakes {
    receiver: Receiver<Wake>,
    sender: Sender<Wake>,
    signals: signal_hook::iterator::Handle,
    _watcher: Option<RecommendedWatcher>,
}

impl Wakes {
    /// Starts to watch the queue's folders and to take the signals that stop a loop. A file
    /// system that cannot be watched is no error: the loop's slow sweep finds what changed.
    pub(crate) fn new(queue: &QueueDir) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let to_loop = sender.clone();
        let watcher = watch(queue, move |wake| {
            // The loop may be gone by now; then nobody needs to know.
            let _ = to_loop.send(wake);
        })
        .ok();
        let stop = [
            signal_hook::consts::SIGTERM,
            signal_hook::consts::SIGINT,
            signal_hook::consts::SIGHUP,
        ];
        let mut signals = signal_hook::iterator::Signals::new(stop)?;
        let handle = signals.handle();
        let to_loop = sender.clone();
        spawn_small("aq-signals", move || {
            for signal in &mut signals {
                if to_loop.send(Wake::Signal(signal)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { receiver, sender, signals: handle, _watcher: watcher })
    }

    /// Sleeps until something happens or `limit` is over, then takes everything that is there.
    /// Each thing is in the answer once, however often it happened.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> Vec<Wake> {
        let first = match limit {
            Some(limit) => self.receiver.recv_timeout(limit).ok(),
            None => self.receiver.recv().ok(),
        };
        let mut wakes: Vec<Wake> = first.into_iter().chain(self.receiver.try_iter()).collect();
        wakes.sort();
        wakes.dedup();
        wakes
    }

    /// A call that tells the loop `wake`, for another thread.
    pub(crate) fn waker(&self, wake: Wake) -> impl Fn() + Send + Sync + 'static {
        let to_loop = Mutex::new(self.sender.clone());
        move || {
            let sender = to_loop.lock().unwrap_or_else(PoisonError::into_inner);
            // The loop may be gone by now; then nobody needs to know.
            let _ = sender.send(wake.clone());
        }
    }

    /// Tells the loop `wake` when `wait` returns, which may block for as long as it wants to.
    pub(crate) fn after(
        &self,
        wake: Wake,
        wait: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<()> {
        let to_loop = self.sender.clone();
        spawn_small("aq-wait", move || {
            wait();
            // The loop may be gone by now; then nobody needs to know.
            let _ = to_loop.send(wake);
        })
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.signals.close();
    }
}

/// A thread that waits needs little; one that asks the fleet, or ends a job, some more. What is not
/// used costs nothing.
fn spawn_small(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(512 << 10).spawn(body).map(drop)
}

/// A watch over a queue's folders that ends when it is dropped, for a program that shows the queue.
#[derive(Debug)]
pub struct QueueWatch {
    _watcher: RecommendedWatcher,
}

impl QueueWatch {
    /// Calls `changed`, on a thread of its own, whenever a job's file comes, changes or goes, and when
    /// settings, profiles or what is known of engines change. Many changes are many calls. What happens
    /// inside a record or a log is not told.
    ///
    /// # Errors
    /// When the file system cannot be watched, such as one of another machine.
    pub fn start(queue: &QueueDir, changed: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let watcher = watch(queue, move |_| changed()).map_err(std::io::Error::other)?;
        Ok(Self { _watcher: watcher })
    }
}

fn watch(
    queue: &QueueDir,
    tell: impl Fn(Wake) + Send + 'static,
) -> notify::Result<RecommendedWatcher> {
    let config = queue.config();
    let engines = queue.engines();
    let profiles = queue.profiles().to_owned();
    let root = queue.root().to_owned();
    let started = Arc::new(());
    let held = Arc::clone(&started);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let _with_the_thread = &held;
        let wakes = match event {
            Ok(event) if event.need_rescan() => vec![Wake::Everything],
            Ok(event) => wakes_of(&event, &root, &config, &engines, &profiles),
            Err(_) => vec![Wake::Everything],
        };
        wakes.into_iter().for_each(&tell);
    })?;
    if Arc::strong_count(&started) == 1 {
        // Its thread could not be started, which it does not say: it panics when it is used or dropped.
        let _ = std::mem::ManuallyDrop::new(watcher);
        return Err(notify::Error::generic("no thread can be started that watches the queue"));
    }
    for stage in Stage::ALL {
        watcher.watch(&queue.stage(stage), RecursiveMode::NonRecursive)?;
    }
    // The root has the settings, and `.state/` the engines; what else happens there wakes nobody.
    watcher.watch(queue.root(), RecursiveMode::NonRecursive)?;
    watcher.watch(&queue.state(), RecursiveMode::NonRecursive)?;
    if queue.profiles().is_dir() {
        watcher.watch(queue.profiles(), RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn wakes_of(
    event: &notify::Event,
    root: &Path,
    config: &Path,
    engines: &Path,
    profiles: &Path,
) -> Vec<Wake> {
    use notify::event::{AccessKind, AccessMode};
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        EventKind::Access(_) => return Vec::new(),
        _ => {}
    }
    let wake_of = |path: &Path| {
        let folder = path.parent()?;
        if path == config || folder == profiles {
            return Some(Wake::Settings);
        }
        if path == engines {
            return Some(Wake::Engines);
        }
        (folder.parent()? == root).then_some(())?;
        job_of(path.file_name()?.to_str()?).map(Wake::Job)
    };
    event.paths.iter().filter_map(|path| wake_of(path)).collect()
}
