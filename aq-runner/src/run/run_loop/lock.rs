//! The lock that makes a process the loop of its queue, and what it says of its holder.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aq_ledger::RecordUpdate;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::progress::RunError;
use crate::process::ProcessId;
use crate::run::at_work::loop_process;
use crate::run::run_loop::options::RunOptions;
use crate::run::stop::LoopStopRequest;
use crate::store::{FileLock, LoopKey, QueueDir, StoreError};

/// How long the lock of a loop that is dead is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// The lock of a run loop, signed unless the disk is too full for that. When it is dropped, no
/// signature of this process is left: it may go on.
#[derive(Debug)]
pub(in crate::run) struct LoopLock {
    file: FileLock,
    name: PathBuf,
    /// The signature, while it could not be written.
    unsigned: Option<RecordUpdate<LoopKey>>,
}

impl LoopLock {
    pub(super) fn is_signed(&self) -> bool {
        self.unsigned.is_none()
    }

    /// Writes what is not written yet. That the disk is full keeps no loop from its jobs.
    pub(super) fn sign(&mut self) -> Result<(), StoreError> {
        let Some(words) = &self.unsigned else { return Ok(()) };
        match self.file.sign(words, &self.name) {
            Err(e) if e.is_full() => {}
            Err(e) => return Err(e),
            Ok(()) => self.unsigned = None,
        }
        Ok(())
    }

    /// The path of the locked file by now, if the system knows it.
    pub(super) fn path_now(&self) -> Option<PathBuf> {
        self.file.path_now()
    }
}

impl Drop for LoopLock {
    fn drop(&mut self) {
        // The lock says the same, in case this fails. Where its file was there may be another
        // loop's by now.
        let named = || self.file.is_at(&self.name).then(|| self.name.clone());
        if let Some(name) = self.path_now().or_else(named) {
            let _ = std::fs::remove_file(name);
        }
    }
}

/// Takes the lock of the run loop and signs it.
pub(in crate::run) fn become_the_loop(
    queue: &QueueDir,
    options: &RunOptions,
) -> Result<LoopLock, RunError> {
    let file = take(queue)?;
    let me = ProcessId::current().map_err(|e| RunError::System("tell who this process is", e))?;
    let signature = RecordUpdate::new()
        .set(LoopKey::Pid, me.pid())
        .set(LoopKey::Pidstart, me.start())
        .set(LoopKey::Boot, me.boot())
        .set(LoopKey::StartedAt, Timestamp::now())
        .set_some(LoopKey::Queue, queue.root().to_str())
        .set(LoopKey::Max, options.max)
        .set_some(LoopKey::MaxReview, options.max_review)
        .set(LoopKey::Ship, options.ship)
        .set_some(LoopKey::Embedded, (!options.take_signals).then_some("1"));
    // Before anybody can mean this loop.
    LoopStopRequest::of(queue).withdraw();
    let mut lock = LoopLock { file, name: queue.daemon_pid(), unsigned: Some(signature) };
    lock.sign()?;
    Ok(lock)
}

/// Takes the lock. A loop that was killed may hold it for a moment longer, until the kernel has
/// ended all its threads.
fn take(queue: &QueueDir) -> Result<FileLock, RunError> {
    let give_up = Instant::now() + LOCK_PATIENCE;
    loop {
        let holder = match FileLock::run_loop(queue)? {
            Ok(lock) => return Ok(lock),
            Err(holder) => holder,
        };
        if loop_process(&holder).is_some_and(|process| process.is_alive())
            || Instant::now() > give_up
        {
            let since = holder.time(LoopKey::StartedAt);
            return Err(RunError::AlreadyRunning {
                pid: holder.get(LoopKey::Pid).unwrap_or("unknown").to_owned(),
                since: since.map_or("an unknown time".to_owned(), |at| {
                    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
                }),
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
