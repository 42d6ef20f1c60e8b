//! A look at one job of many, or at the first of them, for which few of the others are read: those
//! that run or are past their run, those that it waits for, and of the waiting ones those that go
//! first.

use std::collections::BTreeSet;

use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::{JobId, Stage};
use aq_scheduler::WaitReason;

use crate::run::view::explained::{ExplainedJobs, LookContext};
use crate::run::view::job_view::{JobActivity, JobView};
use crate::store::{KeyHolder, Result, WaitingOrder, holder, read_values};

/// The most jobs that are read for one. Beyond that all are.
const MOST: usize = 2_000;

/// Waiting jobs that are read first.
const FIRST: usize = 40;

/// The view of a job that has not ended, as a look at all jobs would show it; `None` when it takes
/// that.
///
/// # Errors
/// When the queue's folders cannot be read.
pub(super) fn single_look(
    context: LookContext<'_>,
    stage: Stage,
    id: &JobId,
) -> Result<Option<JobView>> {
    let mut jobs = started_jobs(context)?;
    if stage != Stage::Inbox {
        let found = context.explained(jobs)?;
        let is_told = !found.has_circle && found.view(id).is_some_and(is_certain);
        return Ok(is_told.then(|| found.into_view(id)).flatten());
    }
    let Some(awaited) = awaited_jobs(context, [id.clone()].into())? else { return Ok(None) };
    jobs.extend(awaited.iter().map(|id| (Stage::Inbox, id.clone())));
    if jobs.len() > MOST {
        return Ok(None);
    }
    let found = context.explained(jobs)?;
    if found.has_circle {
        return Ok(None);
    }
    if found.view(id).is_some_and(is_certain) {
        return Ok(found.into_view(id));
    }
    let Some(order) = WaitingOrder::read(context.queue, context.now) else { return Ok(None) };
    let found = first_jobs(context, &order, &[id.clone()].into())?;
    Ok(found.and_then(|found| found.into_view(id)))
}

/// The views of all jobs that run or have run and have not ended, and of so many waiting ones as go
/// first; `None` when it takes a look at all jobs.
///
/// # Errors
/// When the queue's folders cannot be read.
pub(super) fn first_look(
    context: LookContext<'_>,
    order: &WaitingOrder,
    waiting: usize,
) -> Result<Option<Vec<JobView>>> {
    let wanted: BTreeSet<JobId> = order.ids().take(waiting).collect();
    let Some(found) = first_jobs(context, order, &wanted)? else { return Ok(None) };
    let mut views = found.into_views();
    views.retain(|view| view.record.stage != Stage::Inbox || wanted.contains(&view.record.id));
    Ok(Some(views))
}

/// Some waiting jobs among as many as decide about them, and all that run or have run.
fn first_jobs(
    context: LookContext<'_>,
    order: &WaitingOrder,
    wanted: &BTreeSet<JobId>,
) -> Result<Option<ExplainedJobs>> {
    let started = started_jobs(context)?;
    let Some(awaited) = awaited_jobs(context, wanted.clone())? else { return Ok(None) };
    let mut window = FIRST;
    while started.len() + awaited.len() + window <= MOST {
        let first: BTreeSet<JobId> = order.ids().take(window).collect();
        let waiting = first.union(&awaited).map(|id| (Stage::Inbox, id.clone()));
        let found = context.explained(started.iter().cloned().chain(waiting).collect())?;
        // Who comes later gets what these leave.
        let is_settled = found.slots == found.started.len()
            && found.started.iter().all(|started| first.contains(started));
        if !found.has_circle && (is_settled || order.count() <= window) {
            return Ok(Some(found));
        }
        window *= 8;
    }
    Ok(None)
}

/// The jobs that run, or have run and have not ended.
fn started_jobs(context: LookContext<'_>) -> Result<Vec<(Stage, JobId)>> {
    let mut jobs = Vec::new();
    for stage in [Stage::Building, Stage::Review, Stage::Testing] {
        jobs.extend(context.queue.each_job(stage)?.map(|id| (stage, id)));
    }
    Ok(jobs)
}

/// These jobs, and those in the inbox that they wait for, one by way of another; `None` when they
/// are very many.
fn awaited_jobs(
    context: LookContext<'_>,
    mut found: BTreeSet<JobId>,
) -> Result<Option<BTreeSet<JobId>>> {
    let mut pending: Vec<JobId> = found.iter().cloned().collect();
    while let Some(id) = pending.pop() {
        let record: RecordContent = read_values(&context.queue.meta(&id))?;
        for key in record.list(RecordKey::Deps) {
            match holder(context.queue, &key)? {
                Some(KeyHolder { id, stage: Stage::Inbox }) if found.insert(id.clone()) => {
                    pending.push(id);
                }
                _ => {}
            }
        }
        if found.len() > MOST {
            return Ok(None);
        }
    }
    Ok(Some(found))
}

/// Tests for a job that no other waiting job can make look otherwise.
fn is_certain(view: &JobView) -> bool {
    let JobActivity::Waiting(reason) = &view.activity else { return true };
    let has = |key: RecordKey| view.record.meta.has(key);
    let Some(reason) = reason else { return false };
    match reason {
        WaitReason::Held { .. }
        | WaitReason::Needs { .. }
        | WaitReason::NoEngine { .. }
        | WaitReason::WaitingOn { .. }
        | WaitReason::Backoff { .. }
        | WaitReason::DepsConflict { .. }
        // One that runs has it.
        | WaitReason::RepositoryInUse { .. }
        // Nothing is started, so no other job takes anything.
        | WaitReason::ReviewFull { .. }
        | WaitReason::NoSlot { .. }
        | WaitReason::Train { .. }
        | WaitReason::TrainWaits { .. } => true,
        WaitReason::LockHeld { .. } => !has(RecordKey::RepositoryLock),
        WaitReason::EngineCooling { .. }
        | WaitReason::EngineLimited { .. }
        | WaitReason::EngineOut { .. }
        | WaitReason::HostLacks(_) => !has(RecordKey::RepositoryLock) && !has(RecordKey::Lock),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
