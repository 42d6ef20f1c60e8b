//! The processes that are at work on a queue, as records name them.

use aq_ledger::steps::DeadWorker;
use aq_ledger::{KeyValues, RecordContent, RecordKey};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use crate::process::ProcessId;
use crate::store::{JobRecord, LoopKey, QueueDir};

/// The worker that the record names, if it does.
pub(crate) fn worker(meta: &RecordContent) -> Option<ProcessId> {
    ProcessId::parse(
        meta.get(RecordKey::Pid)?,
        meta.get(RecordKey::Pidstart)?,
        meta.get(RecordKey::Boot)?,
    )
    .ok()
}

/// The run loop that a signature names, if it does.
pub(crate) fn loop_process(signature: &KeyValues<LoopKey>) -> Option<ProcessId> {
    let word = |key| signature.get(key);
    ProcessId::parse(word(LoopKey::Pid)?, word(LoopKey::Pidstart)?, word(LoopKey::Boot)?).ok()
}

/// Tests for a worker that is at work on a job.
pub fn is_at_work(queue: &QueueDir, id: &JobId) -> bool {
    let record = queue.find(id).map(|stage| JobRecord::read(queue, stage, id.clone()));
    record.is_some_and(|record| record.is_ok_and(|record| is_running(&record)))
}

/// The same of a job whose record was read.
pub(crate) fn is_running(record: &JobRecord) -> bool {
    matches!(record.stage, Stage::Building | Stage::Review | Stage::Testing)
        && worker(&record.meta).map_or(is_starting(record), |process| process.is_alive())
}

/// A launch that was recorded takes its slot before its process exists, for at most 30 s.
fn is_starting(record: &JobRecord) -> bool {
    DeadWorker::of(record.unchecked()) == DeadWorker::NotBegun
        && record.meta.time(RecordKey::LaunchedAt).is_some_and(|at| {
            let age = Timestamp::now().duration_since(at).as_secs();
            (0..30).contains(&age)
        })
}
