//! What a person does to a job, or to the loop.

use std::path::Path;
use std::time::{Duration, Instant};

use aq_manifest::{JobId, Outcome, Stage};
use jiff::Timestamp;

use crate::process::{ProcessId, Signal};
use crate::store::{
    HeldJob, JobRecord, Meta, Promise, QueueDir, RUN_KEYS, Record, Result, StoreError,
};

use super::launch::start_worker;
use super::recovery::{recover_job, worker};
use super::stop::StopRequest;

/// How long a step of another process may take: two writes and a rename.
const STEP_END: Duration = Duration::from_secs(1);

/// How long a loop may take to end: it only has to finish the step that it is at.
const LOOP_END: Duration = Duration::from_secs(10);

/// How long a worker may take to end: the grace of its agent, and what it takes to record the end.
const WORKER_END: Duration = Duration::from_secs(60);

/// Accepts a job from review/ or testing/. Durable when this returns.
///
/// # Errors
/// [`StoreError::WrongStage`] elsewhere; [`StoreError::Busy`] while `verify` runs.
pub fn ship(queue: &QueueDir, id: &JobId, now: Timestamp) -> Result<()> {
    let mut job = HeldJob::take(queue, id)?;
    job.require(&[Stage::Review, Stage::Testing], "ship", "review/ or testing/")?;
    let record = Record::new().set("result", Outcome::Shipped).set("shipped_at", now);
    job.move_to(Stage::Shipped, record, Promise::Durable)
}

/// Moves a job one step on: from review/ to testing/, which runs `verify` in a worker and waits
/// for it, and from testing/ to shipped/. Answers where it lies then.
///
/// # Errors
/// [`StoreError::WrongStage`] elsewhere, [`StoreError::Busy`] while `verify` runs already.
pub fn promote(queue: &QueueDir, id: &JobId, worker: &Path, now: Timestamp) -> Result<Stage> {
    let job = HeldJob::take(queue, id)?;
    job.require(&[Stage::Review, Stage::Testing], "promote", "review/ or testing/")?;
    if job.stage() == Stage::Testing {
        drop(job);
        ship(queue, id, now)?;
        return Ok(Stage::Shipped);
    }
    start_worker(queue, worker, job).and_then(|mut child| child.wait()).map_err(|source| {
        StoreError::Io { action: "run the worker", path: worker.to_owned(), source }
    })?;
    queue.expect(id)
}

/// Turns a job's work down.
///
/// # Errors
/// As [`ship`].
pub fn reject(queue: &QueueDir, id: &JobId, reason: Option<&str>, now: Timestamp) -> Result<()> {
    let mut job = HeldJob::take(queue, id)?;
    job.require(&[Stage::Review, Stage::Testing], "reject", "review/ or testing/")?;
    let record = Record::new()
        .set("result", Outcome::Rejected)
        .set("ended_at", now)
        .set("message", reason.unwrap_or("rejected by a person"));
    job.move_to(Stage::Failed, record, Promise::Durable)
}

/// Puts a failed job back into the inbox as if it had never run. Its log stays.
///
/// # Errors
/// [`StoreError::WrongStage`] when it is not in failed/, or in quarantine/ without `force`.
pub fn requeue(queue: &QueueDir, id: &JobId, force: bool) -> Result<()> {
    let mut job = HeldJob::take(queue, id)?;
    if force {
        job.require(&[Stage::Failed, Stage::Quarantine], "requeue", "failed/ or quarantine/")?;
    } else {
        let needs = "failed/ (a quarantined job needs --force)";
        job.require(&[Stage::Failed], "requeue", needs)?;
    }
    StopRequest::of(queue, id).withdraw();
    job.move_to(Stage::Inbox, Record::new().clear(RUN_KEYS), Promise::Durable)
}

/// What stopping a job came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It had not started: it is in failed/ now.
    BeforeStart,
    /// Its supervisor was told, and has ended unless the tree took longer than a minute to go.
    Signalled,
}

