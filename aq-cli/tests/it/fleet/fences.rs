//! A host that was away too long: what it had goes on elsewhere, and what it comes back with is
//! never shipped.

use std::fs;

use aq_manifest::Stage;
use nix::sys::signal::Signal;

use super::lab::{Fleet, read};
use crate::sandbox::wait_for;

/// Leaves work, says so, and ends only when it may.
fn body(fleet: &Fleet) -> String {
    let (on, go) = (fleet.out("on"), fleet.out("go"));
    format!("echo x >work; echo on >>{}; [ -e {} ] || sleep 1000", on.display(), go.display())
}

#[test]
fn another_host_finishes_what_a_dead_one_began() {
    let fleet = Fleet::new();
    let (mut a, mut b) = (fleet.host("a"), fleet.host("b"));
    a.start();
    let id = fleet.submit("job", "idempotency-key: k", &body(&fleet));
    fleet.wait_for_line("on", "on");
    let first = fleet.job(id).job.epoch;
    a.die();
    fs::write(fleet.out("go"), "").unwrap();
    b.start();
    let view = fleet.wait_for(id, Stage::Shipped);
    assert!(view.job.epoch > first);
    assert_eq!((view.job.attempts, view.grants.len()), (2, 2));
    assert!(view.grants[0].lost);
    b.wait_for_stage("job", "shipped");
    // The first comes back.
    a.start();
    a.wait_for_stage("job", "quarantine");
    assert_eq!(a.meta_value("job", "result"), "fenced");
    assert_eq!(a.jobs("shipped"), [""; 0]);
    assert_eq!(read(&fleet.out("on")), "on\non\n", "it did not run a third time");
    assert_eq!(fleet.job(id).job.stage, Stage::Shipped);
}

#[test]
fn a_host_that_stood_still_is_fenced() {
    let fleet = Fleet::new();
    let (mut a, mut b) = (fleet.host_with_repository("a"), fleet.host("b"));
    a.start();
    let id = fleet.submit("job", "", &body(&fleet));
    fleet.wait_for_line("on", "on");
    a.signal_all(Signal::SIGSTOP);
    fleet.wait_for_lapse(id);
    fs::write(fleet.out("go"), "").unwrap();
    b.start();
    fleet.wait_for(id, Stage::Shipped);
    a.signal_all(Signal::SIGCONT);
    a.wait_for_stage("job", "quarantine");
    assert_eq!(a.meta_value("job", "result"), "fenced");
    wait_for("the end of its tree", || a.agents().is_empty() && a.workers().is_empty());
    assert_eq!(a.on_branch("job", "work"), "x");
}

#[test]
fn lost_job_can_come_back() {
    let fleet = Fleet::new();
    let (mut a, mut b) = (fleet.host("a"), fleet.host("b"));
    a.start();
    let id = fleet.submit("job", "idempotency-key: k", &body(&fleet));
    fleet.wait_for_line("on", "on");
    a.die();
    b.start();
    fleet.wait_until(id, "be b's", |view| view.grants.len() == 2);
    fleet.wait_until(id, "run there", |view| view.reports.iter().any(|r| r.epoch.0 > 1));
    b.die();
    a.start();
    a.wait_for_stage("job", "quarantine");
    fs::write(fleet.out("go"), "").unwrap();
    let view = fleet.wait_for(id, Stage::Shipped);
    assert_eq!(view.grants.iter().filter(|grant| grant.lost).count(), 2, "{view:#?}");
    a.wait_for_stage("job-2", "shipped");
    assert_eq!(a.folders("job"), ["quarantine"]);
}

#[test]
fn returning_host_keeps_its_job() {
    let fleet = Fleet::new();
    let mut a = fleet.host("a");
    a.start();
    let id = fleet.submit("job", "", &body(&fleet));
    fleet.wait_for_line("on", "on");
    a.kill_loop();
    fleet.wait_for_lapse(id);
    a.start_with(&["--ship", "--max", "2"]);
    fleet.wait_until(id, "be renewed", |view| !view.job.lapsed);
    assert_eq!(fleet.job(id).grants.len(), 1, "it was not granted to its holder again");
    a.die();
    fs::write(fleet.out("go"), "").unwrap();
    a.start();
    let view = fleet.wait_for(id, Stage::Shipped);
    assert_eq!(view.grants.len(), 1);
    a.wait_for_stage("job", "shipped");
}
