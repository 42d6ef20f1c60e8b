//! Source of the run loop's events: a file that changed, a worker that ended, a signal. One
//! channel, so that the loop sleeps in one place and does nothing when nothing happens.

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aq_manifest::JobId;

use crate::process::StopSignals;
use crate::run::run_loop::folder_watch::FolderWatch;
use crate::store::QueueDir;

/// Something that wakes the loop, which makes an event of it when its turn comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WakeCause {
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
    /// A listener has something to do, and its own threads said so.
    ListenerNews,
    /// Somebody may want the loop to end: its handle, or a request on disk.
    Stop,
    /// A signal came.
    Signal(c_int),
}

/// Both ends of the channel of a loop that has not begun.
#[derive(Debug)]
pub(crate) struct WakeChannel {
    receiver: Receiver<WakeCause>,
    stopper: LoopStopper,
}

/// The request that a loop of this process end.
#[derive(Clone, Debug)]
pub(crate) struct LoopStopper {
    is_made: Arc<AtomicBool>,
    to_loop: Sender<WakeCause>,
}

impl WakeChannel {
    pub(crate) fn new() -> Self {
        let (to_loop, receiver) = channel();
        Self { receiver, stopper: LoopStopper { is_made: Arc::default(), to_loop } }
    }

    pub(crate) fn stopper(&self) -> LoopStopper {
        self.stopper.clone()
    }
}

impl LoopStopper {
    pub(crate) fn stop(&self) {
        self.is_made.store(true, Ordering::SeqCst);
        // The loop may be gone by now; then nobody needs to know.
        let _ = self.to_loop.send(WakeCause::Stop);
    }
}

/// The receiving end, and what feeds it.
#[derive(Debug)]
pub(crate) struct EventSource {
    receiver: Receiver<WakeCause>,
    sender: Sender<WakeCause>,
    stopper: LoopStopper,
    _signals: Option<StopSignals>,
    watch: Option<FolderWatch>,
}

impl EventSource {
    /// Starts to watch the queue's folders and, `with_signals`, to take the signals that stop a
    /// loop. A file system that cannot be watched is no error: the loop's slow sweep finds what
    /// changed.
    pub(crate) fn new(
        queue: &QueueDir,
        channel: WakeChannel,
        with_signals: bool,
    ) -> std::io::Result<Self> {
        let WakeChannel { receiver, stopper } = channel;
        let sender = stopper.to_loop.clone();
        let to_loop = sender.clone();
        let watch = FolderWatch::start(queue, move |wake| {
            // The loop may be gone by now; then nobody needs to know.
            let _ = to_loop.send(wake);
        })
        .ok();
        let to_loop = sender.clone();
        let tell = move |signal| _ = to_loop.send(WakeCause::Signal(signal));
        let signals = with_signals.then(|| StopSignals::listen(tell)).transpose()?;
        Ok(Self { receiver, sender, stopper, _signals: signals, watch })
    }

    /// Tests for a request to end by the loop's handle.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopper.is_made.load(Ordering::SeqCst)
    }

    /// Sleeps until something happens or `limit` is over, then takes everything that is there.
    /// Each thing is in the answer once, however often it happened.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> Vec<WakeCause> {
        let first = match limit {
            Some(limit) => self.receiver.recv_timeout(limit).ok(),
            None => self.receiver.recv().ok(),
        };
        let mut wakes: Vec<WakeCause> = first.into_iter().chain(self.receiver.try_iter()).collect();
        wakes.sort();
        wakes.dedup();
        wakes
    }

    /// Watches the folders that are other directories than before, or `all`. Answers whether
    /// something may have happened there without an event.
    pub(crate) fn renew_watch(&mut self, all: bool) -> bool {
        self.watch.as_mut().is_some_and(|watch| watch.renew(all))
    }

    /// A call that sends `wake` to the loop, for another thread.
    pub(crate) fn waker(&self, wake: WakeCause) -> impl Fn() + Send + Sync + 'static {
        let to_loop = Mutex::new(self.sender.clone());
        move || {
            let sender = to_loop.lock().unwrap_or_else(PoisonError::into_inner);
            // The loop may be gone by now; then nobody needs to know.
            let _ = sender.send(wake.clone());
        }
    }

    /// Sends `wake` to the loop when `wait` returns, which may block for as long as it wants to.
    pub(crate) fn after(
        &self,
        wake: WakeCause,
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

/// A thread that waits needs little; one that asks the fleet, or ends a job, some more. What is not
/// used costs nothing.
fn spawn_small(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(512 << 10).spawn(body).map(drop)
}
