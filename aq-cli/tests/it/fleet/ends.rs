//! Every job's end comes to the coordinator's ears, and no trouble of one host keeps it from
//! ending.

use std::fs::{self, File};
use std::io::Write;
use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::Duration;

use aq_manifest::Stage;

use super::lab::Fleet;
use super::proxy::Proxy;
use crate::sandbox::wait_for;

#[test]
fn end_is_reported_when_job_is_free() {
    let fleet = Fleet::new();
    let mut host = fleet.host("a");
    host.start_with(&[]);
    let id = fleet.submit("job", "", "true");
    host.wait_for_stage("job", "testing");
    fleet.wait_for(id, Stage::Testing);
    // As `aq reject` does it, and slowly: the loop looks while the job is held.
    let record = File::options().append(true).open(host.queue(".state/meta/job.meta")).unwrap();
    record.lock().unwrap();
    (&record).write_all(b"moved_to=failed\nresult=rejected\n").unwrap();
    fs::rename(host.queue("testing/job.md"), host.queue("failed/job.md")).unwrap();
    // Not waiting for anything: the longer, the surer that it has looked.
    sleep(Duration::from_millis(300));
    drop(record);
    fleet.wait_for(id, Stage::Failed);
    wait_for("the note to go", || !host.queue(".state/fleet/held/job").exists());
}

#[test]
fn a_job_that_is_done_can_still_be_cancelled() {
    let fleet = Fleet::new();
    let mut host = fleet.host("a");
    host.start_with(&[]);
    let id = fleet.submit("job", "", "true");
    fleet.wait_for(id, Stage::Testing);
    fleet.client.cancel(id).unwrap();
    fleet.wait_for(id, Stage::Failed);
    host.wait_for_stage("job", "failed");
    assert_eq!(host.meta_value("job", "message"), "cancelled in the fleet");
}

#[test]
fn draining_loop_ends_without_coordinator() {
    let mut fleet = Fleet::new();
    let host = fleet.host("a");
    fleet.coordinator.kill();
    let (code, said) = host.code(&["run", "--once"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("cannot be reached"), "{said}");
}

#[test]
fn stopped_loop_awaits_no_coordinator() {
    let fleet = Fleet::new();
    let proxy = Proxy::to(fleet.coordinator.address());
    let mut host = fleet.host("a");
    host.ask(proxy.address());
    host.start_with(&[]);
    let id = fleet.submit("job", "", "true");
    fleet.wait_for(id, Stage::Testing);
    // From now on nothing but claims is answered, and nothing refused.
    let (called, calls) = channel();
    proxy.meddle(move |request, body| {
        if request.contains("/claims ") {
            return Some(body);
        }
        // The test may have seen enough.
        let _ = called.send(());
        loop {
            sleep(Duration::from_secs(1));
        }
    });
    // A heartbeat waits for its answer.
    calls.recv().unwrap();
    host.ok(&["reject", "job"]);
    let unsent = || fs::read_dir(host.queue(".state/fleet/outbox")).unwrap().count() > 0;
    wait_for("the release to wait", unsent);
    let begun = std::time::Instant::now();
    host.ok(&["stop"]);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(!host.queue(".state/daemon.pid").exists(), "it has not ended");
}

#[test]
fn unwritable_host_claims_nothing() {
    let fleet = Fleet::new();
    let mut host = fleet.host("a");
    let scratch = host.queue(".state/tmp");
    host.start_with(&["--ship", "--max", "1"]);
    wait_for("the host to join", || host.said().contains("joined"));
    fs::rename(&scratch, host.queue(".state/away")).unwrap();
    let first = fleet.submit("first", "", "true");
    wait_for("the trouble", || host.said().contains(".state/tmp"));
    let second = fleet.submit("second", "", "true");
    // Until it has tried again, or has gone on to the other one.
    wait_for("another try", || host.said().matches(".state/tmp").count() >= 2);
    assert_eq!(fleet.job(second).grants.len(), 0, "a job that waits for its lease to end");
    fs::rename(host.queue(".state/away"), &scratch).unwrap();
    fleet.wait_for(first, Stage::Shipped);
    fleet.wait_for(second, Stage::Shipped);
}
