//! Accepting a job's work. A job of the fleet is shipped by the host that has it now and by no
//! other: the coordinator decides that, before anything moves here.

use std::iter;
use std::os::unix::net::UnixStream;
use std::path::Path;

use aq_fleet::protocol::LeaseRef;
use aq_ledger::RecordKey;
use aq_ledger::steps::{FenceJob, MergedWork, ShipWork, VerifyWork};
use aq_manifest::{JobId, ShipMode, Stage};
use jiff::Timestamp;

use crate::checkpoint::MergeResult;
use crate::store::{HeldJob, JobRecord, QueueDir, StoreError, sync_file_system};
use crate::sync::fleet::{FleetHolder, serve_line};

use crate::run::environment::ProcessEnvironment;
use crate::run::fleet::{ShipAnswer, ask_to_ship, asker, lease, told_lease};
use crate::run::launch::start_worker;
use crate::run::left_out::recorded_left_out;
use crate::run::operator::actions::take;
use crate::run::queue::train::{ship_mode, target_remote};
use crate::run::recovery::recover_job;
use crate::run::settings::{QueueSettings, scratch_of};
use crate::run::workplace::{WorkplaceError, merge, refuse_left_out};

/// Why a job is not shipped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShipError {
    /// It is not where it can be shipped from, or the queue's files cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its branch cannot be merged; nothing has changed.
    #[error(transparent)]
    Workplace(#[from] WorkplaceError),
    /// It is another host's by now.
    #[error(
        "job {0} has passed to another host of the fleet: it is in quarantine/ and not shipped"
    )]
    Fenced(JobId),
    /// The coordinator could not be asked.
    #[error(
        "job {id} stays in {stage}/, because the fleet cannot be asked whether it may ship: {why}"
    )]
    Unasked {
        /// The job.
        id: JobId,
        /// Where it stays.
        stage: Stage,
        /// Why.
        why: String,
    },
}

/// Accepts a job from review/ or testing/. Durable when this returns. With `leave_out` also one
/// whose branch does not hold all of its work.
///
/// # Errors
/// [`StoreError::WrongStage`] elsewhere; [`StoreError::Busy`] while `verify` runs; for a job of the
/// fleet, when it is no longer this host's or the coordinator cannot be asked.
pub fn ship(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    id: &JobId,
    leave_out: bool,
    now: Timestamp,
) -> Result<(), ShipError> {
    let mut job = shippable(queue, id)?;
    refuse_left_out(id, &recorded_left_out(job.meta()), leave_out)?;
    pass_gate(queue, environment, &mut job, now)?;
    Ok(job.step(&ShipWork { merged: None }, now)?)
}

/// Merges a job's branch into the one that it started from, then accepts the job. That of a job of
/// the fleet is at a remote, where the config names one. `leave_out` is that of [`ship`].
///
/// # Errors
/// As [`ship`], and when the job has no branch or the merge is not clean; then nothing has changed
/// here. A job of the fleet counts as shipped there already, and can be shipped again when the
/// merge is made possible.
pub fn ship_merged(
    queue: &QueueDir,
    settings: &QueueSettings,
    id: &JobId,
    leave_out: bool,
    now: Timestamp,
) -> Result<MergeResult, ShipError> {
    let mut job = shippable(queue, id)?;
    // First the question: what is merged cannot be taken back.
    pass_gate(queue, &settings.environment, &mut job, now)?;
    let target_at = target_remote(job.row(), settings);
    let merged = merge(queue, id, job.meta(), leave_out, target_at)?;
    // Git syncs a branch and not the commits that it leads to: after a power cut a job would be
    // shipped whose work is nowhere.
    for dir in iter::once(&merged.repository).chain(&merged.checkout) {
        sync_file_system(dir)?;
    }
    let (into, commit) = (merged.into.as_str(), merged.commit.as_str());
    let remote = merged.remote.as_deref();
    job.step(&ShipWork { merged: Some(MergedWork { into, commit, remote }) }, now)?;
    Ok(merged)
}

/// The way in which a job is shipped: as its file says, else as the config does. A job of the fleet
/// is accepted, or merged into its target at a remote.
///
/// # Errors
/// When there is no such job, or its record cannot be read.
pub fn way_to_ship(
    queue: &QueueDir,
    settings: &QueueSettings,
    id: &JobId,
) -> Result<ShipMode, StoreError> {
    let record = JobRecord::read(queue, queue.expect(id)?, id.clone())?;
    let row = record.sound(queue)?;
    Ok(ship_mode(row, settings))
}

/// The end of a merge by the train.
#[derive(Clone, Debug)]
pub struct TrainEnd {
    /// The folder of the job: `shipped/` when it was merged, `testing/` when a person comes first,
    /// `inbox/` when its agent has to mend it, `failed/` when it may not any more.
    pub stage: Stage,
    /// The branch that it was merged into.
    pub merged_into: Option<String>,
    /// The reason why it was not.
    pub refusal: Option<String>,
}

