use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::*;
use crate::process::ProcessId;
use crate::store::testing::{TestQueue, id};

const LAUNCHED: &str = "attempt=1\nmoved_to=building\n";

/// The record of a worker that cannot be there any more.
const DEAD: &str = "attempt=1\nmoved_to=building\npid=1\npidstart=99999999999\n\
                    boot=00000000-0000-0000-0000-000000000000\n";

/// A queue with the job `a` in this folder, with this record.
fn left(stage: Stage, record: &str) -> TestQueue {
    let queue = TestQueue::new();
    queue.place("a", stage, "x");
    fs::write(queue.meta(&id("a")), record).unwrap();
    queue
}

fn recover_all(queue: &TestQueue) -> Vec<(JobId, Result<RecoveryResult>)> {
    let home = queue.base().join("home").into_os_string();
    let environment = ProcessEnvironment::new([("HOME".into(), home)]);
    recover(queue, &environment, Timestamp::UNIX_EPOCH).unwrap()
}

/// Recovers `a`. Returns the result, and its folder. A second recovery has nothing to do.
fn recovered(queue: &TestQueue) -> (Option<RecoveryResult>, Stage) {
    let mut found = recover_all(queue);
    assert!(recover_all(queue).is_empty());
    assert!(found.len() < 2, "{found:?}");
    let recovered = found.pop().map(|(job, recovered)| {
        assert_eq!(job, id("a"));
        recovered.unwrap()
    });
    (recovered, queue.find(&id("a")).unwrap())
}

/// A process with the marks of `a`, which goes with this value.
struct MarkedProcess(Child);

