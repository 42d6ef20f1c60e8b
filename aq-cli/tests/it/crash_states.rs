//! The states that a crash can leave on disk, built by hand: each row of the table in the store's
//! documentation of transitions, and the result of recovery, done twice.

use std::fs;
use std::process::Command;

use crate::sandbox::Sandbox;

/// A job `x` that `aq add` made, moved to `stage` by hand, with these lines in its record.
fn left(stage: &str, record: &str) -> Sandbox {
    left_with(stage, record, "", "echo ran >>trace")
}

fn left_with(stage: &str, record: &str, front: &str, body: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.add("x", front, body);
    fs::rename(sandbox.queue("inbox/x.md"), sandbox.queue(&format!("{stage}/x.md"))).unwrap();
    append(&sandbox, record);
    sandbox
}

fn append(sandbox: &Sandbox, record: &str) {
    let path = sandbox.queue(".state/meta/x.meta");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text + record).unwrap();
}

/// The record of a worker that is dead: a process that has ended, under its true boot.
fn dead_worker() -> String {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    format!("pid={pid}\npidstart=1\nboot={boot}")
}

/// Recovers, and recovers again, which must change nothing.
fn recover(sandbox: &Sandbox, folder: &str) {
    sandbox.ok(&["recover"]);
    assert_eq!(sandbox.folders("x"), [folder]);
    let before = sandbox.meta("x");
    assert_eq!(sandbox.ok(&["recover"]), "nothing to recover\n");
    assert_eq!(sandbox.folders("x"), [folder]);
    assert_eq!(sandbox.meta("x"), before);
}

fn runs(sandbox: &Sandbox) -> usize {
    fs::read_to_string(sandbox.work().join("trace")).map_or(0, |trace| trace.lines().count())
}

fn drain(sandbox: &Sandbox, folder: &str, attempts: &str, runs_in_all: usize) {
    sandbox.code(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("x"), [folder], "{:?}", sandbox.meta("x"));
    assert_eq!(sandbox.meta_value("x", "attempts"), attempts);
    assert_eq!(runs(sandbox), runs_in_all);
}

const LAUNCH: &str = "attempt=1\nengine=shell\nmoved_to=building\n";

#[test]
fn unmade_launch_repeats_its_attempt() {
    let sandbox = left("inbox", LAUNCH);
    recover(&sandbox, "inbox");
    drain(&sandbox, "testing", "1", 1);
}

#[test]
fn launch_without_worker_does_not_count() {
    let sandbox = left("building", LAUNCH);
    recover(&sandbox, "inbox");
    assert_eq!(sandbox.meta_value("x", "attempts"), "");
    drain(&sandbox, "testing", "1", 1);
}

#[test]
fn a_worker_that_died_at_work_counts() {
    let sandbox = left("building", &format!("{LAUNCH}{}", dead_worker()));
    recover(&sandbox, "inbox");
    assert_eq!(sandbox.meta_value("x", "attempts"), "1");
    drain(&sandbox, "testing", "2", 1);
}

#[test]
fn a_torn_name_of_a_worker_is_no_worker() {
    let torn = format!("{LAUNCH}{}", dead_worker());
    let sandbox = left("building", &torn[..torn.rfind("pidstart").unwrap() - 2]);
    recover(&sandbox, "inbox");
    drain(&sandbox, "testing", "1", 1);
}

#[test]
fn end_that_was_recorded_stands() {
    for (stage, more) in [
        ("failed", "result=crash\nattempts=1\npid=\n"),
        ("inbox", "next_eligible=2020-01-01T00:00:00Z\nattempts=1\npid=\n"),
        ("review", "attempts=1\n"),
    ] {
        let record = format!("{LAUNCH}{}{more}moved_to={stage}\n", dead_worker());
        let sandbox = left("building", &record);
        sandbox.ok(&["recover"]);
        assert_eq!(sandbox.folders("x"), [stage]);
        sandbox.ok(&["recover"]);
        assert_eq!(sandbox.folders("x"), [stage]);
        assert_eq!(sandbox.meta_value("x", "attempts"), "1");
        let runs = usize::from(stage == "inbox");
        let (folder, attempts) = match stage {
            "failed" => ("failed", "1"),
            "inbox" => ("testing", "2"),
            _ => ("testing", "1"),
        };
        drain(&sandbox, folder, attempts, runs);
    }
}

