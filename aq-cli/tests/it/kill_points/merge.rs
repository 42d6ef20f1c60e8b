//! `ship --merge`, with the runs of git that it starts.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Share, at_every_step, is_only_aq};
use crate::injection::{Point, can_trace};
use crate::sandbox::Sandbox;

/// A job with work on its branch, from which the user's own branch has gone away since.
pub(crate) fn prepare(sandbox: &Sandbox) {
    sandbox.make_repository();
    sandbox.add("a", "", "echo x >new.txt");
    sandbox.ok(&["run", "--once", "--quiet"]);
    sandbox.commit("mine.txt", "mine\n");
}

/// Locks that a killed git leaves behind; git itself asks its user to remove them.
fn locks(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(locks(&path));
        } else if path.extension().is_some_and(|end| end == "lock") {
            found.push(path);
        }
    }
    found
}

pub(crate) fn look(point: &Point<'_>) {
    let Point { sandbox, what, .. } = point;
    let folders = sandbox.folders("a");
    assert!(folders == ["testing"] || folders == ["shipped"], "{what}: {folders:?}");
    let made = ["ship", "--merge", "a"];
    if folders == ["testing"] {
        let (code, said) = sandbox.code(&made);
        if code != 0 {
            // Only a git that was killed itself in the middle may be in the way: aq says what is,
            // and it takes its user, as after any such git.
            assert!(!is_only_aq(point), "{what}: {said}");
            let names_it = said.contains(".lock'") || said.contains("new.txt");
            assert!(code == 4 && names_it, "{what}: {code} {said}");
            assert_eq!(sandbox.folders("a"), ["testing"], "{what}");
            for lock in locks(&sandbox.work().join(".git")) {
                fs::remove_file(lock).unwrap();
            }
            sandbox.git(&["reset", "-q", "--hard"]);
            sandbox.git(&["clean", "-q", "-f"]);
            point.again(&made);
        }
    }
    assert_eq!(sandbox.folders("a"), ["shipped"], "{what}");
    assert_eq!(sandbox.meta_value("a", "merged_into"), "main", "{what}");
    let (code, said) = sandbox.code(&made);
    assert!(code == 4 && said.contains("shipped"), "{what}: {code} {said}");
    // Once: of both sides, with each commit of theirs.
    let story = sandbox.git(&["log", "--format=%H %s", "--topo-order", "main"]);
    let commits = story.lines().map(|line| line.split_once(' ').unwrap());
    // A git that could not read the branch for a moment makes a commit without a change.
    let is_empty =
        |commit: &str| sandbox.try_git(&["diff", "--quiet", &format!("{commit}~"), commit]).0;
    let counts =
        |(commit, subject): &(&str, &str)| *subject != "a: left uncommitted" || !is_empty(commit);
    let mut subjects: Vec<&str> = commits.filter(counts).map(|(_, subject)| subject).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["a.txt", "a: attempt 1", "aq: a", "mine.txt"], "{what}");
    assert_eq!(sandbox.git(&["show", "main:new.txt"]), "x", "{what}");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{what}");
    assert!(sandbox.try_git(&["fsck", "--no-dangling"]).0, "{what}");
    point.is_whole(&["a"]);
}

#[test]
fn a_merge_killed_anywhere_is_made_once() {
    if !can_trace() {
        return;
    }
    let share = Share { few: 3, many: 40 };
    let kills = at_every_step(prepare, &["ship", "--merge", "a"], share, look);
    assert!(kills >= 5, "{kills}");
}
