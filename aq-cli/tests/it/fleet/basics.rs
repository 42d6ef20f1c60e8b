//! The purpose of a fleet: jobs go where they can run, in order, and are shipped once.

use std::fs;

use aq_manifest::{Outcome, Stage};

use super::lab::{Fleet, read, submit_text};
use super::proxy::Proxy;
use crate::sandbox::wait_for;

/// Waits for a file that the test makes.
fn until(path: &std::path::Path) -> String {
    format!("while [ ! -e {} ]; do sleep 0.01; done", path.display())
}

#[test]
fn a_job_is_claimed_run_and_shipped() {
    let fleet = Fleet::new();
    let mut host = fleet.host("a");
    host.start();
    let id = fleet.submit("hello", "", "echo hello >done");
    let view = fleet.wait_for(id, Stage::Shipped);
    assert_eq!((view.job.result, view.job.attempts), (Some(Outcome::Shipped), 1));
    let stages: Vec<Stage> = view.reports.iter().map(|report| report.stage).collect();
    assert_eq!(stages, [Stage::Building, Stage::Review, Stage::Testing, Stage::Shipped]);
    let numbers: Vec<u64> = view.reports.iter().map(|report| report.seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    host.wait_for_stage("hello", "shipped");
    assert_eq!(read(&host.work().join("done")), "hello\n");
    assert_eq!(host.meta_value("hello", "fleet_job_id"), id.to_string());
    wait_for("the release", || {
        fs::read_dir(host.queue(".state/fleet/outbox")).unwrap().count() == 0
    });
}

#[test]
fn deps_hold_across_hosts() {
    let fleet = Fleet::new();
    let (mut a, mut b) = (fleet.host("a"), fleet.host("b"));
    // Each host has what one of the jobs needs.
    fs::write(a.queue("config.yaml"), "capabilities: [left]\n").unwrap();
    fs::write(b.queue("config.yaml"), "capabilities: [right]\n").unwrap();
    let order = fleet.out("order");
    let last = fleet.submit(
        "last",
        "idempotency-key: c\ndeps: [b]\ncapabilities: [left]",
        &format!("echo last >>{}", order.display()),
    );
    let middle = fleet.submit(
        "middle",
        "idempotency-key: b\ndeps: [a]\ncapabilities: [right]",
        &format!("echo middle >>{}", order.display()),
    );
    a.start();
    b.start();
    let first = fleet.submit(
        "first",
        "idempotency-key: a\ncapabilities: [left]",
        &format!("echo first >>{}", order.display()),
    );
    for id in [first, middle, last] {
        fleet.wait_for(id, Stage::Shipped);
    }
    assert_eq!(read(&order), "first\nmiddle\nlast\n");
    a.wait_for_stage("last", "shipped");
    b.wait_for_stage("middle", "shipped");
}

#[test]
fn an_explicit_lock_is_held_across_the_fleet() {
    let fleet = Fleet::new();
    let mut hosts = [fleet.host("a"), fleet.host("b"), fleet.host("c")];
    for host in &mut hosts {
        host.start_with(&["--ship", "--max", "2"]);
    }
    let trace = fleet.out("trace");
    let body = format!(
        "exec 9>{0}.lock; flock -n 9 || echo BAD >>{0}; sleep 0.05; echo ran >>{0}",
        trace.display()
    );
    let ids: Vec<_> =
        (0..6).map(|n| fleet.submit(&format!("job-{n}"), "lock: one", &body)).collect();
    for id in ids {
        fleet.wait_for(id, Stage::Shipped);
    }
    assert_eq!(read(&trace), "ran\n".repeat(6));
}

#[test]
fn shell_without_host_name_ships() {
    let fleet = Fleet::new();
    let mut host = fleet.host("a");
    host.start_with(&[]);
    let id = fleet.submit("hello", "review-policy: human", "true");
    host.wait_for_stage("hello", "review");
    fleet.wait_for(id, Stage::Review);
    // Its default is this machine's name; another one is as wrong.
    host.set("AQ_FACTORY_ID", "");
    host.ok(&["ship", "hello"]);
    assert_eq!(host.folders("hello"), ["shipped"]);
    let view = fleet.wait_for(id, Stage::Shipped);
    assert_eq!(view.reports.iter().filter(|report| report.stage == Stage::Shipped).count(), 1);

    let id = fleet.submit("seen", "review-policy: human", "true");
    host.wait_for_stage("seen", "review");
    fleet.wait_for(id, Stage::Review);
    host.set("AQ_FACTORY_ID", "b");
    host.ok(&["promote", "seen"]);
    assert_eq!(host.folders("seen"), ["testing"]);
    host.ok(&["ship", "seen"]);
    fleet.wait_for(id, Stage::Shipped);
}

#[test]
fn cancelled_job_ends_on_host() {
    let fleet = Fleet::new();
    let mut host = fleet.host("a");
    host.start();
    let id =
        fleet.submit("long", "", &format!("echo on >{}; sleep 1000", fleet.out("on").display()));
    fleet.wait_for_line("on", "on");
    fleet.client.cancel(id).unwrap();
    let view = fleet.wait_for(id, Stage::Failed);
    assert_eq!(view.job.result, Some(Outcome::Stopped));
    host.wait_for_stage("long", "failed");
    assert_eq!(host.agents(), []);
    // What has not begun is stopped at once.
    let waiting = fleet.submit("waiting", "capabilities: [nobody-has]", "true");
    assert_eq!(fleet.client.cancel(waiting).unwrap().value.stage, Stage::Failed);
}

#[test]
fn draining_host_gives_unbegun_jobs_back() {
    let fleet = Fleet::new();
    let proxy = Proxy::to(fleet.coordinator.address());
    let mut host = fleet.host("a");
    host.ask(proxy.address());
    host.start_with(&["--ship", "--max", "2"]);
    let go = fleet.out("go");
    // Both work in one directory, whose lock is the host's own: the second waits there.
    let text = |body: &str| format!("---\nengine: shell\ncwd: work\n---\n{body}\n");
    let on = fleet.out("on");
    let first = text(&format!("echo on >{}; {}", on.display(), until(&go)));
    let first = submit_text(&fleet.client, "first", first);
    fleet.wait_for_line("on", "on");
    let second = submit_text(&fleet.client, "second", text("true"));
    host.wait_for_stage("second", "inbox");
    proxy.meddle(|request, body| {
        let drain = "\"directives\":[{\"kind\":\"drain\"}";
        let is_beat = request.contains("/heartbeat ");
        Some(if is_beat { body.replace("\"directives\":[", drain) } else { body })
    });
    wait_for("the second job to go back", || host.folders("second").is_empty());
    let view = fleet.wait_for(second, Stage::Inbox);
    assert_eq!(view.job.holder, None);
    fs::write(&go, "").unwrap();
    host.wait_for_stage("first", "shipped");
    assert_eq!(fleet.job(first).job.stage, Stage::Shipped);
    assert_eq!(fleet.job(second).job.stage, Stage::Inbox, "nothing is claimed meanwhile");
    proxy.meddle(|_, body| Some(body));
    fleet.wait_for(second, Stage::Shipped);
}
