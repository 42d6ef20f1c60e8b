//! The lock that makes a process the loop of its queue, and what it says of its holder.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::options::RunOptions;
use super::super::recovery::worker;
use super::super::stop::LoopStopRequest;
use super::RunError;
use crate::process::ProcessId;
use crate::store::{FileLock, QueueDir, Record, StoreError};

/// How long the lock of a loop that is dead is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Takes the lock of the run loop and signs it. Answers the signature again when the disk is too full
/// for it.
pub(in crate::run) fn become_the_loop(
    queue: &QueueDir,
    options: &RunOptions,
) -> Result<(FileLock, Option<Record>), RunError> {
    let mut lock = take(queue)?;
    let me = ProcessId::current().map_err(|e| RunError::System("tell who this process is", e))?;
    let signature = Record::new()
        .set("pid", me.pid())
        .set("pidstart", me.start())
        .set("boot", me.boot())
        .set("started_at", Timestamp::now())
        .set_some("queue", queue.root().to_str())
        .set("max", options.max)
        .set_some("max_review", options.max_review)
        .set("ship", options.ship)
        .set_some("embedded", (!options.take_signals).then_some("1"));
    // Before anybody can mean this loop.
    LoopStopRequest::of(queue).withdraw();
    let unsigned = sign(&mut lock, signature, queue)?;
    Ok((lock, unsigned))
}

/// Takes the lock. A loop that was killed may hold it for a moment longer, until the kernel has ended
/// all its threads.
fn take(queue: &QueueDir) -> Result<FileLock, RunError> {
    let give_up = Instant::now() + LOCK_PATIENCE;
    loop {
        let holder = match FileLock::run_loop(queue)? {
            Ok(lock) => return Ok(lock),
            Err(holder) => holder,
        };
        if worker(&holder).is_some_and(|process| process.is_alive()) || Instant::now() > give_up {
            let since = holder.time("started_at");
            return Err(RunError::AlreadyRunning {
                pid: holder.get("pid").unwrap_or("unknown").to_owned(),
                since: since.map_or("an unknown time".to_owned(), |at| {
                    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
                }),
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes who the loop is. Answers the words again when the disk is too full for them: that keeps no
/// loop from its jobs.
pub(super) fn sign(
    lock: &mut FileLock,
    words: Record,
    queue: &QueueDir,
) -> Result<Option<Record>, StoreError> {
    match lock.sign(&words, &queue.daemon_pid()) {
        Err(e) if e.is_full() => Ok(Some(words)),
        other => other.map(|()| None),
    }
}
