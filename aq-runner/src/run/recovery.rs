//! What becomes of a job whose worker died: the table in `store/transition.rs`, put to work.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use aq_ledger::steps::{
    DeadWorker, Durability, ForgetLanding, MergedWork, NoteTrainWait, RecoverJob, RecoveryEnd,
    ShipWork, StopReason,
};
use aq_ledger::{JobRow, RecordKey, RecordUpdate};
use aq_manifest::{JobId, Outcome, Stage};
use jiff::Timestamp;

use crate::checkpoint::{CheckpointError, LandingPlan};
use crate::process::{ControlGroup, ProcessMarkers, sweep};
use crate::store::{
    DuplicateOutcome, HeldJob, QueueDir, Result, ScratchPlaces, StoreError, doubled, remove_scratch,
};

use super::at_work::worker;
use super::environment::ProcessEnvironment;
use super::job_log::JobLog;
use super::settings::scratch_of;
use super::stop::StopRequest;
use super::workplace::{finish_landing, recorded_landing, save_leftovers};

/// How long what is left of a dead worker's tree has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(3);

/// What recovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryResult {
    /// Somebody is at work on it, or it has no dead worker: nothing was done.
    Nothing,
    /// Its worker had finished and only the last rename was missing.
    Completed(Stage),
    /// It goes again: back in the inbox, its attempt counted or, when no worker had started, not.
    Requeued {
        /// Whether the attempt counts.
        counted: bool,
    },
    /// It is in `review/`, and `verify` runs again.
    VerifyAgain,
    /// It is in `testing/`, and can be merged again.
    MergeAgain,
    /// It is in `quarantine/`: its fleet lease has passed to another host.
    Quarantined,
    /// It is in `failed/`: stopped by a person, or the death of too many workers.
    Failed(Outcome),
    /// It was in more than one folder, as after a power cut: what became of the other files.
    DuplicatesResolved(Vec<DuplicateOutcome>),
}

/// Recovers every job whose worker is dead. Doing it twice changes nothing.
///
/// # Errors
/// When the queue's folders cannot be read; what goes wrong with one job is in its place of the
/// list and does not stop the others.
pub fn recover(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    now: Timestamp,
) -> Result<Vec<(JobId, Result<RecoveryResult>)>> {
    let resolved = resolve_duplicates(queue, now)?;
    let places = scratch_of(queue, environment);
    let mut jobs = queue.jobs(Stage::Building)?;
    jobs.extend(queue.jobs(Stage::Review)?);
    jobs.extend(queue.jobs(Stage::Testing)?);
    let recovered = jobs.into_iter().map(|id| {
        let recovered = recover_job(queue, &places, &id, now);
        (id, recovered)
    });
    let recovered = resolved.into_iter().chain(recovered);
    Ok(recovered
        .filter(|(_, recovered)| !matches!(recovered, Ok(RecoveryResult::Nothing)))
        .collect())
}

/// Leaves each job in one folder. Every folder is read for that, so a loop does it when it starts,
/// and in none of its turns: only a power cut, or a person, gives a job two names.
///
/// # Errors
/// As [`recover`].
pub(crate) fn resolve_duplicates(
    queue: &QueueDir,
    now: Timestamp,
) -> Result<Vec<(JobId, Result<RecoveryResult>)>> {
    let one = |id: &JobId| {
        let Some(mut job) = take_lost(queue, id)? else { return Ok(RecoveryResult::Nothing) };
        job.expect_sound()?;
        let done = job.resolve_duplicates(now)?;
        Ok(if done.is_empty() {
            RecoveryResult::Nothing
        } else {
            RecoveryResult::DuplicatesResolved(done)
        })
    };
    let jobs = doubled(queue)?.into_iter();
    Ok(jobs.map(|id| (one(&id), id)).map(|(resolved, id)| (id, resolved)).collect())
}

/// Recovers one job, unless it is worked on or has no dead worker.
///
/// # Errors
/// When its files cannot be read or moved.
pub(crate) fn recover_job(
    queue: &QueueDir,
    places: &ScratchPlaces,
    id: &JobId,
    now: Timestamp,
) -> Result<RecoveryResult> {
    let Some(mut job) = take_lost(queue, id)? else { return Ok(RecoveryResult::Nothing) };
    if DeadWorker::of(job.row()) == DeadWorker::None && !has_landed_here(job.row()) {
        return Ok(RecoveryResult::Nothing);
    }
    job.expect_sound()?;
    recover_held(queue, places, &mut job, now)
}

/// Tests for a landing of which recovery finds out how far it came. One at a remote is left to the
/// job's next worker: a loop does not wait for other machines.
fn has_landed_here(row: JobRow<'_>) -> bool {
    row.has_open_landing() && !row.lands_at_remote()
}

/// Takes a job that nobody is at work on.
fn take_lost(queue: &QueueDir, id: &JobId) -> Result<Option<HeldJob>> {
    let job = match HeldJob::lock(queue, id) {
        Ok(job) => job,
        Err(StoreError::Busy(_) | StoreError::NoSuchJob(_)) => return Ok(None),
        Err(e) => return Err(e),
    };
    // The lock is free. A living process of the recorded identity can only be a worker of a
    // queue whose file system does not hand locks on; it is believed.
    let is_at_work = worker(job.meta()).is_some_and(|worker| worker.is_alive());
    Ok((!is_at_work).then_some(job))
}

