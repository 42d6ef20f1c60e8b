//! What a person does to a job, or to the loop.

use std::time::{Duration, Instant};

use aq_ledger::KeyValues;
use aq_ledger::steps::{RejectWork, RequeueJob, StopReason, StopWaiting};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use crate::process::{ProcessId, Signal};
use crate::store::{
    FeedbackFile, HeldJob, JobRecord, LoopKey, QueueDir, Result, StoreError, read_values,
};

use crate::run::at_work::{is_at_work, loop_process, worker};
use crate::run::environment::ProcessEnvironment;
use crate::run::recovery::{RecoveryResult, recover_job};
use crate::run::settings::scratch_of;
use crate::run::stop::{LoopStopRequest, StopRequest};

/// The pause between two looks at a job that is being stopped.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long a loop may take to end: it only has to finish the step that it is at.
const LOOP_END: Duration = Duration::from_secs(10);

/// How long a worker may take to end: the grace of its agent, and what it takes to record the end.
const WORKER_END: Duration = Duration::from_secs(60);

/// How long somebody is waited for who holds a job only to note something down, as the loop does.
const MOMENT: Duration = Duration::from_secs(1);

/// Takes a job that nobody is at work on.
pub(crate) fn take(queue: &QueueDir, id: &JobId) -> Result<HeldJob> {
    let give_up = Instant::now() + MOMENT;
    loop {
        match HeldJob::lock(queue, id) {
            Err(StoreError::Busy(_)) if Instant::now() < give_up && !is_at_work(queue, id) => {
                std::thread::sleep(LOOK_AGAIN);
            }
            taken => {
                let job = taken?;
                job.expect_known_format()?;
                return Ok(job);
            }
        }
    }
}

/// Turns a job's work down.
///
/// # Errors
/// [`StoreError::WrongStage`] when it is in neither; [`StoreError::Busy`] while `verify` runs.
pub fn reject(queue: &QueueDir, id: &JobId, reason: Option<&str>, now: Timestamp) -> Result<()> {
    take(queue, id)?.step(&RejectWork { reason }, now)
}

/// Puts a failed job back into the inbox as if it had never run. Its log stays. A job that came
/// from the fleet is this host's own from then on: there it has ended, or has passed to another
/// host.
///
/// # Errors
/// [`StoreError::WrongStage`] when it is not in failed/, or in quarantine/ without `force`.
pub fn requeue(queue: &QueueDir, id: &JobId, force: bool) -> Result<()> {
    let mut job = take(queue, id)?;
    let step = job.decide(&RequeueJob { force }, Timestamp::now())?;
    StopRequest::of(queue, id).withdraw();
    // Before it can start: a fresh one learns nothing of earlier ones.
    FeedbackFile::of(queue, id).remove()?;
    job.apply(&step)
}

/// What stopping a job came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOutcome {
    /// It had not started: it is in failed/ now.
    BeforeStart,
    /// Its supervisor has ended, and the job lies here: in failed/, unless the job was faster.
    Ended(Stage),
    /// Its supervisor was asked, and is not done after a minute.
    Signalled,
}