/// Takes a job into its target as the merge train does, with the checks of both, in a worker, and
/// waits for it. A job in review/ is accepted first.
///
/// # Errors
/// As [`ship`], and when the worker cannot be started. What becomes of the merge is no error.
pub fn ship_by_train(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    id: &JobId,
    worker: &Path,
    now: Timestamp,
) -> Result<TrainEnd, ShipError> {
    let mut job = shippable(queue, id)?;
    refuse_left_out(id, &recorded_left_out(job.meta()), false)?;
    if job.row().has_open_landing() && !job.row().lands_at_remote() {
        drop(job);
        recover_job(queue, &scratch_of(queue, environment), id, now)?;
        job = match queue.expect(id)? {
            Stage::Testing => shippable(queue, id)?,
            _ => return Ok(train_end(queue, id)?),
        };
    }
    let line = line_of(queue, environment, &job)?;
    if job.stage() == Stage::Review {
        // A person has accepted it; its own check runs on the merge.
        job.step(&VerifyWork { has_passed: false }, now)?;
    }
    run_worker(queue, environment, worker, (job, line))?;
    Ok(train_end(queue, id)?)
}

/// The part of whoever waits for a worker that asks the coordinator: this process does, with the
/// token that workers lack. `None` for a job of this host's own.
fn line_of(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    job: &HeldJob,
) -> Result<Option<(FleetHolder, LeaseRef)>, ShipError> {
    let Some(lease) = told_lease(job.meta()) else { return Ok(None) };
    match asker(queue, environment, job.meta()) {
        Ok(holder) => Ok(Some((holder, lease))),
        Err(why) => Err(ShipError::Unasked { id: job.id().clone(), stage: job.stage(), why }),
    }
}

fn train_end(queue: &QueueDir, id: &JobId) -> Result<TrainEnd, StoreError> {
    let stage = queue.expect(id)?;
    let record = JobRecord::read(queue, stage, id.clone())?;
    let text = |key| record.meta.get(key).map(str::to_owned);
    let refusal = text(RecordKey::TrainWaits).or_else(|| text(RecordKey::Message));
    Ok(TrainEnd { stage, merged_into: record.merged_into(), refusal })
}

fn run_worker(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    worker: &Path,
    (job, line): (HeldJob, Option<(FleetHolder, LeaseRef)>),
) -> Result<(), StoreError> {
    let pair = line.and_then(|line| Some((line, UnixStream::pair().ok()?)));
    let (ours, theirs) = pair.map(|(line, (ours, theirs))| ((line, ours), theirs)).unzip();
    let run = start_worker(queue, worker, environment, job, theirs);
    let ended = run.and_then(|mut child| {
        if let Some(((holder, lease), stream)) = ours {
            serve_line(stream, &holder, lease);
        }
        child.wait()
    });
    ended.map(drop).map_err(|source| {
        let path = worker.to_owned();
        StoreError::Io { action: "run the worker", path, source }
    })
}

/// Moves a job one step on: from review/ to testing/, which runs `verify` in a worker and waits
/// for it, and from testing/ to shipped/. Answers where it lies then.
///
/// # Errors
/// [`StoreError::WrongStage`] elsewhere, [`StoreError::Busy`] while `verify` runs already; as
/// [`ship`] from testing/.
pub fn promote(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    id: &JobId,
    worker: &Path,
    now: Timestamp,
) -> Result<Stage, ShipError> {
    let job = take(queue, id)?;
    job.require(&[Stage::Review, Stage::Testing], "promote", "review/ or testing/")?;
    job.expect_sound()?;
    if job.stage() == Stage::Testing {
        drop(job);
        ship(queue, environment, id, false, now)?;
        return Ok(Stage::Shipped);
    }
    run_worker(queue, environment, worker, (job, None))?;
    Ok(queue.expect(id)?)
}

fn shippable(queue: &QueueDir, id: &JobId) -> Result<HeldJob, StoreError> {
    let job = take(queue, id)?;
    job.require(&[Stage::Review, Stage::Testing], "ship", "review/ or testing/")?;
    job.expect_sound()?;
    Ok(job)
}

/// Lets a job of this host's own pass, and one of the fleet when the coordinator says so.
fn pass_gate(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    job: &mut HeldJob,
    now: Timestamp,
) -> Result<(), ShipError> {
    let Some(lease) = lease(job.meta()) else { return Ok(()) };
    let id = job.id().clone();
    match ask_to_ship(queue, environment, job, lease)? {
        ShipAnswer::Open => Ok(()),
        ShipAnswer::Fenced => {
            job.step(&FenceJob, now)?;
            Err(ShipError::Fenced(id))
        }
        ShipAnswer::Closed(why) => Err(ShipError::Unasked { id, stage: job.stage(), why }),
    }
}
