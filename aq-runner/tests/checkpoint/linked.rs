//! Jobs of version 0.1, which have a linked worktree: they keep it as long as it is there.

use std::fs;
use std::path::Path;

use aq_runner::checkpoint::{JobBranch, RemovalOutcome, StartedWork};

use crate::lab::{Lab, start, write};

#[test]
fn job_keeps_its_linked_worktree() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.linked("fix", &repo);
    write(&lab.place("fix").linked.join("left"), "1");
    let started = start(&job);
    assert!(!started.fresh && started.leftovers.commit.is_some());
    assert_eq!(started.dir, lab.place("fix").linked);
    write(&started.dir.join("new"), "1");
    let own = lab.git(&started.dir, &["add", "-A"]);
    assert_eq!(own, "");
    assert!(started.wip.finish("fix: work").unwrap().commit.is_some());
    assert_eq!(lab.files(&repo, "aq/wip/fix"), ["a.txt", "left", "new", "sub/b.txt"]);
    assert_eq!(lab.status(&started.dir), "");

    started.wip.merge("merge").unwrap();
    assert_eq!(started.wip.remove().unwrap(), RemovalOutcome::Checkout { branch: true });
    assert!(!started.dir.exists());
    assert_eq!(lab.git(&repo, &["worktree", "list"]).lines().count(), 1);
}

#[test]
fn next_checkout_is_a_repository() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.linked("fix", &repo);
    let started = start(&job);
    write(&started.dir.join("new"), "1");
    started.wip.finish("fix: work").unwrap();
    fs::remove_dir_all(&started.dir).unwrap();
    let again = start(&job);
    assert!(again.fresh && again.dir.join("new").exists());
    assert!(again.dir.starts_with(lab.place("fix").dir));
    assert_eq!(lab.git(&repo, &["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_half_made_worktree_is_not_saved() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.linked("fix", &repo);
    // What a kill in `git worktree add` leaves: its own lock, and only some of the files.
    let admin = repo.join(".git/worktrees/fix");
    write(&admin.join("locked"), "initializing\n");
    fs::remove_file(admin.join("index")).unwrap();
    fs::remove_file(lab.place("fix").linked.join("a.txt")).unwrap();

    let wip = JobBranch::open(&job).unwrap().unwrap();
    assert_eq!(wip.checkpoint("recovered").unwrap().commit, None);
    assert!(
        !admin.exists() && !lab.place("fix").linked.exists(),
        "others need not stumble over it"
    );
    let again = start(&job);
    assert!(again.fresh && again.dir.join("a.txt").exists());
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), lab.rev(&repo, "main"));
}

#[test]
fn agents_lock_is_no_damage() {
    let (lab, repo) = Lab::with_repo();
    let started = start(&lab.linked("fix", &repo));
    lab.git(&started.dir, &["worktree", "lock", "--reason", "initializing", "."]);
    write(&started.dir.join("new"), "1");
    assert!(started.wip.checkpoint("work").unwrap().commit.is_some());
}

#[test]
fn lost_registration_costs_no_work() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.linked("fix", &repo);
    write(&start(&job).dir.join("new"), "1");
    fs::remove_dir_all(repo.join(".git/worktrees/fix")).unwrap();
    let again = start(&job);
    assert!(again.leftovers.commit.is_some() && again.fresh);
    assert_eq!(lab.files(&repo, "aq/wip/fix"), ["a.txt", "new", "sub/b.txt"]);
    assert_eq!(lab.status(&again.dir), "");
}

#[test]
fn commits_and_branches_of_the_agent_are_taken_along() {
    let (lab, repo) = Lab::with_repo();
    let started = start(&lab.linked("fix", &repo));
    lab.git(&started.dir, &["checkout", "-q", "-b", "feature"]);
    write(&started.dir.join("mine"), "1");
    lab.git(&started.dir, &["add", "-A"]);
    lab.git(&started.dir, &["commit", "-q", "-m", "mine"]);
    write(&started.dir.join("rest"), "2");
    started.wip.checkpoint("work").unwrap();
    assert_eq!(lab.rev(&repo, "aq/wip/fix~1"), lab.rev(&repo, "feature"));
    assert_eq!(lab.status(&started.dir), "");
}

#[test]
fn only_its_own_stale_registration_is_pruned() {
    let (lab, repo) = Lab::with_repo();
    lab.git(&repo, &["worktree", "add", "-q", "../users", "-b", "users"]);
    fs::rename(lab.path().join("users"), lab.path().join("unplugged")).unwrap();
    let job = lab.linked("fix", &repo);
    fs::remove_dir_all(&lab.place("fix").linked).unwrap();
    start(&job);
    assert!(repo.join(".git/worktrees/users").exists());
    assert!(!repo.join(".git/worktrees/fix").exists());
}

