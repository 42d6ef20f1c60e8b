//! The fleet's token is with the loop, and the workers of the fleet's jobs do without it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use aq_manifest::Stage;

use super::lab::{Fleet, TOKEN};
use crate::tokens::EnvironmentSpy;

#[test]
fn worker_reports_without_a_token() {
    let fleet = Fleet::new();
    let mut host = fleet.host_with_repository("a");
    let spy = EnvironmentSpy::new(&host);
    host.start();
    let front = format!("setup: {}\nverify: {}", spy.at("setup"), spy.at("verify"));
    let id = fleet.submit("job", &front, &spy.at("agent"));
    let view = fleet.wait_for(id, Stage::Shipped);
    let came: Vec<(u64, Stage)> =
        view.reports.iter().map(|report| (report.seq, report.stage)).collect();
    let want = [Stage::Building, Stage::Review, Stage::Testing, Stage::Shipped];
    assert_eq!(came, (1..).zip(want).collect::<Vec<_>>());
    for place in ["setup", "agent", "verify"] {
        spy.assert_blind(place, TOKEN);
    }
    host.wait_for_stage("job", "shipped");
    // They came over the line, at once.
    assert!(!host.log("job").contains("later"), "{}", host.log("job"));
}

#[test]
fn a_worker_that_a_loop_has_left_reports_later() {
    let fleet = Fleet::new();
    let mut host = fleet.host("a");
    host.start();
    let (on, go) = (fleet.out("on"), fleet.out("go"));
    let wait = format!("while [ ! -e {} ]; do sleep 0.01; done", go.display());
    let id = fleet.submit("job", "", &format!("echo on >>{}; {wait}", on.display()));
    fleet.wait_for_line("on", "on");
    host.kill_loop();
    fs::write(go, "").unwrap();
    host.wait_for_stage("job", "testing");
    assert!(host.log("job").contains("review is reported to the fleet later: no run loop answers"));
    host.start();
    let view = fleet.wait_for(id, Stage::Shipped);
    let stages: Vec<Stage> = view.reports.iter().map(|report| report.stage).collect();
    assert_eq!(stages, [Stage::Building, Stage::Review, Stage::Testing, Stage::Shipped]);
}

#[test]
fn token_can_come_from_file() {
    let fleet = Fleet::new();
    let mut host = fleet.host("a");
    let file = host.path("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    host.set("AQ_FLEET_TOKEN", "not-this-one");
    host.set("AQ_FLEET_TOKEN_FILE", &*file);
    host.start();
    let id = fleet.submit("job", "", "true");
    fleet.wait_for(id, Stage::Shipped);
    assert!(host.said().contains("others can read it"), "{}", host.said());
    assert!(host.ok(&["fleet-status"]).contains('a'));
}