impl MarkedProcess {
    fn start(queue: &TestQueue) -> Self {
        let mut command = Command::new("sleep");
        command.arg("1000").env("AQ_JOB_ID", "a").env("AQ_QUEUE", queue.root());
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn end(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }
}

impl Drop for MarkedProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn dead_workers_put_jobs_back() {
    let queue = left(Stage::Building, LAUNCHED);
    let requeued = |counted| Some(RecoveryResult::Requeued { counted });
    assert_eq!(recovered(&queue), (requeued(false), Stage::Inbox));
    let queue = left(Stage::Building, DEAD);
    assert_eq!(recovered(&queue), (requeued(true), Stage::Inbox));
    assert_eq!(queue.record("a").count(RecordKey::Attempts), 1);
    let queue = left(Stage::Review, DEAD);
    assert_eq!(recovered(&queue), (Some(RecoveryResult::VerifyAgain), Stage::Review));
    let queue = left(Stage::Testing, DEAD);
    assert_eq!(recovered(&queue), (Some(RecoveryResult::MergeAgain), Stage::Testing));
    let queue = left(Stage::Building, &format!("{DEAD}recoveries=9\n"));
    assert_eq!(recovered(&queue), (Some(RecoveryResult::Failed(Outcome::Crash)), Stage::Failed));
}

#[test]
fn other_jobs_are_left_alone() {
    for (stage, record) in [
        (Stage::Inbox, DEAD),
        (Stage::Shipped, DEAD),
        (Stage::Review, "attempts=1\nmoved_to=testing\n"),
    ] {
        assert_eq!(recovered(&left(stage, record)), (None, stage));
    }
}

#[test]
fn recorded_ends_are_finished() {
    for end in [Stage::Failed, Stage::Inbox, Stage::Quarantine] {
        let queue = left(Stage::Building, &format!("{DEAD}moved_to={end}\n"));
        let scratch = queue.state().join("tmp/a");
        fs::create_dir_all(&scratch).unwrap();
        assert_eq!(recovered(&queue), (Some(RecoveryResult::Completed(end)), end));
        assert!(!scratch.exists());
    }
    let accepted = format!("{DEAD}attempts=1\nmoved_to=review\n");
    let queue = left(Stage::Building, &accepted);
    assert_eq!(recovered(&queue), (Some(RecoveryResult::VerifyAgain), Stage::Review));
    let queue = left(Stage::Building, &format!("{accepted}pid=\n"));
    assert_eq!(recovered(&queue), (Some(RecoveryResult::Completed(Stage::Review)), Stage::Review));
}

#[test]
fn living_workers_keep_their_jobs() {
    let own = ProcessId::current().unwrap();
    let record =
        format!("{LAUNCHED}pid={}\npidstart={}\nboot={}\n", own.pid(), own.start(), own.boot());
    let queue = left(Stage::Building, &record);
    assert_eq!(recovered(&queue), (None, Stage::Building));
    let queue = left(Stage::Building, DEAD);
    let held = HeldJob::lock(&queue, &id("a")).unwrap();
    assert_eq!(recovered(&queue), (None, Stage::Building));
    drop(held);
    assert_eq!(recovered(&queue).1, Stage::Inbox);
}

#[test]
fn leftovers_end_before_the_job() {
    let queue = left(Stage::Building, DEAD);
    let scratch = queue.state().join("tmp/a");
    fs::create_dir_all(scratch.join("b")).unwrap();
    let mut ours = MarkedProcess::start(&queue);
    let mut others = MarkedProcess::start(&TestQueue::new());
    assert_eq!(recovered(&queue).1, Stage::Inbox);
    assert!(ours.end().is_some_and(|end| end.signal().is_some()));
    assert_eq!(others.end(), None);
    assert!(!scratch.exists());
}

#[test]
fn wishes_are_followed_once() {
    for (reason, end, folder) in [
        (StopReason::Person, RecoveryResult::Failed(Outcome::Stopped), Stage::Failed),
        (StopReason::Fenced, RecoveryResult::Quarantined, Stage::Quarantine),
    ] {
        for stage in [Stage::Building, Stage::Review] {
            let queue = left(stage, DEAD);
            let wish = StopRequest::of(&queue, &id("a"));
            wish.make(reason).unwrap();
            assert_eq!(recovered(&queue), (Some(end.clone()), folder));
            assert!(!wish.is_made());
        }
    }
}

/// Without a repository nothing can be saved, and the record says so.
#[test]
fn only_begun_work_is_saved() {
    for (record, is_tried) in [(LAUNCHED, false), (DEAD, true)] {
        let queue = left(Stage::Building, record);
        let base = queue.wip_base(&id("a"));
        fs::create_dir_all(base.parent().unwrap()).unwrap();
        fs::write(base, "no commit\n").unwrap();
        assert_eq!(recovered(&queue).1, Stage::Inbox);
        assert_eq!(queue.record("a").has(RecordKey::CheckpointError), is_tried);
    }
}

#[test]
fn damaged_records_harm_only_theirs() {
    let queue = left(Stage::Building, &format!("{DEAD}attempts=many\n"));
    queue.place("b", Stage::Building, "x");
    let mut found = recover_all(&queue);
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let [(a, damaged), (b, sound)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((a, b), (&id("a"), &id("b")));
    assert!(matches!(damaged, Err(StoreError::Record { .. })), "{damaged:?}");
    assert_eq!(sound.as_ref().unwrap(), &RecoveryResult::Requeued { counted: true });
    assert_eq!(queue.find(a), Some(Stage::Building));
}

/// The rest of a record may be as wrong as the value that does not parse.
#[test]
fn damaged_records_move_no_job() {
    let damaged = format!("{DEAD}attempts=many\nmoved_to=failed\n");
    let is_damaged = |queue: &TestQueue| {
        let found = recover_all(queue);
        !found.is_empty()
            && found.iter().all(|(_, what)| matches!(what, Err(StoreError::Record { .. })))
    };
    let queue = left(Stage::Building, &damaged);
    assert!(is_damaged(&queue));
    assert!(queue.has(Stage::Building, &id("a")));
    let queue = left(Stage::Inbox, &damaged);
    let [old, new] = [Stage::Inbox, Stage::Failed].map(|at| queue.job_file(at, &id("a")));
    fs::hard_link(&old, &new).unwrap();
    assert!(is_damaged(&queue));
    assert!(old.exists() && new.exists());
}

#[test]
fn second_names_are_removed() {
    let queue = left(Stage::Inbox, "moved_to=failed\n");
    let [old, new] = [Stage::Inbox, Stage::Failed].map(|at| queue.job_file(at, &id("a")));
    fs::hard_link(&old, &new).unwrap();
    let removed = DuplicateOutcome::Removed { from: Stage::Inbox, kept: Stage::Failed };
    assert_eq!(
        recovered(&queue),
        (Some(RecoveryResult::DuplicatesResolved(vec![removed])), Stage::Failed)
    );
    assert!(!old.exists());
}
