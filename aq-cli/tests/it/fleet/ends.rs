//! Every job's end comes to the coordinator's ears, and no trouble of one host keeps it from ending.

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
fn the_end_of_a_job_is_told_when_whoever_ended_it_lets_go_of_it() {
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
