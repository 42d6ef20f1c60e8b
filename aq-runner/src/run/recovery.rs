//! What becomes of a job whose worker died: the table in `store/transition.rs`, put to work.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use aq_manifest::{JobId, Outcome, Stage};
use jiff::Timestamp;

use crate::process::{Cgroup, ProcessId, Traces, sweep};
use crate::store::{HeldJob, Meta, Promise, QueueDir, Record, Result, StoreError};

use super::stop::StopRequest;

/// A job that was recovered this often without one end of its own is what kills its worker.
const MAX_RECOVERIES: u32 = 10;

/// How long what is left of a dead worker's tree has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(3);

/// What recovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// Somebody is at work on it: nothing was done.
    Alive,
    /// Its worker had finished and only the last rename was missing.
    Completed(Stage),
    /// It goes again: back in the inbox, its attempt counted or, when no worker had started, not.
    Requeued {
        /// Whether the attempt counts.
        counted: bool,
    },
    /// It is in `failed/`: stopped by a person, or the death of too many workers.
    Failed(Outcome),
}

/// Recovers every job in `building/` whose worker is dead. Doing it twice changes nothing.
///
/// # Errors
/// When the queue's folders cannot be read; what goes wrong with one job is in its place of the
/// list and does not stop the others.
pub fn recover(queue: &QueueDir, now: Timestamp) -> Result<Vec<(JobId, Result<Recovered>)>> {
    let jobs = queue.jobs(Stage::Building)?;
    Ok(jobs
        .into_iter()
        .map(|id| {
            let recovered = recover_job(queue, &id, now);
            (id, recovered)
        })
        .filter(|(_, recovered)| !matches!(recovered, Ok(Recovered::Alive)))
        .collect())
}

/// Recovers one job that lies in `building/`, unless it is worked on.
///
/// # Errors
/// When its files cannot be read or moved.
pub(crate) fn recover_job(queue: &QueueDir, id: &JobId, now: Timestamp) -> Result<Recovered> {
    let mut job = match HeldJob::take(queue, id) {
        Ok(job) => job,
        Err(StoreError::Busy(_) | StoreError::NoSuchJob(_)) => return Ok(Recovered::Alive),
        Err(e) => return Err(e),
    };
    // The lock is free. A living process of the recorded identity can only be a worker of a
    // queue whose file system does not hand locks on; it is believed.
    if job.stage() != Stage::Building || worker(job.meta()).is_some_and(|w| w.is_alive()) {
        return Ok(Recovered::Alive);
    }
    let last_step = job.meta().parsed::<Stage>("moved_to");
    if let Some(to) = last_step.filter(|&to| to != Stage::Building) {
        job.finish_move(to, Promise::None)?;
        clear_scratch(queue, id);
        return Ok(Recovered::Completed(to));
    }
    let meta = job.meta();
    let launched = meta.get("attempt").is_some();
    let started = meta.get("pid").is_some();
    let attempts = meta.count("attempts");
    let stop = StopRequest::of(queue, id);
    if started {
        end_leftovers(queue, id, job.meta());
    }
    clear_scratch(queue, id);
    let base = Record::new().set("ended_at", now).clear(&["pid", "pidstart", "boot"]);
    if launched && !started && !stop.is_made() {
        job.move_to(Stage::Inbox, base, Promise::None)?;
        return Ok(Recovered::Requeued { counted: false });
    }
    let attempt = meta_attempt(job.meta()).unwrap_or(attempts + 1);
    let recoveries = job.meta().count("recoveries") + 1;
    let base = base.set("attempt", attempt).set("attempts", attempt).set("recoveries", recoveries);
    let outcome = if stop.is_made() {
        Outcome::Stopped
    } else if recoveries >= MAX_RECOVERIES {
        Outcome::Crash
    } else {
        job.move_to(Stage::Inbox, base.set("message", "its worker died"), Promise::None)?;
        return Ok(Recovered::Requeued { counted: true });
    };
    let message = match outcome {
        Outcome::Stopped => "stopped by a person; its worker was already dead".to_owned(),
        _ => {
            format!("its worker died {recoveries} times in a row; the job itself probably kills it")
        }
    };
    let record = base.set("result", outcome).set("message", message);
    let record =
        if outcome == Outcome::Crash { record.set("failure_class", outcome) } else { record };
    job.move_to(Stage::Failed, record, Promise::None)?;
    stop.withdraw();
    Ok(Recovered::Failed(outcome))
}

/// The worker that the record names, if it does.
pub(crate) fn worker(meta: &Meta) -> Option<ProcessId> {
    ProcessId::parse(meta.get("pid")?, meta.get("pidstart")?, meta.get("boot")?).ok()
}

fn meta_attempt(meta: &Meta) -> Option<u32> {
    meta.parsed("attempt")
}

/// Ends what a dead worker's agent left running. What cannot be ended is no reason to keep the
/// job from going on.
fn end_leftovers(queue: &QueueDir, id: &JobId, meta: &Meta) {
    let cgroup = meta.get("cgroup").and_then(|path| Cgroup::at(Path::new(path)).ok());
    let id = OsStr::new(id.as_str());
    let markers = [("AQ_JOB_ID", id), ("AQ_QUEUE", queue.root().as_os_str())];
    let _ = sweep(&Traces { markers: &markers, cgroup: cgroup.as_ref() }, GRACE);
    if let Some(cgroup) = cgroup {
        // One that is still in use is found by nobody, and harms nobody.
        let _ = cgroup.remove();
    }
}

/// Removes the job's `TMPDIR`, if it is there.
pub(crate) fn clear_scratch(queue: &QueueDir, id: &JobId) {
    let _ = std::fs::remove_dir_all(queue.scratch(id));
}
