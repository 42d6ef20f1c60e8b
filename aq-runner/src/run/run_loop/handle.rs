//! A run loop as a part of a program: a thread, and a handle that ends it.

use std::io;
use std::thread::JoinHandle;

use crate::store::QueueDir;

use crate::run::run_loop::options::RunOptions;
use crate::run::run_loop::{
    LoopProgress, LoopStopper, LoopSummary, RunError, WakeChannel, become_the_loop, run_as,
};
use crate::run::settings::QueueSettings;

/// A run loop on a thread of its own, which ends when the handle is dropped.
///
/// Any number of them may run in a process, each with a queue of its own. A job's worker is a
/// process of its own and goes on when its loop has ended; the next loop of the queue takes it up
/// again.
#[derive(Debug)]
#[must_use = "the loop ends when its handle is dropped"]
pub struct RunHandle {
    stopper: LoopStopper,
    thread: Option<JoinHandle<Result<LoopSummary, RunError>>>,
}

/// Starts a run loop on a thread of its own. `observer` is called on that thread. When this
/// returns, the loop has its queue: no other one can begin there.
///
/// # Errors
/// [`RunError::AlreadyRunning`] and other reasons why it cannot begin. What ends it later is the
/// answer of [`RunHandle::join`].
pub fn start(
    queue: &QueueDir,
    settings: QueueSettings,
    options: RunOptions,
    mut observer: impl FnMut(LoopProgress<'_>) + Send + 'static,
) -> Result<RunHandle, RunError> {
    let lock = become_the_loop(queue, &options)?;
    let channel = WakeChannel::new();
    let stopper = channel.stopper();
    let queue = queue.clone();
    let thread = std::thread::Builder::new()
        .name("aq-loop".to_owned())
        .spawn(move || run_as(lock, channel, &queue, settings, &options, &mut observer))
        .map_err(|e| RunError::System("start a thread for the loop", e))?;
    Ok(RunHandle { stopper, thread: Some(thread) })
}

impl RunHandle {
    /// Asks the loop to end, and does not wait for it. It finishes its step, which takes seconds at
    /// most; running jobs go on. Doing it twice is doing it once.
    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// Answers whether the loop has ended, so that [`join`](Self::join) does not wait.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until the loop has ended by itself, by [`stop`](Self::stop), or by a signal.
    ///
    /// # Errors
    /// The reason why it could not go on.
    pub fn join(mut self) -> Result<LoopSummary, RunError> {
        let Some(thread) = self.thread.take() else { return Ok(LoopSummary::default()) };
        let panicked = || io::Error::other("it panicked, and standard error says where");
        thread.join().unwrap_or_else(|_| Err(RunError::System("go on with the loop", panicked())))
    }
}

impl Drop for RunHandle {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stopper.stop();
            // Its result is lost, as whoever drops the handle wants it.
            let _ = thread.join();
        }
    }
}
