//! `kill -9` while finished work of a fleet goes into its target at a remote: of `aq ship`, the
//! worker, and the runs of git, also at the remote's end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use aq_fleet::protocol::FleetJobId;
use aq_manifest::Stage;

use super::lab::{Fleet, TOKEN};
use super::targets::{Hub, MERGES, configure};
use crate::injection::can_trace;
use crate::kill_points::{Share, at_every_step};
use crate::sandbox::{Sandbox, wait_for};

/// A finished job of the fleet, from whose target others have gone on since.
fn prepare(sandbox: &Sandbox) -> (Fleet, Hub, FleetJobId) {
    let fleet = Fleet::new();
    sandbox.make_repository();
    let hub = Hub::of(&fleet, sandbox);
    configure(sandbox, MERGES);
    let url = format!("http://{}", fleet.coordinator.address());
    for (name, value) in [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_TOKEN", TOKEN),
        ("AQ_FACTORY_ID", "a"),
        ("AQ_FLEET_URL", &url),
    ] {
        sandbox.also_set(name, value);
    }
    let job = fleet.submit("a", "ship: merge", "echo x >new.txt");
    sandbox.ok(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("a"), ["testing"], "{}", sandbox.log("a"));
    hub.commit("theirs.txt", "theirs\n");
    (fleet, hub, job)
}

#[test]
fn pushes_killed_anywhere_ship_once() {
    if !can_trace() {
        return;
    }
    let fleets = Mutex::new(BTreeMap::<PathBuf, (Fleet, Hub, FleetJobId)>::new());
    let begin = |sandbox: &Sandbox| {
        let made = prepare(sandbox);
        fleets.lock().unwrap().insert(sandbox.queue(""), made);
    };
    let ship = ["ship", "a"];
    let share = Share { few: 7, many: 120 };
    let kills = at_every_step(begin, &ship, share, |point| {
        let (sandbox, what) = (point.sandbox, &point.what);
        let (fleet, hub, job) = fleets.lock().unwrap().remove(&sandbox.queue("")).unwrap();
        wait_for("the workers", || sandbox.workers().is_empty());
        let mut said = String::new();
        if sandbox.folders("a") == ["testing"] {
            said = sandbox.code(&ship).1;
        }
        if sandbox.folders("a") == ["testing"] && said.contains(".lock") {
            // A git that was killed itself may have left a lock, which is its user's to remove.
            return;
        }
        let story = format!("{what}: {said}\n{:?}\n{}", sandbox.meta("a"), sandbox.log("a"));
        assert_eq!(sandbox.folders("a"), ["shipped"], "{story}");
        assert_eq!(hub.subjects(), ["a.txt", "a: attempt 1", "aq: a", "theirs.txt"], "{story}");
        assert_eq!(sandbox.meta_value("a", "merged_remote"), "origin", "{story}");
        assert_eq!(fleet.job(job).job.stage, Stage::Shipped, "{story}");
        point.is_whole(&["a"]);
    });
    assert!(kills >= 5, "{kills}");
}