fn recover_held(
    queue: &QueueDir,
    places: &ScratchPlaces,
    job: &mut HeldJob,
    now: Timestamp,
) -> Result<RecoveryResult> {
    if let DeadWorker::StepCutShort(to) = DeadWorker::of(job.row()) {
        job.finish_step(to, Durability::Deferred)?;
        if DeadWorker::of(job.row()) != DeadWorker::Verifying {
            remove_what_it_left(queue, places, job.id(), now);
            return Ok(RecoveryResult::Completed(to));
        }
    }
    end_leftovers(queue, places, job, now);
    if let Some(landing) = recorded_landing(job.row()).filter(|_| has_landed_here(job.row())) {
        let ended = end_landing(queue, job, &landing, now)?;
        if ended.is_some() || job.row().has_open_landing() {
            return Ok(ended.unwrap_or(RecoveryResult::Nothing));
        }
    }
    let stop = StopRequest::of(queue, job.id());
    let mut recover = RecoverJob { stop: stop.reason(), saved: RecordUpdate::new() };
    let Some(end) = recover.end(job.row()) else { return Ok(RecoveryResult::Nothing) };
    if !matches!(end, RecoveryEnd::NotCounted | RecoveryEnd::MergeAgain) {
        recover.saved = save_leftovers(queue, job.id(), job.meta());
    }
    job.step(&recover, now)?;
    Ok(match end {
        RecoveryEnd::NotCounted => RecoveryResult::Requeued { counted: false },
        RecoveryEnd::Counted => RecoveryResult::Requeued { counted: true },
        RecoveryEnd::VerifyAgain => RecoveryResult::VerifyAgain,
        RecoveryEnd::MergeAgain => RecoveryResult::MergeAgain,
        RecoveryEnd::KillsWorkers => RecoveryResult::Failed(Outcome::Crash),
        RecoveryEnd::Stopped(reason) => {
            stop.withdraw();
            match reason {
                StopReason::Person => RecoveryResult::Failed(reason.outcome()),
                StopReason::Fenced => RecoveryResult::Quarantined,
            }
        }
    })
}

/// Sees to a merge that was cut short: the files follow where the target has moved, and the job is
/// shipped; a landing whose target has not moved is forgotten. What is in the way of the files
/// waits for a person.
fn end_landing(
    queue: &QueueDir,
    job: &mut HeldJob,
    landing: &LandingPlan,
    now: Timestamp,
) -> Result<Option<RecoveryResult>> {
    let row = job.row();
    if row.train_waits().is_some() && row.next_eligible().is_some_and(|next| next > now) {
        return Ok(None);
    }
    match finish_landing(queue, row, landing) {
        Ok(Some(merged)) => {
            let (into, commit) = (merged.into.as_str(), merged.commit.as_str());
            let merged = MergedWork { into, commit, remote: None };
            job.step(&ShipWork { merged: Some(merged) }, now)?;
            StopRequest::of(queue, job.id()).withdraw();
            return Ok(Some(RecoveryResult::Completed(Stage::Shipped)));
        }
        Ok(None) => job.step(&ForgetLanding, now)?,
        Err(e) => {
            let refusal = e.to_string();
            let files = match e {
                CheckpointError::Overlap { paths, .. }
                | CheckpointError::Protected { paths, .. } => paths,
                _ => Vec::new(),
            };
            job.step(&NoteTrainWait { refusal: &refusal, files: &files, dep: "" }, now)?;
        }
    }
    Ok(None)
}

/// Ends what a dead worker's agent left running, and removes its `TMPDIR`. What cannot be ended is
/// no reason to keep the job from going on.
fn end_leftovers(queue: &QueueDir, places: &ScratchPlaces, job: &HeldJob, now: Timestamp) {
    let meta = job.meta();
    if meta.get(RecordKey::Pid).is_some() {
        let cgroup =
            meta.get(RecordKey::Cgroup).and_then(|path| ControlGroup::at(Path::new(path)).ok());
        let id = OsStr::new(job.id().as_str());
        let markers = [("AQ_JOB_ID", id), ("AQ_QUEUE", queue.root().as_os_str())];
        let _ = sweep(&ProcessMarkers { markers: &markers, cgroup: cgroup.as_ref() }, GRACE);
        if let Some(cgroup) = cgroup {
            // One that is still in use is found by nobody, and harms nobody.
            let _ = cgroup.remove();
        }
    }
    // Nobody writes there any more.
    remove_what_it_left(queue, places, job.id(), now);
}

/// Removes the `TMPDIR` of a dead worker; the job's log says what cannot be removed.
fn remove_what_it_left(queue: &QueueDir, places: &ScratchPlaces, id: &JobId, now: Timestamp) {
    let Some(problem) = remove_scratch(places, queue, id) else { return };
    if let Ok(mut log) = JobLog::open(&queue.log(id), u64::MAX) {
        log.note(now, &format!("warning: its TMPDIR cannot be removed: {problem}"));
    }
}

#[cfg(test)]
mod tests;
