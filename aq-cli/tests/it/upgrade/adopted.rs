//! Workers of one version under a loop of the other.

use std::fs;

use super::lab::UpgradeLab;
use super::lab::Version::{self, Earlier, Present};

/// A job that a worker of one version runs, with its loop killed.
fn left_running(lab: &UpgradeLab, version: Version, front: &str) {
    let wait = lab.wait_for_file("go");
    let body = format!("echo 1 >before.txt; {wait}; echo 2 >after.txt; echo $AQ_ATTEMPT");
    lab.add(version, "runs", front, &body);
    lab.start(version, &[]).kill_when_runs("runs");
    lab.ok(Present, &["trust", lab.queue("").to_str().unwrap()]);
}

/// A loop of the other version takes the job up, and its end is the worker's.
fn is_adopted(lab: &UpgradeLab, version: Version, front: &str) {
    left_running(lab, version, front);
    let other = if version == Earlier { Present } else { Earlier };
    let status = lab.ok(other, &["status"]);
    assert!(status.contains("1 building") && status.contains("running"), "{status}");
    // With the same lock, it has to wait.
    lab.add(other, "next", front, "test -e before.txt || echo alone");
    let running = lab.start(other, &["--once"]);
    crate::sandbox::wait_for("a loop", || lab.queue(".state/daemon.pid").exists());
    lab.touch("go");
    assert_eq!(running.wait(), 0, "{}", lab.log("next"));
    assert_eq!((lab.stage("runs"), lab.stage("next")), ("testing", "testing"));
    assert_eq!(
        (lab.meta("runs", "attempts").as_str(), lab.printed("runs")),
        ("1", vec!["1".into()])
    );
    assert_eq!(lab.files("aq/wip/runs"), "after.txt b.txt before.txt");
    assert_eq!(lab.printed("next"), ["alone"]);
    assert_eq!(lab.git(&["symbolic-ref", "--short", "HEAD"]), "main");
    assert_eq!(lab.git(&["status", "--porcelain"]), "");
    lab.ok(Present, &["ship", "--merge", "runs", "next"]);
    lab.ok(Present, &["clean", "--keep", "0"]);
    lab.assert_clean("");
}

#[test]
fn a_worker_of_version_0_1_is_adopted() {
    for front in ["lock: one", "lock: one\nisolation: in-place"] {
        if let Some(lab) = UpgradeLab::inside(Earlier) {
            is_adopted(&lab, Earlier, front);
        }
    }
}

#[test]
fn version_0_1_adopts_worker() {
    for front in ["lock: one", "lock: one\nisolation: in-place"] {
        if let Some(lab) = UpgradeLab::inside(Present) {
            is_adopted(&lab, Present, front);
        }
    }
}

#[test]
fn a_loop_of_version_0_1_is_not_joined() {
    let Some(lab) = UpgradeLab::outside(Earlier) else { return };
    let running = lab.start(Earlier, &[]);
    crate::sandbox::wait_for("its name", || {
        fs::read_to_string(lab.queue(".state/daemon.pid")).is_ok_and(|text| text.contains("pid="))
    });
    lab.ok(Present, &["trust", lab.queue("").to_str().unwrap()]);
    let end = lab.aq(Present, &["run", "--once"]);
    assert_eq!(end.code, 4, "{end:?}");
    assert!(lab.ok(Present, &["status"]).contains("run loop"));
    lab.ok(Present, &["stop"]);
    assert_eq!(running.wait(), 0);
}

/// The worker dies with its loop, and a loop of the other version recovers its job.
fn is_recovered(version: Version) {
    let Some(lab) = UpgradeLab::inside(version) else { return };
    left_running(&lab, version, "");
    let pid = lab.meta("runs", "pid").parse().unwrap();
    crate::sandbox::wait_for("its first file", || {
        let dir = if version == Earlier { lab.linked("runs") } else { lab.own("runs") };
        dir.join("src/before.txt").exists()
    });
    crate::sandbox::kill_hard(nix::unistd::Pid::from_raw(pid));
    lab.touch("go");
    let other = if version == Earlier { Present } else { Earlier };
    lab.drain(other);
    assert_eq!((lab.stage("runs"), lab.meta("runs", "attempts").as_str()), ("testing", "2"));
    assert_eq!(lab.printed("runs"), ["2"], "the first one was ended");
    lab.ok(Present, &["ship", "--merge", "runs"]);
    assert_eq!(lab.files("main"), "after.txt b.txt before.txt");
    lab.ok(Present, &["clean", "--keep", "0"]);
    lab.assert_clean("");
}

#[test]
fn a_dead_worker_of_version_0_1_is_recovered() {
    is_recovered(Earlier);
}

#[test]
fn version_0_1_recovers_a_dead_worker() {
    is_recovered(Present);
}