#[test]
fn death_before_verify_is_one_recovery() {
    let record = format!("{LAUNCH}{}attempts=1\nmoved_to=review\n", dead_worker());
    let sandbox = left("building", &record);
    recover(&sandbox, "review");
    drain(&sandbox, "testing", "1", 0);
}

#[test]
fn unmade_judgement_is_made_again() {
    for end in ["result=success\nmoved_to=testing\n", "result=verify_failed\nmoved_to=failed\n"] {
        let record = format!("{LAUNCH}{}attempts=1\nmoved_to=review\npid=\n{end}", dead_worker());
        let sandbox =
            left_with("review", &record, "verify: echo verified >>trace", "echo ran >>trace");
        assert_eq!(sandbox.ok(&["recover"]), "nothing to recover\n");
        drain(&sandbox, "testing", "1", 1);
        assert_eq!(sandbox.meta_value("x", "result"), "success");
        assert_eq!(fs::read_to_string(sandbox.work().join("trace")).unwrap(), "verified\n");
    }
}

#[test]
fn death_in_verify_repeats_only_verify() {
    let record = format!("{LAUNCH}{}attempts=1\nmoved_to=review\n", dead_worker());
    let sandbox = left_with("review", &record, "verify: echo verified >>trace", "echo ran >>trace");
    recover(&sandbox, "review");
    drain(&sandbox, "testing", "1", 1);
    assert_eq!(fs::read_to_string(sandbox.work().join("trace")).unwrap(), "verified\n");
}

#[test]
fn dead_recovery_does_not_count_twice() {
    let record =
        format!("{LAUNCH}{}attempts=1\nrecoveries=1\npid=\nmoved_to=inbox\n", dead_worker());
    let sandbox = left("building", &record);
    recover(&sandbox, "inbox");
    assert_eq!(sandbox.meta_value("x", "attempts"), "1");
    drain(&sandbox, "testing", "2", 1);
}

#[test]
fn the_tenth_death_in_a_row_is_the_last() {
    let sandbox = left("building", &format!("{LAUNCH}recoveries=9\n{}", dead_worker()));
    recover(&sandbox, "failed");
    assert_eq!(sandbox.meta_value("x", "result"), "crash");
    assert_eq!(sandbox.meta_value("x", "failure_class"), "crash");
}

#[test]
fn the_tenth_death_in_verify_is_the_last_too() {
    let record = format!("{LAUNCH}{}attempts=1\nrecoveries=9\nmoved_to=review\n", dead_worker());
    let sandbox = left("review", &record);
    recover(&sandbox, "failed");
    assert_eq!(sandbox.meta_value("x", "result"), "crash");
}

#[test]
fn reused_pid_is_dead_worker() {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let pid = std::process::id();
    for identity in [
        format!("pid={pid}\npidstart=1\nboot={boot}"),
        format!("pid={pid}\npidstart=1\nboot=00000000-0000-0000-0000-000000000000\n"),
    ] {
        let sandbox = left("building", &format!("{LAUNCH}{identity}"));
        recover(&sandbox, "inbox");
        assert_eq!(sandbox.meta_value("x", "attempts"), "1");
    }
}

#[test]
fn a_record_full_of_nonsense_harms_only_its_job() {
    // Lines that are none do not count.
    let sandbox = left("building", "\0\0\0\0attempt=1\nboot\n\u{1}=\n=\nPid=1\n");
    sandbox.code(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("x"), ["testing"]);
    // Values that are none keep the job from running: nobody knows how often it did.
    let sandbox = left("building", "attempt=minus one\npid=-1\nmoved_to=moon\n");
    sandbox.add("y", "", "true");
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
    assert_eq!((sandbox.folders("x"), runs(&sandbox)), (vec!["building"], 0));
    assert_eq!(sandbox.folders("y"), ["testing"]);
}

/// An `aq add` that died between the record and the file leaves a record without a job.
#[test]
fn add_without_file_can_repeat() {
    let sandbox = Sandbox::new();
    sandbox.add("x", "idempotency-key: k", "true");
    fs::remove_file(sandbox.queue("inbox/x.md")).unwrap();
    sandbox.add("x", "idempotency-key: k", "true");
    assert_eq!(sandbox.jobs("inbox"), ["x"]);
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 0);
    assert_eq!(sandbox.folders("x"), ["testing"]);
}