/// Ends one job: a waiting one at once, a running one through its supervisor, and waits for that.
///
/// # Errors
/// [`StoreError::WrongStage`] when it neither waits nor runs.
pub fn stop(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    id: &JobId,
    now: Timestamp,
) -> Result<StopOutcome> {
    let request = StopRequest::of(queue, id);
    let give_up = Instant::now() + WORKER_END;
    // Who was asked; and whether somebody was at work at all, who may have seen the wish by itself.
    let (mut told, mut at_work) = (None, false);
    loop {
        match HeldJob::lock(queue, id) {
            Ok(mut job) if job.stage() == Stage::Inbox => {
                job.step(&StopWaiting, now)?;
                request.withdraw();
                // When somebody was asked, it failed by itself just now and would be tried again.
                let ended = told.map(|_| StopOutcome::Ended(Stage::Failed));
                return Ok(ended.unwrap_or(StopOutcome::BeforeStart));
            }
            Ok(job) if job.stage() == Stage::Building => {
                // Its worker is dead: recovery ends what is left, and sees the wish.
                drop(job);
                make_request(queue, id)?;
                let places = scratch_of(queue, environment);
                if let RecoveryResult::Failed(_) = recover_job(queue, &places, id, now)? {
                    return Ok(StopOutcome::Ended(Stage::Failed));
                }
            }
            Ok(job) if at_work => {
                request.withdraw();
                return Ok(StopOutcome::Ended(job.stage()));
            }
            Ok(job) => job.require(&[], "stop", "inbox/ or building/")?,
            Err(StoreError::Busy(_)) => {
                at_work = true;
                told = tell(queue, id, told)?;
            }
            Err(e) => return Err(e),
        }
        if Instant::now() >= give_up {
            return Ok(StopOutcome::Signalled);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Asks the worker of a job to end, unless it is the one that was asked before. The wish is
/// written first: a worker that has not written its name yet looks for it when it has, so one of
/// the two sees the other.
fn tell(queue: &QueueDir, id: &JobId, told: Option<ProcessId>) -> Result<Option<ProcessId>> {
    let record = JobRecord::read(queue, queue.expect(id)?, id.clone())?;
    let worker = worker(&record.meta).filter(ProcessId::is_alive);
    if worker.is_none() || worker != told {
        make_request(queue, id)?;
    }
    let Some(worker) = worker.filter(|_| worker != told) else { return Ok(told) };
    let path = queue.job_file(record.stage, id);
    let signalled = worker.signal(Signal::TERM);
    signalled.map_err(|source| StoreError::Io { action: "signal the worker of", path, source })?;
    Ok(Some(worker))
}

fn make_request(queue: &QueueDir, id: &JobId) -> Result<()> {
    StopRequest::of(queue, id).make(StopReason::Person).map_err(|source| StoreError::Io {
        action: "write a stop request in",
        path: queue.state(),
        source,
    })
}

/// Asks the run loop to end, and waits until it has; agents go on. Returns its process id, or
/// `None` when no loop is at work.
///
/// # Errors
/// When the loop cannot be reached.
pub fn stop_loop(queue: &QueueDir) -> Result<Option<u32>> {
    let path = queue.daemon_pid();
    let signature: KeyValues<LoopKey> = read_values(&path)?;
    let Some(process) = loop_process(&signature).filter(ProcessId::is_alive) else {
        return Ok(None);
    };
    if signature.get(LoopKey::Embedded).is_some() {
        stop_embedded_loop(queue, &signature)?;
        return Ok(Some(process.pid()));
    }
    let told = process.signal(Signal::TERM).and_then(|_| process.wait_gone(Some(LOOP_END)));
    told.map_err(|source| StoreError::Io { action: "stop the run loop of", path, source })?;
    Ok(Some(process.pid()))
}

/// Asks a loop to end whose process has other things to do, and waits until its signature is gone.
fn stop_embedded_loop(queue: &QueueDir, signature: &KeyValues<LoopKey>) -> Result<()> {
    let path = queue.daemon_pid();
    let made = LoopStopRequest::of(queue).make();
    made.map_err(|source| StoreError::Io {
        action: "write a stop request in",
        path: queue.state(),
        source,
    })?;
    let give_up = Instant::now() + LOOP_END;
    let began = |values: &KeyValues<LoopKey>| values.get(LoopKey::StartedAt).map(str::to_owned);
    while Instant::now() < give_up && began(&read_values(&path)?) == began(signature) {
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// Asks every worker to end its job and put it back; the next loop runs them again. The loop
/// must have ended before, or it starts others. Answers the jobs.
///
/// # Errors
/// When the queue's folders cannot be read, or a worker cannot be reached.
pub fn stop_all(queue: &QueueDir) -> Result<Vec<JobId>> {
    let mut told = Vec::new();
    for stage in [Stage::Building, Stage::Review] {
        for id in queue.jobs(stage)? {
            let path = queue.job_file(stage, &id);
            let Some(process) = worker_of(queue, &id)? else { continue };
            let signalled = process.signal(Signal::TERM);
            if signalled.map_err(|source| StoreError::Io {
                action: "signal the worker of",
                path,
                source,
            })? {
                told.push((id, process));
            }
        }
    }
    for (_, process) in &told {
        // One that does not go is shown by `status`.
        let _ = process.wait_gone(Some(WORKER_END));
    }
    Ok(told.into_iter().map(|(id, _)| id).collect())
}

/// The worker of a job, if it has one. One that has just been started is given the time to write
/// its name down.
fn worker_of(queue: &QueueDir, id: &JobId) -> Result<Option<ProcessId>> {
    let give_up = Instant::now() + LOOP_END;
    loop {
        let found = worker(&read_values(&queue.meta(id))?).filter(ProcessId::is_alive);
        if found.is_some() || Instant::now() >= give_up {
            return Ok(found);
        }
        match HeldJob::lock(queue, id) {
            Err(StoreError::Busy(_)) => std::thread::sleep(LOOK_AGAIN),
            Ok(_) | Err(StoreError::NoSuchJob(_)) => return Ok(None),
            Err(e) => return Err(e),
        }
    }
}
