//! `ship --merge`: what is shipped is merged, also for the disk.

use super::calls::of_command;
use super::can_trace;
use super::replay::Story;
use crate::sandbox::Sandbox;

const MERGE: &[&str] = &["ship", "--merge", "a"];

/// A job with work on its branch, from which the user's own branch has gone away since.
fn prepare(sandbox: &Sandbox) {
    sandbox.make_repository();
    sandbox.add("a", "", "echo x >new.txt");
    sandbox.ok(&["run", "--once", "--quiet"]);
    sandbox.commit("mine.txt", "mine\n");
}

/// Git's files are all there here, however little of the queue is.
#[test]
fn a_merge_is_made_once() {
    if !can_trace() {
        return;
    }
    let promised = &["shipped/a.md", ".state/meta/a.meta"];
    let story = Story { prepare, commands: &[MERGE], promised };
    let cuts = story.cut_everywhere(2, |after| {
        let sandbox = after.sandbox;
        after.ok(&["recover"]);
        if sandbox.folders("a") == ["testing"] {
            assert!(!after.is_promised, "{}", after.story("a"));
            after.ok(MERGE);
        }
        assert_eq!(sandbox.folders("a"), ["shipped"], "{}", after.story("a"));
        assert_eq!(sandbox.meta_value("a", "merged_into"), "main", "{}", after.story("a"));
        let commits = sandbox.git(&["log", "--format=%s", "main"]);
        assert_eq!(commits.lines().count(), 4, "{}: {commits}", after.what);
        assert_eq!(sandbox.git(&["show", "main:new.txt"]), "x", "{}", after.what);
        after.is_whole(&["a"]);
    });
    assert!(cuts >= 3, "{cuts}");
}

/// Git syncs the name of a branch and not what it leads to.
#[test]
fn merge_is_synced_before_shipping() {
    if !can_trace() {
        return;
    }
    let sandbox = Sandbox::new();
    prepare(&sandbox);
    let calls = of_command(&sandbox, MERGE);
    let repository = sandbox.work();
    let changed = calls.iter().rposition(|call| {
        let changes = ["write", "rename", "renameat2", "link", "linkat", "unlink"];
        let mut paths = call.paths.iter().chain(&call.opened);
        changes.contains(&call.name.as_str()) && paths.any(|path| path.starts_with(&repository))
    });
    let is_synced = |path: &std::path::Path| path.starts_with(&repository);
    let synced = calls
        .iter()
        .rposition(|call| call.name == "syncfs" && call.opened.as_deref().is_some_and(is_synced));
    let shipped = sandbox.queue("shipped/a.md");
    let shipped = calls.iter().position(|call| call.paths.contains(&shipped));
    assert!(
        changed.is_some() && changed < synced && synced < shipped,
        "{changed:?} {synced:?} {shipped:?}"
    );
}
