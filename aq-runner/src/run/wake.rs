//! What wakes the run loop: a file that changed, a worker that ended, a signal. One channel, so
//! that the loop sleeps in one place and does nothing when nothing happens.

use std::ffi::c_int;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aq_manifest::JobId;

use crate::store::QueueDir;

use super::folder_watch::FolderWatch;

/// Something that the loop looks into.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wake {
    /// A folder was moved, removed or made: it may be another directory now.
    Folders,
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
    watch: Option<FolderWatch>,
}

impl Wakes {
    /// Starts to watch the queue's folders and to take the signals that stop a loop. A file
    /// system that cannot be watched is no error: the loop's slow sweep finds what changed.
    pub(crate) fn new(queue: &QueueDir) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let to_loop = sender.clone();
        let watch = FolderWatch::start(queue, move |wake| {
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
        Ok(Self { receiver, sender, signals: handle, watch })
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

    /// Watches the folders that are other directories than before, or `all`. Answers whether
    /// something may have happened there that was not told.
    pub(crate) fn renew_watch(&mut self, all: bool) -> bool {
        self.watch.as_mut().is_some_and(|watch| watch.renew(all))
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
