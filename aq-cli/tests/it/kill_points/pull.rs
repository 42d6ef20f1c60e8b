//! `ship --pr`, with the runs of git that it starts and what it says to the forge.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use super::{Share, at_every_step, is_only_aq};
use crate::fake_forge::FakeForge;
use crate::injection::can_trace;
use crate::sandbox::Sandbox;

#[test]
fn pull_requests_killed_anywhere_are_opened_once() {
    if !can_trace() {
        return;
    }
    let forges = Mutex::new(BTreeMap::<PathBuf, FakeForge>::new());
    let prepare = |sandbox: &Sandbox| {
        sandbox.make_repository();
        sandbox.add("a", "", "echo x >new.txt");
        sandbox.ok(&["run", "--once", "--quiet"]);
        forges.lock().unwrap().insert(sandbox.queue(""), FakeForge::of(sandbox));
    };
    let made = ["ship", "--pr", "a"];
    let kills = at_every_step(prepare, &made, Share { few: 3, many: 60 }, |point| {
        let (sandbox, what) = (point.sandbox, &point.what);
        assert_eq!(sandbox.folders("a"), ["testing"], "{what}");
        let forge = forges.lock().unwrap().remove(&sandbox.queue("")).unwrap();
        let (code, said) = sandbox.code(&made);
        if code != 0 {
            // A git that was killed itself may have left a lock, which is its user's to remove.
            assert!(!is_only_aq(point) && said.contains(".lock"), "{what}: {code} {said}");
            return;
        }
        let states: Vec<_> = forge.pulls().iter().map(|pull| pull.state).collect();
        assert_eq!(states, ["open"], "{what}");
        assert_eq!(forge.tip("aq/wip/a").unwrap(), sandbox.git(&["rev-parse", "aq/wip/a"]));
        forge.end(1, "merged");
        sandbox.ok(&["run", "--once", "--quiet"]);
        assert_eq!(sandbox.folders("a"), ["shipped"], "{what}");
        point.is_whole(&["a"]);
    });
    assert!(kills >= 5, "{kills}");
}
