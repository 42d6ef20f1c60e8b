//! `aq ship --merge`: all of it, or nothing.

use std::fs;
use std::path::{Path, PathBuf};

use aq_runner::checkpoint::{CheckpointError, Wip};

use crate::lab::{Lab, write};

/// A job that has changed `new` and ended.
fn done() -> (Lab, PathBuf, Wip) {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    started.wip.finish("work").unwrap();
    (lab, repo, started.wip)
}

fn commit(lab: &Lab, repo: &Path, file: &str, text: &str) {
    write(&repo.join(file), text);
    lab.git(repo, &["add", "-A"]);
    lab.git(repo, &["commit", "-q", "-m", file]);
}

#[test]
fn a_branch_that_stood_still_moves_forward_with_its_checkout() {
    let (lab, repo, wip) = done();
    write(&repo.join("untracked"), "the user's");
    let merged = wip.merge("merge").unwrap();
    assert_eq!((merged.into.as_str(), merged.checkout.as_deref()), ("main", Some(repo.as_path())));
    assert_eq!(lab.rev(&repo, "main"), lab.rev(&repo, "aq/wip/fix"));
    assert_eq!(lab.status(&repo), "?? untracked");
    assert_eq!(fs::read_to_string(repo.join("new")).unwrap(), "1");
    assert_eq!(wip.merge("again").unwrap().commit, merged.commit);
}

#[test]
fn a_branch_that_went_on_gets_a_merge_commit() {
    let (lab, repo, wip) = done();
    commit(&lab, &repo, "other", "2");
    let old = lab.rev(&repo, "main");
    wip.merge("Merge aq/wip/fix").unwrap();
    assert_eq!(lab.rev(&repo, "main^1"), old);
    assert_eq!(lab.rev(&repo, "main^2"), lab.rev(&repo, "aq/wip/fix"));
    assert_eq!(lab.git(&repo, &["log", "-1", "--format=%s"]), "Merge aq/wip/fix");
    assert_eq!(lab.status(&repo), "");
    assert!(repo.join("new").exists() && repo.join("other").exists());
    let before = lab.rev(&repo, "main");
    wip.merge("again").unwrap();
    assert_eq!(lab.rev(&repo, "main"), before);
}

#[test]
fn a_branch_that_is_not_checked_out_moves_alone() {
    let (lab, repo, wip) = done();
    lab.git(&repo, &["checkout", "-q", "-b", "elsewhere"]);
    write(&repo.join("a.txt"), "dirty\n");
    assert_eq!(wip.merge("merge").unwrap().checkout, None);
    assert_eq!(lab.rev(&repo, "main"), lab.rev(&repo, "aq/wip/fix"));
    assert_eq!(lab.status(&repo), "M a.txt");
}

#[test]
fn a_conflict_changes_nothing() {
    let (lab, repo, wip) = done();
    commit(&lab, &repo, "new", "another\n");
    let before = lab.user_side(&repo);
    let error = wip.merge("merge").unwrap_err();
    assert!(matches!(&error, CheckpointError::Conflict { paths, .. } if paths == &["new"]));
    assert_eq!(lab.user_side(&repo), before);
}

#[test]
fn a_dirty_checkout_changes_nothing() {
    let (lab, repo, wip) = done();
    for staged in [false, true] {
        write(&repo.join("a.txt"), "dirty\n");
        if staged {
            lab.git(&repo, &["add", "a.txt"]);
        }
        let before = lab.user_side(&repo);
        let error = wip.merge("merge").unwrap_err();
        assert!(matches!(error, CheckpointError::Dirty { .. }), "{error}");
        assert_eq!(lab.user_side(&repo), before);
    }
}

#[test]
fn files_in_the_way_are_not_overwritten_also_ignored_ones() {
    for ignored in [false, true] {
        let (lab, repo, wip) = done();
        if ignored {
            write(&repo.join(".git/info/exclude"), "new\n");
        }
        write(&repo.join("new"), "the user's");
        let before = lab.user_side(&repo);
        assert!(wip.merge("merge").is_err());
        assert_eq!(lab.user_side(&repo), before);
        assert_eq!(fs::read_to_string(repo.join("new")).unwrap(), "the user's");
    }
}

#[test]
fn a_merge_of_the_users_that_is_going_on_is_left_alone() {
    let (lab, repo, wip) = done();
    lab.git(&repo, &["checkout", "-q", "-b", "side"]);
    commit(&lab, &repo, "side", "1");
    lab.git(&repo, &["checkout", "-q", "main"]);
    lab.git(&repo, &["merge", "--no-ff", "--no-commit", "side"]);
    assert!(matches!(wip.merge("merge"), Err(CheckpointError::Unfinished { .. })));
}

#[test]
fn the_checkout_of_a_linked_worktree_follows() {
    let (lab, repo, wip) = done();
    lab.git(&repo, &["checkout", "-q", "--detach"]);
    lab.git(&repo, &["worktree", "add", "-q", "../linked", "main"]);
    let linked = lab.path().join("linked");
    assert_eq!(wip.merge("merge").unwrap().checkout, Some(linked.clone()));
    assert!(linked.join("new").exists() && !repo.join("new").exists());
    assert_eq!(lab.status(&linked), "");
}

#[test]
fn a_branch_that_was_deleted_is_not_made_again() {
    let (lab, repo, wip) = done();
    lab.git(&repo, &["checkout", "-q", "-b", "elsewhere"]);
    lab.git(&repo, &["branch", "-q", "-D", "main"]);
    let before = lab.user_side(&repo);
    let error = wip.merge("merge").unwrap_err();
    assert!(matches!(error, CheckpointError::TargetGone { .. }), "{error}");
    assert_eq!(lab.user_side(&repo), before);
    let mend = format!("`git branch main {}`", wip.base());
    assert!(error.to_string().contains(&mend), "{error}");
    lab.git(&repo, &["branch", "main", wip.base().as_str()]);
    wip.merge("merge").unwrap();
    assert_eq!(lab.rev(&repo, "main"), lab.rev(&repo, "aq/wip/fix"));
}

#[test]
fn several_checkouts_of_the_branch_are_refused() {
    let (lab, repo, wip) = done();
    lab.git(&repo, &["worktree", "add", "-q", "-f", "../linked", "main"]);
    let before = lab.rev(&repo, "main");
    assert!(matches!(wip.merge("merge"), Err(CheckpointError::ManyCheckouts(_))));
    assert_eq!(lab.rev(&repo, "main"), before);
}

#[test]
fn without_a_branch_there_is_nothing_to_merge() {
    let (lab, repo, wip) = done();
    wip.remove().unwrap();
    lab.git(&repo, &["branch", "-q", "-D", "aq/wip/fix"]);
    assert!(matches!(wip.merge("merge"), Err(CheckpointError::NoBranch(_))));
    assert_eq!(wip.changes().unwrap().files_changed, 0);
    assert!(matches!(wip.diff(false, &mut Vec::new()), Err(CheckpointError::NoBranch(_))));
}