/// A job with a checkout of its own, on whose branch version 0.1 has gone on in a linked worktree:
/// its agent has made a commit, and left a file.
fn worked_on_by_both(lab: &Lab, repo: &Path) -> StartedWork {
    let started = lab.start("fix", repo);
    write(&started.dir.join("first"), "1\n");
    started.wip.finish("fix: attempt 1").unwrap();
    let linked = lab.place("fix").linked;
    lab.git(repo, &["worktree", "add", "-q", linked.to_str().unwrap(), "aq/wip/fix"]);
    write(&linked.join("first"), "1\n2\n");
    write(&linked.join("second"), "2");
    lab.git(&linked, &["add", "second"]);
    lab.git(&linked, &["commit", "-q", "-m", "mine"]);
    started
}

#[test]
fn work_of_both_versions_is_joined() {
    let (lab, repo) = Lab::with_repo();
    let own = worked_on_by_both(&lab, &repo).dir;
    write(&own.join("third"), "3");
    let again = start(&lab.job("fix", &repo));
    assert_eq!((again.fresh, &again.dir), (false, &own));
    let all = ["a.txt", "first", "second", "sub/b.txt", "third"];
    assert_eq!(lab.files(&repo, "aq/wip/fix"), all);
    assert_eq!(lab.show(&repo, "aq/wip/fix:first"), "1\n2");
    assert_eq!(lab.status(&own), "");
    assert_eq!(fs::read_to_string(own.join("second")).unwrap(), "2");
    assert_eq!(lab.git(&repo, &["worktree", "list"]).lines().count(), 1);
    assert_eq!(lab.git(&repo, &["for-each-ref", "refs/aq/held"]), "");
    write(&own.join("fourth"), "4");
    assert_eq!(again.wip.finish("fix: attempt 3").unwrap().left_out, []);
    again.wip.merge("merge").unwrap();
    assert_eq!(again.wip.remove().unwrap(), RemovalOutcome::Checkout { branch: true });
}

#[test]
fn a_checkout_follows_the_worktree_of_version_0_1() {
    let (lab, repo) = Lab::with_repo();
    let own = worked_on_by_both(&lab, &repo).dir;
    let wip = JobBranch::open(&lab.job("fix", &repo)).unwrap().unwrap();
    assert_eq!(wip.checkpoint("fix: recovered").unwrap().left_out, []);
    assert_eq!(lab.show(&repo, "aq/wip/fix:first"), "1\n2");
    assert_eq!(lab.git(&repo, &["rev-list", "--merges", "aq/wip/fix"]), "");
    assert_eq!(lab.rev(&own, "HEAD"), lab.rev(&repo, "aq/wip/fix"));
    assert_eq!((lab.status(&own).as_str(), own.join("second").exists()), ("", true));
    assert!(!lab.place("fix").linked.exists());
}

#[test]
fn work_that_does_not_go_together_is_kept_apart() {
    let (lab, repo) = Lab::with_repo();
    let own = worked_on_by_both(&lab, &repo).dir;
    write(&own.join("first"), "other\n");
    let again = start(&lab.job("fix", &repo));
    for _ in 0..2 {
        let saved = again.wip.checkpoint("fix: attempt 3").unwrap();
        assert!(saved.left_out[0].to_string().contains("git merge refs/aq/held/fix"), "{saved:?}");
    }
    assert_eq!(lab.show(&repo, "aq/wip/fix:first"), "1\n2");
    assert_eq!(lab.show(&repo, "refs/aq/held/fix:first"), "other");
    assert!(matches!(again.wip.remove().unwrap(), RemovalOutcome::NotSaved { .. }));
}

#[test]
fn a_join_that_was_killed_goes_on() {
    let (lab, repo) = Lab::with_repo();
    let own = worked_on_by_both(&lab, &repo).dir;
    write(&own.join("third"), "3");
    let place = lab.place("fix");
    // Killed when the worktree had been saved and was gone.
    lab.git(&place.linked, &["add", "-A"]);
    lab.git(&place.linked, &["commit", "-q", "-m", "fix: left by version 0.1"]);
    lab.git(&repo, &["worktree", "remove", "--force", place.linked.to_str().unwrap()]);
    let given = fs::read_to_string(place.control.join("given")).unwrap();
    lab.git(&repo, &["update-ref", "refs/aq/held/fix", given.trim()]);
    write(&place.control.join("held"), "");
    write(&place.control.join("joining"), "");
    start(&lab.job("fix", &repo));
    assert_eq!(lab.show(&repo, "aq/wip/fix:first"), "1\n2");
    assert_eq!(lab.show(&repo, "aq/wip/fix:third"), "3");
    assert_eq!(lab.git(&repo, &["for-each-ref", "refs/aq/held"]), "");
    assert!(!place.control.join("joining").exists());
}
