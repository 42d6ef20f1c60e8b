//! The start of a job: its target with the work of its deps, or what it names.

use std::collections::BTreeSet;

use aq_ledger::{JobRow, RecordContent, RecordKey};
use aq_manifest::{DepsMode, JobId, Stage};
use aq_scheduler::WaitReason;
use jiff::Timestamp;

use super::workplace::checkpoint_job;
use crate::checkpoint::{CheckpointJob, StartPoint};
use crate::store::{QueueDir, StoreError, archived, holder, read_values};

/// The reason why the start of a job is unknown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoStartPoint {
    /// A dep was put back after the plan was made, and is waited for again.
    #[error("its dep {key} is in {}/ again", stage.folder())]
    PutBack { key: String, stage: Stage },
    /// The queue's files cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a job starts. Once it has, nothing is looked up.
pub(crate) fn start_point(queue: &QueueDir, row: JobRow<'_>) -> Result<StartPoint, NoStartPoint> {
    match row.base() {
        _ if queue.wip_base(row.id).exists() => Ok(StartPoint::default()),
        Some(base) => Ok(StartPoint::Revision(base.to_owned())),
        None => deps_of(queue, row).map(StartPoint::Deps),
    }
}

/// The jobs on whose work a job goes on that starts anew from its target's newest commit. One that
/// names its start builds on no other.
pub(crate) fn present_deps(
    queue: &QueueDir,
    row: JobRow<'_>,
) -> Result<Vec<CheckpointJob>, NoStartPoint> {
    if row.base().is_some() { Ok(Vec::new()) } else { deps_of(queue, row) }
}

/// The jobs that satisfy a job's deps, in the order in which it lists them. A key that no job of
/// this queue holds has none: in a fleet its job ran elsewhere.
fn deps_of(queue: &QueueDir, row: JobRow<'_>) -> Result<Vec<CheckpointJob>, NoStartPoint> {
    let mode = row.deps_mode().unwrap_or_default();
    let mut seen = BTreeSet::new();
    let mut jobs = Vec::new();
    for key in row.deps().unwrap_or_default() {
        if !seen.insert(key.clone()) {
            continue;
        }
        let Some(found) = holder(queue, &key)? else { continue };
        if !is_satisfied(found.stage, mode) {
            return Err(NoStartPoint::PutBack { key, stage: found.stage });
        }
        let record = record(queue, found.stage, &found.id)?;
        jobs.push(checkpoint_job(queue, &found.id, &record));
    }
    Ok(jobs)
}

fn is_satisfied(stage: Stage, mode: DepsMode) -> bool {
    stage == Stage::Shipped || (mode == DepsMode::Soft && stage == Stage::Testing)
}

/// The record of a job, which may be put away.
pub(crate) fn record(
    queue: &QueueDir,
    stage: Stage,
    id: &JobId,
) -> Result<RecordContent, StoreError> {
    let record: RecordContent = read_values(&queue.meta(id))?;
    if !(stage.is_final() && record.is_empty()) {
        return Ok(record);
    }
    match archived(queue, &queue.meta(id))? {
        Some(path) => read_values(&path),
        None => Ok(record),
    }
}

/// The work of its deps that kept a job from its start when it was last tried.
pub(crate) fn recorded_conflict(content: &RecordContent) -> Option<WaitReason> {
    if let Some((dep, host)) =
        content.get(RecordKey::DepElsewhere).and_then(|at| at.split_once('@'))
    {
        let host = host.to_owned();
        return Some(WaitReason::DepElsewhere { dep: dep.parse().ok()?, host });
    }
    let file = content.get(RecordKey::DepsConflict)?.to_owned();
    let dep = content.parsed(RecordKey::DepsConflictDep)?;
    Some(WaitReason::DepsConflict { dep, file })
}

/// The same, as long as no branch has moved. Of those of other hosts nobody tells: a while.
pub(crate) fn present_conflict(
    queue: &QueueDir,
    row: JobRow<'_>,
    now: Timestamp,
) -> Option<WaitReason> {
    let conflict = recorded_conflict(row.content())?;
    if row.content().has(RecordKey::FleetDeps) {
        return row.next_eligible().is_some_and(|next| next > now).then_some(conflict);
    }
    // Where a dep was put back, that comes first.
    let start = start_point(queue, row).ok();
    let now = start.and_then(|start| start_mark(queue, row, start));
    let seen = row.content().get(RecordKey::DepsSeen);
    (now.is_none() || now.as_deref() == seen).then_some(conflict)
}

/// A digest of where the branches are from which a job starts.
fn start_mark(queue: &QueueDir, row: JobRow<'_>, start: StartPoint) -> Option<String> {
    CheckpointJob { start, ..checkpoint_job(queue, row.id, row.content()) }.start_mark()
}
