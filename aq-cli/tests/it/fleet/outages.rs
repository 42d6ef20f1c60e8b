//! A coordinator that is away holds no job up and loses none; its answer is not needed to work, and
//! is needed to ship.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aq_fleet::protocol::PageQuery;
use aq_manifest::Stage;
use nix::sys::signal::Signal;

use super::lab::{Fleet, Host, LEASE, read};
use super::proxy::Proxy;
use crate::sandbox::wait_for;

/// Says that it is at work, and ends when it may.
fn body(fleet: &Fleet) -> String {
    let (on, go) = (fleet.out("on"), fleet.out("go"));
    format!("echo on >>{}; while [ ! -e {} ]; do sleep 0.01; done", on.display(), go.display())
}

fn outbox_is_empty(host: &Host) -> bool {
    fs::read_dir(host.queue(".state/fleet/outbox")).unwrap().next().is_none()
}

#[test]
fn job_outlasts_a_coordinator_outage() {
    let mut fleet = Fleet::new();
    let mut host = fleet.host("a");
    // A loop that ships would be in the way of the person who does.
    host.start_with(&[]);
    let id = fleet.submit("job", "", &body(&fleet));
    fleet.wait_for_line("on", "on");
    fleet.coordinator.kill();
    fs::write(fleet.out("go"), "").unwrap();
    host.wait_for_stage("job", "testing");
    let (code, said) = host.code(&["ship", "job"]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("stays in testing/"), "{said}");
    assert_eq!(host.folders("job"), ["testing"]);
    assert!(host.meta_value("job", "message").contains("cannot be shipped yet"));
    assert!(!outbox_is_empty(&host));
    fleet.coordinator.start_again();
    host.kill_loop();
    host.start();
    let view = fleet.wait_for(id, Stage::Shipped);
    host.wait_for_stage("job", "shipped");
    let came: Vec<(u64, Stage)> =
        view.reports.iter().map(|report| (report.seq, report.stage)).collect();
    assert!(came.is_sorted_by_key(|(seq, _)| *seq), "{came:?}");
    let stages: Vec<Stage> = came.iter().map(|(_, stage)| *stage).collect();
    assert_eq!(stages, [Stage::Building, Stage::Review, Stage::Testing, Stage::Shipped]);
    assert_eq!(host.meta_value("job", "message"), "");
    wait_for("the outbox to be empty", || outbox_is_empty(&host));
    assert_eq!(read(&fleet.out("on")), "on\n");
}

/// Longer than a lease and than what a coordinator takes for an outage: a host that goes on, and
/// one that does not.
#[test]
fn an_outage_takes_no_job_from_its_host() {
    let mut fleet = Fleet::new();
    let (mut a, mut b) = (fleet.host("a"), fleet.host("b"));
    a.start();
    let id = fleet.submit("job", "", &body(&fleet));
    fleet.wait_for_line("on", "on");
    fleet.coordinator.kill();
    let begun = Instant::now();
    wait_for("two leases to be over", || begun.elapsed() > LEASE * 2);
    b.start();
    // As after a pause of the whole host, which only its next heartbeat ends.
    a.signal_all(Signal::SIGSTOP);
    fleet.coordinator.start_again();
    let back = Instant::now();
    let mut is_paused = true;
    while back.elapsed() < LEASE - Duration::from_millis(500) {
        let view = fleet.job(id);
        assert!(!view.job.lapsed, "after {:?}", back.elapsed());
        // The rest of the lease is for its heartbeat, also on a busy machine.
        if is_paused && back.elapsed() > LEASE / 3 {
            a.signal_all(Signal::SIGCONT);
            is_paused = false;
        }
        sleep(Duration::from_millis(20));
    }
    fleet.wait_until(id, "be renewed", |view| view.job.expires_in_ms > Some(2_000));
    fs::write(fleet.out("go"), "").unwrap();
    let view = fleet.wait_for(id, Stage::Shipped);
    assert_eq!(view.grants.len(), 1, "{view:#?}");
    a.wait_for_stage("job", "shipped");
    assert_eq!(read(&fleet.out("on")), "on\n");
}

fn knows(fleet: &Fleet, host: &str) -> bool {
    let page = fleet.client.factories(&PageQuery::default()).unwrap().value;
    page.factories.iter().any(|factory| factory.factory_id.as_str() == host && factory.alive)
}

#[test]
fn hosts_register_with_new_database() {
    let mut fleet = Fleet::new();
    let mut host = fleet.host("a");
    host.start();
    wait_for("the host to be known", || knows(&fleet, "a"));
    fleet.coordinator.kill();
    fleet.forget_database();
    fleet.coordinator.start_again();
    wait_for("the host to be known again", || knows(&fleet, "a"));
    fleet.submit("job", "", "true");
    host.wait_for_stage("job", "shipped");
}

