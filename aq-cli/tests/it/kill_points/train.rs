//! The merge train, with the worker and the runs of git that it starts.

use std::fs;

use super::{Share, at_every_step};
use crate::injection::{Point, can_trace};
use crate::sandbox::{Sandbox, wait_for};

/// A finished job, from whose target the user's own work has gone on.
fn prepare(sandbox: &Sandbox) {
    sandbox.make_repository();
    // What this host has is looked up once, and not under strace.
    sandbox.ok(&["caps"]);
    fs::write(sandbox.queue("config.yaml"), "ship: merge\nmerge: {verify: test -e new.txt}\n")
        .unwrap();
    sandbox.add("a", "", "echo x >new.txt");
    sandbox.ok(&["run", "--once", "--quiet"]);
    sandbox.commit("mine.txt", "mine\n");
}

fn look(point: &Point<'_>) {
    let Point { sandbox, what, .. } = point;
    wait_for("the workers", || sandbox.workers().is_empty());
    assert_eq!(sandbox.folders("a").len(), 1, "{what}");
    let (_, mut said) = sandbox.code(&["run", "--once", "--ship", "--quiet"]);
    if sandbox.folders("a") == ["testing"] {
        // A git that was killed itself in the middle may be in the way: aq names its lock.
        assert!(said.contains(".lock'"), "{what}: {said}");
        let index = sandbox.work().join(".git/index.lock");
        let _ = fs::remove_file(index);
        said = sandbox.code(&["run", "--once", "--ship", "--quiet"]).1;
    }
    let story = format!("{what}: {said}\n{:?}\n{}", sandbox.meta("a"), sandbox.log("a"));
    assert_eq!(sandbox.folders("a"), ["shipped"], "{story}");
    assert_eq!(sandbox.meta_value("a", "merged_into"), "main", "{story}");
    let subjects = sandbox.git(&["log", "--format=%s", "--topo-order", "main"]);
    let mut subjects: Vec<&str> = subjects.lines().collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["a.txt", "a: attempt 1", "aq: a", "mine.txt"], "{story}");
    assert_eq!(sandbox.git(&["show", "main:new.txt"]), "x", "{story}");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{story}");
    point.is_whole(&["a"]);
}

#[test]
fn trains_killed_anywhere_merge_once() {
    if !can_trace() {
        return;
    }
    let share = Share { few: 9, many: 150 };
    let args = ["run", "--once", "--ship", "--quiet"];
    let kills = at_every_step(prepare, &args, share, look);
    assert!(kills >= 5, "{kills}");
}
