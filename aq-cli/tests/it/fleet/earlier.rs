//! Fleets of version 0.1 and of this one: hosts of both at a coordinator of either, and upgrades
//! while jobs run. They run only where `AQ_EARLIER` names the program of version 0.1.

mod coordinators;

use std::ffi::OsString;
use std::fs;

use aq_fleet::protocol::{FactoryId, FleetJobId, JobView, ReleaseOutcome};
use aq_manifest::Stage;
use nix::sys::signal::Signal;
use serde_json::json;

use super::handover::{at_remote, two_hosts};
use super::lab::{Fleet, Host, earlier, present, read};
use crate::fake_tracker::FakeTracker;
use crate::sandbox::wait_for;

/// Longer than a lease.
const LONG: &str = "sleep 4";

/// A coordinator of each version, on a database of its own.
fn fleets() -> Option<[Fleet; 2]> {
    let of = |program| Fleet::of_program(program, [127, 0, 0, 1]);
    Some([of(earlier()?), of(present())])
}

/// A host of each version: `a` of the earlier one, which alone is `old`, and `b`, which is `new`.
fn hosts(fleet: &Fleet) -> [Host; 2] {
    let mut hosts = [fleet.host("a"), fleet.host("b")];
    hosts[0].run_program(earlier().unwrap());
    for (host, can) in hosts.iter().zip(["old", "new"]) {
        fs::write(host.queue("config.yaml"), format!("capabilities: [{can}]\n")).unwrap();
    }
    hosts
}

/// Says that it is at work, and ends when it may.
fn body(fleet: &Fleet, name: &str) -> String {
    let (on, go) = (fleet.out(name), fleet.out("go"));
    format!("echo on >>{}; while [ ! -e {} ]; do sleep 0.01; done", on.display(), go.display())
}

fn may_end(fleet: &Fleet) {
    fs::write(fleet.out("go"), "").unwrap();
}

fn stages(view: &JobView) -> Vec<Stage> {
    view.reports.iter().map(|report| report.stage).collect()
}

/// Waits until the job has shipped on the host that had it first, with a report of each step.
fn ships_at_once(fleet: &Fleet, host: &Host, name: &str, id: FleetJobId) {
    let view = fleet.wait_for(id, Stage::Shipped);
    assert_eq!((view.job.attempts, view.grants.len()), (1, 1), "{view:#?}");
    assert_eq!(stages(&view), [Stage::Building, Stage::Review, Stage::Testing, Stage::Shipped]);
    host.wait_for_stage(name, "shipped");
}

