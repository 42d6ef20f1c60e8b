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

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::SignedDuration;

    use super::*;
    use crate::store::testing::{TestQueue, id};

    /// Tests for a worker of the job `a` in this folder, with these lines after its launch.
    fn at_work(stage: Stage, lines: &str) -> bool {
        let queue = TestQueue::new();
        queue.place("a", stage, "x");
        let record = format!("attempt=1\nmoved_to=building\n{lines}");
        fs::write(queue.meta(&id("a")), record).unwrap();
        is_at_work(&queue, &id("a"))
    }

    fn identity(start: u64) -> String {
        let own = ProcessId::current().unwrap();
        format!("pid={}\npidstart={start}\nboot={}\n", own.pid(), own.boot())
    }

    #[test]
    fn living_workers_are_at_work() {
        let start = ProcessId::current().unwrap().start();
        for stage in Stage::ALL {
            let has_worker = matches!(stage, Stage::Building | Stage::Review | Stage::Testing);
            assert_eq!(at_work(stage, &identity(start)), has_worker, "{stage}");
            assert!(!at_work(stage, &identity(start + 1)), "{stage}");
        }
        assert!(!is_at_work(&TestQueue::new(), &id("a")));
    }

    #[test]
    fn launches_are_work_at_first() {
        let launched = |seconds| {
            let at = Timestamp::now() - SignedDuration::from_secs(seconds);
            format!("launched_at={at}\n")
        };
        assert!(at_work(Stage::Building, &launched(5)));
        assert!(!at_work(Stage::Building, &launched(31)) && !at_work(Stage::Building, ""));
        assert!(!at_work(Stage::Building, &launched(-60)), "a clock that was put back");
        assert!(!at_work(Stage::Review, &launched(5)), "nobody is launched into review/");
    }

    #[test]
    fn loops_are_named_in_full() {
        let own = ProcessId::current().unwrap();
        let text = identity(own.start());
        let named = |text: &str| loop_process(&KeyValues::parse(text));
        assert_eq!(named(&text), Some(own));
        assert_eq!(named(&text.replace("boot=", "no=")), None);
    }
}