/// A job that the backup has as waiting, and one that it does not know.
#[test]
fn what_shipped_since_a_backup_runs_no_more() {
    let mut fleet = Fleet::new();
    let mut host = fleet.host("a");
    let body = |fleet: &Fleet, name| format!("echo run >>{}", fleet.out(name).display());
    let early = fleet.submit("early", "idempotency-key: early\n", &body(&fleet, "early"));
    fleet.coordinator.kill();
    fleet.back_up();
    fleet.coordinator.start_again();
    host.start();
    fleet.wait_for(early, Stage::Shipped);
    let late = fleet.submit("late", "idempotency-key: late\n", &body(&fleet, "late"));
    fleet.wait_for(late, Stage::Shipped);
    host.wait_for_stage("late", "shipped");
    host.wait_for_stage("early", "shipped");
    fleet.coordinator.kill();
    fleet.restore();
    fleet.coordinator.start_again();
    // Before the host has said a word.
    let again = fleet.submit("late", "idempotency-key: late\n", &body(&fleet, "late"));
    let next = fleet.submit("next", "", &body(&fleet, "next"));
    fleet.wait_for(next, Stage::Shipped);
    for job in [early, again] {
        let view = fleet.job(job);
        assert_eq!((view.job.stage, view.job.in_doubt), (Stage::Shipped, false), "{view:#?}");
    }
    assert_eq!(
        (read(&fleet.out("early")), read(&fleet.out("late"))),
        ("run\n".into(), "run\n".into())
    );
    assert_eq!(fleet.client.stats().unwrap().value.in_doubt, 0);
}

#[test]
fn what_no_host_knows_waits_after_a_restore() {
    let mut fleet = Fleet::new();
    let mut host = fleet.host("a");
    let id = fleet.submit("job", "", &format!("echo run >>{}", fleet.out("job").display()));
    fleet.coordinator.kill();
    fleet.back_up();
    fleet.coordinator.start_again();
    host.start();
    fleet.wait_for(id, Stage::Shipped);
    host.wait_for_stage("job", "shipped");
    host.die();
    fleet.coordinator.kill();
    fleet.restore();
    fleet.coordinator.start_again();
    let mut other = fleet.host("b");
    other.start();
    let next = fleet.submit("next", "", "true");
    fleet.wait_for(next, Stage::Shipped);
    let view = fleet.job(id);
    assert!(view.job.in_doubt && view.waiting.is_some(), "{view:#?}");
    let shown = other.ok(&["fleet-status"]);
    assert!(shown.contains("1 jobs may have ended"), "{shown}");
    fleet.coordinator.kill();
    fleet.coordinator.start_with(&["--after-restore", "run"]);
    fleet.wait_for(id, Stage::Shipped);
    assert_eq!(read(&fleet.out("job")), "run\nrun\n");
}

#[test]
fn shipping_lost_job_quarantines_it() {
    let fleet = Fleet::new();
    let (mut a, mut b) = (fleet.host("a"), fleet.host("b"));
    a.start_with(&[]);
    let id = fleet.submit("job", "", "true");
    a.wait_for_stage("job", "testing");
    a.die();
    fleet.wait_for_lapse(id);
    b.start();
    fleet.wait_for(id, Stage::Shipped);
    let (code, said) = a.code(&["ship", "job"]);
    assert_eq!(code, 4, "{said}");
    assert_eq!(a.folders("job"), ["quarantine"]);
    assert_eq!(a.meta_value("job", "result"), "fenced");
    assert_eq!(a.code(&["requeue", "job"]).0, 4);
    // By force it is the host's own, and nobody is asked.
    a.ok(&["requeue", "--force", "job"]);
    assert_eq!(a.meta_value("job", "fleet_job_id"), "");
    a.start();
    a.wait_for_stage("job", "shipped");
    b.wait_for_stage("job", "shipped");
    assert_eq!(fleet.job(id).grants.len(), 2);
}

#[test]
fn lost_claim_answer_loses_no_job() {
    let fleet = Fleet::new();
    let proxy = Proxy::to(fleet.coordinator.address());
    let mut host = fleet.host("a");
    host.ask(proxy.address());
    proxy.meddle(|request, body| (!request.contains("/claims ")).then_some(body));
    let id = fleet.submit("job", "", "true");
    host.start();
    fleet.wait_until(id, "be granted", |view| view.job.holder.is_some());
    host.kill_loop();
    assert_eq!(host.folders("job"), [""; 0]);
    assert!(host.queue(".state/fleet/claim").exists());
    proxy.meddle(|_, body| Some(body));
    host.start();
    let view = fleet.wait_for(id, Stage::Shipped);
    assert_eq!((view.job.attempts, view.grants.len()), (1, 1), "{view:#?}");
    host.wait_for_stage("job", "shipped");
}

#[test]
fn a_ship_whose_answer_is_lost_is_a_ship() {
    let fleet = Fleet::new();
    let proxy = Proxy::to(fleet.coordinator.address());
    let mut host = fleet.host("a");
    host.ask(proxy.address());
    let go = fleet.out("go");
    let id = fleet.submit("job", "", &body(&fleet));
    host.start();
    fleet.wait_for_line("on", "on");
    let mut lost = 0;
    proxy.meddle(move |request, body| {
        // All that comes after the reports of the worker.
        lost += usize::from(request.contains("/reports "));
        (lost < 3 || !request.contains("/reports ")).then_some(body)
    });
    fs::write(go, "").unwrap();
    fleet.wait_for(id, Stage::Shipped);
    host.kill_loop();
    assert_eq!(host.folders("job"), ["testing"]);
    proxy.meddle(|_, body| Some(body));
    host.start();
    host.wait_for_stage("job", "shipped");
    assert_eq!(fleet.job(id).grants.len(), 1);
}