/// Ends one job: a waiting one at once, a running one through its supervisor.
///
/// # Errors
/// [`StoreError::WrongStage`] when it neither waits nor runs.
pub fn stop(queue: &QueueDir, id: &JobId, now: Timestamp) -> Result<Stopped> {
    let give_up = Instant::now() + STEP_END;
    loop {
        match HeldJob::take(queue, id) {
            Ok(job) => return stop_held(queue, job, now),
            // Another process is at a step of it that takes no time, such as its launch.
            Err(StoreError::Busy(_)) if queue.has(Stage::Inbox, id) && Instant::now() < give_up => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(StoreError::Busy(_)) => return stop_running(queue, id),
            Err(e) => return Err(e),
        }
    }
}

fn stop_held(queue: &QueueDir, mut job: HeldJob, now: Timestamp) -> Result<Stopped> {
    match job.stage() {
        Stage::Inbox => {
            let record = Record::new()
                .set("result", Outcome::Stopped)
                .set("ended_at", now)
                .set("message", "stopped by a person before it started");
            job.move_to(Stage::Failed, record, Promise::None)?;
            Ok(Stopped::BeforeStart)
        }
        Stage::Building => {
            // Its worker is dead: recovery ends what is left, and sees the wish.
            let id = job.id().clone();
            drop(job);
            make_request(queue, &id)?;
            recover_job(queue, &id, now)?;
            Ok(Stopped::Signalled)
        }
        _ => {
            job.require(&[], "stop", "inbox/ or building/")?;
            Ok(Stopped::BeforeStart)
        }
    }
}

/// The wish is written first, then the worker is told. One that has not written its identity yet
/// looks for the wish when it has, so one of the two sees the other.
fn stop_running(queue: &QueueDir, id: &JobId) -> Result<Stopped> {
    make_request(queue, id)?;
    let record = JobRecord::read(queue, queue.expect(id)?, id.clone())?;
    if let Some(worker) = worker(&record.meta) {
        let path = queue.job_file(record.stage, id);
        let told = worker.signal(Signal::TERM);
        told.map_err(|source| StoreError::Io { action: "signal the worker of", path, source })?;
        // One that does not go in time is shown by `status`.
        let _ = worker.wait_gone(Some(WORKER_END));
    }
    Ok(Stopped::Signalled)
}

fn make_request(queue: &QueueDir, id: &JobId) -> Result<()> {
    StopRequest::of(queue, id).make().map_err(|source| StoreError::Io {
        action: "write a stop request in",
        path: queue.state(),
        source,
    })
}

/// Tells the run loop to end, and waits until it has; agents go on. Answers its process id, or
/// `None` when no loop is at work.
///
/// # Errors
/// When the loop cannot be told.
pub fn stop_loop(queue: &QueueDir) -> Result<Option<u32>> {
    let path = queue.daemon_pid();
    let Some(process) = worker(&Meta::read(&path)?).filter(ProcessId::is_alive) else {
        return Ok(None);
    };
    let told = process.signal(Signal::TERM).and_then(|_| process.wait_gone(Some(LOOP_END)));
    told.map_err(|source| StoreError::Io { action: "stop the run loop of", path, source })?;
    Ok(Some(process.pid()))
}

/// Tells every worker to end its job and put it back; the next loop runs them again. The loop
/// must have ended before, or it starts others. Answers the jobs.
///
/// # Errors
/// When the queue's folders cannot be read, or a worker cannot be told.
pub fn stop_all(queue: &QueueDir) -> Result<Vec<JobId>> {
    let mut told = Vec::new();
    for stage in [Stage::Building, Stage::Review] {
        for id in queue.jobs(stage)? {
            let record = JobRecord::read(queue, stage, id)?;
            let Some(process) = worker(&record.meta) else { continue };
            let path = queue.job_file(stage, &record.id);
            let signalled = process.signal(Signal::TERM);
            if signalled.map_err(|source| StoreError::Io {
                action: "signal the worker of",
                path,
                source,
            })? {
                told.push((record.id, process));
            }
        }
    }
    for (_, process) in &told {
        // One that does not go is shown by `status`.
        let _ = process.wait_gone(Some(WORKER_END));
    }
    Ok(told.into_iter().map(|(id, _)| id).collect())
}