#[test]
fn hosts_of_both_versions_share_work() {
    let Some(fleets) = fleets() else { return };
    for fleet in fleets {
        let [mut a, mut b] = hosts(&fleet);
        let trace = fleet.out("trace");
        let step = |name: &str, can: &str, more: &str| {
            let body = format!(
                "echo '{name} begins' >>{0}; sleep 0.5; echo '{name} ends' >>{0}",
                trace.display()
            );
            let front = format!("idempotency-key: {name}\ncapabilities: [{can}]\n{more}");
            fleet.submit(name, &front, &body)
        };
        // Each waits for one that the other host runs, or for a lock that it holds.
        let third = step("third", "old", "deps: [second]");
        let second = step("second", "new", "deps: [first]");
        let locked = ["old", "new"].map(|can| step(can, can, "lock: db"));
        let long = ["old", "new"].map(|can| {
            fleet.submit(&format!("long-{can}"), &format!("capabilities: [{can}]"), LONG)
        });
        a.start_with(&["--ship", "--max", "4"]);
        b.start_with(&["--ship", "--max", "4"]);
        let first = step("first", "old", "");
        ships_at_once(&fleet, &a, "first", first);
        ships_at_once(&fleet, &b, "second", second);
        ships_at_once(&fleet, &a, "third", third);
        for (host, name, n) in [(&a, "old", 0), (&b, "new", 1)] {
            ships_at_once(&fleet, host, name, locked[n]);
            ships_at_once(&fleet, host, &format!("long-{name}"), long[n]);
        }
        let trace = read(&trace);
        let at = |line: &str| {
            trace.lines().position(|l| l == line).unwrap_or_else(|| panic!("{line}: {trace}"))
        };
        assert!(at("first ends") < at("second begins"), "{trace}");
        assert!(at("second ends") < at("third begins"), "{trace}");
        let in_turn = at("old ends") < at("new begins") || at("new ends") < at("old begins");
        assert!(in_turn, "{trace}");
        // What followers read is the same of both; an event may overtake a report.
        let kinds = |job| {
            let (mut kinds, _) = coordinators::feed(&fleet.coordinator, 0, job, "shipped");
            kinds.sort();
            kinds
        };
        assert_eq!(kinds(long[0]), kinds(long[1]));
        for host in [&a, &b] {
            let shown = host.ok(&["fleet-status"]);
            assert!(shown.contains("2 of 2"), "{shown}");
            let output = host.own(&["fleet-status"]).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
    }
}

#[test]
fn a_host_of_either_version_is_fenced() {
    let Some(fleets) = fleets() else { return };
    for fleet in fleets {
        for from in [0, 1] {
            let mut hosts = hosts(&fleet);
            let name = format!("job-{from}");
            let _ = fs::remove_file(fleet.out("go"));
            hosts[from].start();
            let id = fleet.submit(&name, "", &body(&fleet, &name));
            fleet.wait_for_line(&name, "on");
            hosts[from].signal_all(Signal::SIGSTOP);
            fleet.wait_for_lapse(id);
            may_end(&fleet);
            hosts[1 - from].start();
            let view = fleet.wait_for(id, Stage::Shipped);
            assert_eq!((view.job.attempts, view.grants.len()), (2, 2), "{view:#?}");
            hosts[from].signal_all(Signal::SIGCONT);
            hosts[from].wait_for_stage(&name, "quarantine");
            assert_eq!(hosts[from].meta_value(&name, "result"), "fenced");
            wait_for("its end", || hosts[from].workers().is_empty());
            hosts[1 - from].wait_for_stage(&name, "shipped");
            assert_eq!(hosts[from].jobs("shipped"), [""; 0]);
            assert_eq!(read(&fleet.out(&name)), "on\non\n");
        }
    }
}

#[test]
fn cancel_and_drain_reach_both_versions() {
    let Some(fleets) = fleets() else { return };
    for fleet in fleets {
        let [mut a, mut b] = hosts(&fleet);
        a.start();
        b.start();
        for (host, can) in [(&a, "old"), (&b, "new")] {
            let front = format!("capabilities: [{can}]");
            let id = fleet.submit(can, &front, &body(&fleet, can));
            fleet.wait_for_line(can, "on");
            fleet.client.cancel(id).unwrap();
            let view = fleet.wait_for(id, Stage::Failed);
            host.wait_for_stage(can, "failed");
            wait_for("its end", || host.workers().is_empty());
            assert_eq!(view.grants[0].outcome, Some(ReleaseOutcome::Failed), "{view:#?}");
        }
        for (drained, other, host) in [("a", "b", &b), ("b", "a", &a)] {
            let [drained, other] = [drained, other].map(|name| name.parse::<FactoryId>().unwrap());
            fleet.client.drain(&drained, true).unwrap();
            fleet.client.drain(&other, false).unwrap();
            for n in 0..3 {
                let name = format!("not-{drained}-{n}");
                let id = fleet.submit(&name, "", "true");
                ships_at_once(&fleet, host, &name, id);
            }
        }
        // Each program ends the other's loop.
        b.run_program(earlier().unwrap());
        a.run_program(present());
        for mut host in [a, b] {
            let output = host.own(&["stop"]).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            host.kill_loop();
            assert!(!host.queue(".state/daemon.pid").exists());
        }
    }
}

#[test]
fn host_changes_version_under_job() {
    let Some(fleets) = fleets() else { return };
    for fleet in fleets {
        let versions = [earlier().unwrap(), present()];
        for from in [0, 1] {
            let [first, second] = [&versions[from], &versions[1 - from]];
            let _ = fs::remove_file(fleet.out("go"));
            let mut host = fleet.host(&format!("host-{from}"));
            let loop_of = |host: &mut Host, program: &OsString| {
                host.kill_loop();
                host.run_program(program.clone());
                host.start_with(&["--ship", "--max", "2"]);
            };
            loop_of(&mut host, first);
            // One ends while a loop of the other version is there, one while none is.
            let [stays, ends] = ["stays", "ends"].map(|name| format!("{name}-{from}"));
            let long = fleet.submit(&stays, "", &body(&fleet, &stays));
            let early = fleet.out("early");
            let _ = fs::remove_file(&early);
            let wait = format!("while [ ! -e {} ]; do sleep 0.01; done", early.display());
            let on = fleet.out(&ends);
            let short = fleet.submit(&ends, "", &format!("echo on >>{}; {wait}", on.display()));
            fleet.wait_for_line(&stays, "on");
            fleet.wait_for_line(&ends, "on");
            host.kill_loop();
            fs::write(&early, "").unwrap();
            host.wait_for_stage(&ends, "testing");
            loop_of(&mut host, second);
            ships_at_once(&fleet, &host, &ends, short);
            loop_of(&mut host, first);
            loop_of(&mut host, second);
            may_end(&fleet);
            ships_at_once(&fleet, &host, &stays, long);
            assert_eq!(read(&fleet.out(&stays)), "on\n");
            let outbox = host.queue(".state/fleet/outbox");
            wait_for("the outbox to be empty", || fs::read_dir(&outbox).unwrap().next().is_none());
        }
    }
}

#[test]
fn trackers_are_told_by_both() {
    let Some(fleets) = fleets() else { return };
    for mut fleet in fleets {
        let tracker = FakeTracker::of_item(json!({}));
        let settings = [
            ("AQ_TRACKER_AUTO", "1"),
            ("AQ_TRACKER_URL", &tracker.url()),
            ("AQ_TRACKER_TOKEN", "a-tracker-token"),
            ("AQ_TRACKER_PRODUCT", "prod-1"),
        ];
        for (name, value) in settings {
            fleet.coordinator.set(name, value);
        }
        fleet.coordinator.kill();
        fleet.coordinator.start_again();
        let [mut a, mut b] = hosts(&fleet);
        a.start();
        b.start();
        for (n, can) in ["old", "new"].into_iter().enumerate() {
            let front = format!("capabilities: [{can}]\ntracker-item: T-{can}");
            let body = "sleep 2; echo 'AQ_USAGE {\"input_tokens\": 12, \"cost_usd\": 0.5}'";
            let id = fleet.submit(can, &front, body);
            fleet.wait_for(id, Stage::Shipped);
            wait_for("the last echo", || {
                let last = tracker.comments();
                last.iter().filter(|comment| *comment == "aq: shipped").count() == n + 1
            });
        }
        let sent: Vec<String> = tracker.asked().into_iter().map(|asked| asked.raw).collect();
        for item in ["T-old", "T-new"] {
            let about = |raw: &&String| raw.contains(item) && raw.contains("- cost: $0.50");
            assert!(sent.iter().any(|raw| about(&raw)), "{item}: {sent:?}");
        }
    }
}

#[test]
fn work_moves_between_versions() {
    let Some(fleets) = fleets() else { return };
    let versions = [earlier().unwrap(), present()];
    for fleet in fleets {
        for from in [0, 1] {
            let remote = fleet.out(&format!("remote-{from}.git"));
            let (mut a, mut b) = two_hosts(&fleet, &remote);
            a.run_program(versions[from].clone());
            b.run_program(versions[1 - from].clone());
            a.start();
            let body =
                "if [ -e first ]; then echo more >>first; else echo of-a >first; sleep 1000; fi";
            let id = fleet.submit("job", "", body);
            wait_for("a snapshot at the remote", || at_remote(&remote, "first").is_some());
            a.die();
            b.start();
            let view = fleet.wait_for(id, Stage::Shipped);
            assert_eq!(view.grants.len(), 2, "{view:#?}");
            b.wait_for_stage("job", "shipped");
            assert_eq!(b.on_branch("job", "first"), "of-a\nmore", "from {from}");
        }
    }
}