/// An `aq add` that died between the new job and taking the old one of its key away.
#[test]
fn newer_job_of_key_runs() {
    let sandbox = Sandbox::new();
    sandbox.add("old", "idempotency-key: k", "echo old >>trace");
    let (file, meta) = (sandbox.queue("inbox/old.md"), sandbox.queue(".state/meta/old.meta"));
    let saved = [fs::read(&file).unwrap(), fs::read(&meta).unwrap()];
    fs::hard_link(&file, sandbox.path("kept")).unwrap();
    sandbox.add("new", "idempotency-key: k", "echo new >>trace");
    assert_eq!(sandbox.jobs("inbox"), ["new"]);
    // The same file as before, so that its record is current.
    fs::hard_link(sandbox.path("kept"), &file).unwrap();
    fs::write(&meta, &saved[1]).unwrap();
    assert_eq!(fs::read(&file).unwrap(), saved[0]);
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
    assert_eq!(sandbox.folders("old"), ["failed"]);
    assert!(sandbox.meta_value("old", "message").contains("job new"));
    assert_eq!(sandbox.folders("new"), ["testing"]);
    assert_eq!(fs::read_to_string(sandbox.work().join("trace")).unwrap(), "new\n");
}

#[test]
fn old_stop_request_stops_nothing() {
    let sandbox = left("failed", "attempt=1\nattempts=1\nresult=crash\nmoved_to=failed\n");
    fs::write(sandbox.queue(".state/tmp/.stop-x"), "").unwrap();
    sandbox.ok(&["requeue", "x"]);
    drain(&sandbox, "testing", "1", 1);
}

#[test]
fn stop_request_outlives_dead_worker() {
    let sandbox = left("building", &format!("{LAUNCH}{}", dead_worker()));
    fs::write(sandbox.queue(".state/tmp/.stop-x"), "").unwrap();
    recover(&sandbox, "failed");
    assert_eq!(sandbox.meta_value("x", "result"), "stopped");
    assert!(!sandbox.queue(".state/tmp/.stop-x").exists());
}

/// A power cut has undone the removal of the old name, and the job was promised to be stopped.
#[test]
fn returned_name_follows_the_record() {
    for with_loop in [false, true] {
        let sandbox = Sandbox::new();
        sandbox.add("x", "", "echo ran >>trace");
        sandbox.ok(&["stop", "x"]);
        fs::hard_link(sandbox.queue("failed/x.md"), sandbox.queue("inbox/x.md")).unwrap();
        if !with_loop {
            let said = "x: it was in inbox/ and in failed/, where it belongs and is now\n";
            assert_eq!(sandbox.ok(&["recover"]), said);
            assert_eq!(sandbox.ok(&["recover"]), "nothing to recover\n");
        }
        sandbox.ok(&["run", "--once", "--quiet"]);
        assert_eq!((sandbox.folders("x"), runs(&sandbox)), (vec!["failed"], 0));
        assert_eq!(sandbox.faults(&["x"]), "");
    }
}

#[test]
fn namesake_is_kept_under_another_name() {
    let sandbox = Sandbox::new();
    sandbox.add("x", "", "echo ran >>trace");
    sandbox.ok(&["run", "--once", "--quiet"]);
    fs::write(sandbox.queue("review/x.md"), "another").unwrap();
    let said = sandbox.ok(&["recover"]);
    assert!(said.contains("in review/, and is x-2 in quarantine/ now"), "{said}");
    assert_eq!(
        (sandbox.folders("x"), sandbox.folders("x-2")),
        (vec!["testing"], vec!["quarantine"])
    );
    assert_eq!(fs::read_to_string(sandbox.queue("quarantine/x-2.md")).unwrap(), "another");
    assert!(sandbox.ok(&["why", "x-2"]).contains("quarantine"));
    assert_eq!(sandbox.faults(&["x", "x-2"]), "");
    // A person's decision, as with any job that is there.
    sandbox.ok(&["requeue", "--force", "x-2"]);
    assert_eq!(sandbox.folders("x-2"), ["inbox"]);
}
