//! A job in a checkout of its own: start, resume, what a kill leaves, removal.

use std::fs;

use aq_runner::checkpoint::{CheckpointError, JobBranch, RemovalOutcome, WorkOrigin};

use crate::lab::{Lab, left, start, write};

#[test]
fn users_checkout_is_never_touched() {
    let (lab, repo) = Lab::with_repo();
    write(&repo.join("a.txt"), "the user's own change\n");
    write(&repo.join("scratch"), "untracked\n");
    let before = lab.user_side(&repo);

    let job = lab.start("fix", &repo.join("sub"));
    assert!(job.fresh);
    assert_eq!(job.dir, lab.path().join("queue/work/fix/repo/sub"));
    assert_eq!(fs::read_to_string(job.dir.join("../a.txt")).unwrap(), "one\n");
    write(&job.dir.join("b.txt"), "changed\n");
    let saved = job.wip.finish("fix: attempt 1").unwrap();

    let tip = lab.rev(&repo, "aq/wip/fix");
    assert_eq!(saved.commit.unwrap().as_str(), tip);
    assert_eq!(lab.show(&repo, "aq/wip/fix:sub/b.txt"), "changed");
    assert_eq!(lab.rev(&repo, "aq/wip/fix~1"), lab.rev(&repo, "main"));
    assert_eq!(
        lab.git(&repo, &["log", "-1", "--format=%s by %an", "aq/wip/fix"]),
        "fix: attempt 1 by Ada"
    );
    assert_eq!(lab.status(&job.dir), "");
    assert_eq!(lab.user_side(&repo), before);
}

#[test]
fn the_base_is_written_once() {
    let (lab, repo) = Lab::with_repo();
    let base = lab.rev(&repo, "main");
    lab.start("fix", &repo);
    lab.git(&repo, &["commit", "-q", "--allow-empty", "-m", "later"]);
    let again = lab.start("fix", &repo);
    assert_eq!(again.wip.base().as_str(), base);
    let file = lab.path().join("queue/.state/wip/fix.base");
    assert_eq!(fs::read_to_string(file).unwrap(), format!("{base}\n"));
    assert_eq!(again.wip.origin().unwrap(), Some(WorkOrigin::Branch("refs/heads/main".into())));
}

#[test]
fn a_later_start_goes_on_where_the_branch_is() {
    let (lab, repo) = Lab::with_repo();
    let first = lab.start("fix", &repo);
    write(&first.dir.join("new"), "1");
    first.wip.finish("one").unwrap();

    let second = lab.start("fix", &repo);
    assert!(!second.fresh);
    assert_eq!(second.leftovers.commit, None);
    assert_eq!(fs::read_to_string(second.dir.join("new")).unwrap(), "1");

    fs::remove_dir_all(&second.dir).unwrap();
    let third = lab.start("fix", &repo);
    assert!(third.fresh, "a checkout that is gone is made again");
    assert_eq!(fs::read_to_string(third.dir.join("new")).unwrap(), "1");
    assert_eq!(lab.git(&repo, &["worktree", "list"]).lines().count(), 1);
}

#[test]
fn next_attempt_saves_leftovers() {
    let (lab, repo) = Lab::with_repo();
    let first = lab.start("fix", &repo);
    write(&first.dir.join("new"), "1");
    write(&first.dir.join(".gitignore"), "target\n");
    write(&first.dir.join("target/x"), "built");
    fs::remove_file(first.dir.join("a.txt")).unwrap();

    let second = lab.start("fix", &repo);
    assert!(!second.fresh);
    assert_eq!(second.leftovers.commit.as_ref().unwrap().as_str(), lab.rev(&repo, "aq/wip/fix"));
    assert_eq!(lab.files(&repo, "aq/wip/fix"), [".gitignore", "new", "sub/b.txt"]);
    assert!(second.dir.join("target/x").exists(), "what git ignores stays in the checkout");
}

#[test]
fn recovery_saves_from_another_process_without_the_users_checkout() {
    let (lab, repo) = Lab::with_repo();
    let cwd = repo.join("sub");
    let started = lab.start("fix", &cwd);
    write(&started.dir.join("new"), "1");
    drop(started);
    fs::remove_dir_all(&cwd).unwrap();

    let job = lab.job("fix", &cwd);
    let wip = JobBranch::open(&job).unwrap().unwrap();
    let saved = wip.checkpoint("recovered").unwrap();
    assert!(saved.commit.is_some());
    assert_eq!(lab.show(&repo, "aq/wip/fix:sub/new"), "1");
    assert_eq!(wip.checkpoint("recovered").unwrap().commit, None, "twice changes nothing");
    assert!(JobBranch::start(&job).is_err(), "a start needs its directory");
}

#[test]
fn a_job_that_never_started_has_nothing_to_open() {
    let (lab, repo) = Lab::with_repo();
    assert!(JobBranch::open(&lab.job("fix", &repo)).unwrap().is_none());
}

#[test]
fn incomplete_checkout_is_not_saved() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    // What a kill leaves before all files are written.
    fs::remove_file(lab.place("fix").control.join("given")).unwrap();
    fs::remove_file(started.dir.join("a.txt")).unwrap();

    assert_eq!(started.wip.checkpoint("recovered").unwrap().commit, None);
    let again = lab.start("fix", &repo);
    assert!(again.fresh);
    assert!(again.dir.join("a.txt").exists());
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), lab.rev(&repo, "main"));
}

#[test]
fn a_half_made_linked_worktree_is_waited_for() {
    let (lab, repo) = Lab::with_repo();
    // Version 0.1 makes a worktree of another job.
    let linked = lab.linked("killed", &repo);
    let killed = start(&linked);
    let admin = repo.join(".git/worktrees/killed");
    write(&admin.join("locked"), "initializing\n");
    write(&admin.join("commondir"), "");
    fs::remove_file(admin.join("index")).unwrap();
    let job = lab.job("other", &repo);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| start(&job));
        while !lab.path().join("queue/.state/wip/other.base").exists() && !other.is_finished() {
            std::thread::yield_now();
        }
        assert_eq!(killed.wip.checkpoint("recovered").unwrap().commit, None);
        assert!(other.join().unwrap().dir.join("a.txt").exists());
    });
}

#[test]
fn left_branch_lock_is_no_obstacle() {
    let (lab, repo) = Lab::with_repo();
    let base = lab.rev(&repo, "main");
    write(&lab.path().join("queue/.state/wip/fix.from"), "refs/heads/main\n");
    write(&lab.path().join("queue/.state/wip/fix.base"), &format!("{base}\n"));
    write(&repo.join(".git/refs/heads/aq/wip/fix.lock"), "");
    assert!(lab.start("fix", &repo).fresh);
}

#[test]
fn kill_before_branch_is_mended() {
    let (lab, repo) = Lab::with_repo();
    let base = lab.rev(&repo, "main");
    write(&lab.path().join("queue/.state/wip/fix.from"), "refs/heads/main\n");
    write(&lab.path().join("queue/.state/wip/fix.base"), &format!("{base}\n"));
    lab.git(&repo, &["commit", "-q", "--allow-empty", "-m", "later"]);
    let started = lab.start("fix", &repo);
    assert!(started.fresh);
    assert_eq!(lab.rev(&started.dir, "HEAD"), base);
}

#[test]
fn a_branch_of_somebody_else_is_not_taken() {
    let (lab, repo) = Lab::with_repo();
    lab.git(&repo, &["branch", "aq/wip/fix"]);
    let error = JobBranch::start(&lab.job("fix", &repo)).unwrap_err();
    assert!(matches!(&error, CheckpointError::BranchTaken(name) if name == "aq/wip/fix"));
    assert!(!lab.path().join("queue/.state/wip/fix.base").exists());
    assert!(JobBranch::start(&lab.job("fix", &repo)).is_err(), "also the second time");
}

#[test]
fn a_branch_that_the_user_has_is_held_back() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    started.wip.finish("fix: one").unwrap();
    let before = lab.rev(&repo, "aq/wip/fix");
    lab.git(&repo, &["checkout", "-q", "aq/wip/fix"]);

    let again = lab.start("fix", &repo);
    assert_eq!(left(&again.wip.finish("fix: two").unwrap()), "", "nothing is new");
    write(&again.dir.join("new"), "2");
    let saved = again.wip.finish("fix: two").unwrap();
    assert!(left(&saved).contains(&format!("checked out in {}", repo.display())));
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), before);
    assert_eq!(lab.status(&repo), "");
    assert_eq!(lab.show(&repo, "refs/aq/held/fix:new"), "2");
    assert_eq!(again.wip.changes().unwrap().paths, ["new"]);
    assert_eq!(lab.status(&again.dir), "");

    lab.git(&repo, &["checkout", "-q", "main"]);
    let saved = lab.start("fix", &repo).wip.finish("fix: three").unwrap();
    assert_eq!(left(&saved), "");
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "2");
    assert!(!lab.try_git(&repo, &["rev-parse", "--verify", "-q", "refs/aq/held/fix"]).0);
}

#[test]
fn a_branch_that_the_user_moved_is_followed() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    started.wip.finish("fix: one").unwrap();
    lab.git(&repo, &["checkout", "-q", "aq/wip/fix"]);
    write(&repo.join("new"), "corrected");
    lab.git(&repo, &["commit", "-q", "-a", "-m", "a reviewer's"]);
    lab.git(&repo, &["checkout", "-q", "main"]);
    let reviewed = lab.rev(&repo, "aq/wip/fix");

    // While the agent has nothing new, its files follow.
    let again = lab.start("fix", &repo);
    assert_eq!(fs::read_to_string(again.dir.join("new")).unwrap(), "corrected");
    assert_eq!(lab.rev(&again.dir, "HEAD"), reviewed);

    // Otherwise nobody's work is undone, and it is reported.
    lab.git(&repo, &["checkout", "-q", "aq/wip/fix"]);
    lab.git(&repo, &["commit", "-q", "--allow-empty", "-m", "more of a reviewer's"]);
    lab.git(&repo, &["checkout", "-q", "main"]);
    let moved = lab.rev(&repo, "aq/wip/fix");
    write(&again.dir.join("other"), "2");
    let saved = again.wip.finish("fix: two").unwrap();
    assert!(left(&saved).contains("moved by somebody else"));
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), moved);
    assert_eq!(lab.show(&repo, "refs/aq/held/fix:other"), "2");

    lab.git(&repo, &["checkout", "-q", "aq/wip/fix"]);
    lab.git(&repo, &["merge", "-q", "refs/aq/held/fix"]);
    lab.git(&repo, &["checkout", "-q", "main"]);
    let third = lab.start("fix", &repo);
    assert_eq!(left(&third.leftovers), "");
    assert_eq!(lab.rev(&third.dir, "HEAD"), lab.rev(&repo, "aq/wip/fix"));
}

#[test]
fn killed_checkpoint_is_nobody_else() {
    let (lab, repo) = Lab::with_repo();
    for (job, begin) in
        [("one", &["checkout", "-q", "--detach"][..]), ("two", &["checkout", "-qb", "x"])]
    {
        let started = lab.start(job, &repo);
        let dir = &started.dir;
        lab.git(dir, begin);
        write(&dir.join("new"), "1");
        lab.git(dir, &["add", "new"]);
        lab.git(dir, &["commit", "-q", "-m", "the agent's own"]);
        // The branch was moved, and that was all.
        let branch = format!("refs/heads/aq/wip/{job}");
        lab.git(&repo, &["fetch", "-q", dir.to_str().unwrap(), "HEAD"]);
        lab.git(&repo, &["update-ref", &branch, "FETCH_HEAD"]);
        write(&dir.join("more"), "2");
        let saved = started.wip.finish("fix: one").unwrap();
        assert_eq!(left(&saved), "", "{job}");
        assert_eq!(lab.show(&repo, &format!("{branch}:more")), "2");
    }
}

#[test]
fn two_jobs_of_one_repository_work_at_once() {
    let (lab, repo) = Lab::with_repo();
    std::thread::scope(|scope| {
        for n in 0..4 {
            let job = lab.job(&format!("job-{n}"), &repo);
            scope.spawn(move || {
                for attempt in 0..3 {
                    let started = start(&job);
                    write(&started.dir.join(format!("file-{attempt}")), &job.name);
                    assert!(started.wip.finish("work").unwrap().commit.is_some());
                }
            });
        }
    });
    for n in 0..4 {
        let branch = format!("aq/wip/job-{n}");
        let files = lab.files(&repo, &branch);
        assert_eq!(files, ["a.txt", "file-0", "file-1", "file-2", "sub/b.txt"]);
        assert_eq!(lab.show(&repo, &format!("{branch}:file-2")), format!("job-{n}"));
    }
    assert_eq!(lab.status(&repo), "");
}

#[test]
fn names_that_git_refuses_have_a_branch_too() {
    let (lab, repo) = Lab::with_repo();
    for name in ["v1.lock", "x.", "a..b...c", "UPPER_case.2"] {
        let started = lab.start(name, &repo);
        write(&started.dir.join("new"), name);
        started.wip.finish(name).unwrap();
        assert_eq!(lab.show(&repo, &format!("{}:new", started.wip.branch())), name);
    }
}

#[test]
fn removal_keeps_an_unmerged_branch() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    assert_eq!(started.wip.remove().unwrap(), RemovalOutcome::Checkout { branch: false });
    assert!(!started.dir.exists());
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "1");
    assert_eq!(lab.git(&repo, &["for-each-ref", "refs/aq"]), "");
    assert_eq!(started.wip.remove().unwrap(), RemovalOutcome::Checkout { branch: false });

    started.wip.merge("merge").unwrap();
    assert_eq!(started.wip.remove().unwrap(), RemovalOutcome::Checkout { branch: true });
    assert_eq!(started.wip.tip().unwrap(), None);
}

#[test]
fn removal_takes_branch_without_commits() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    assert_eq!(started.wip.remove().unwrap(), RemovalOutcome::Checkout { branch: true });
    assert_eq!(lab.git(&repo, &["for-each-ref", "refs/aq", "refs/heads/aq"]), "");
}

#[test]
fn work_in_a_clone_stays() {
    let (lab, repo) = Lab::with_repo();
    let other = lab.repo("other");
    let started = lab.start("fix", &repo);
    lab.git(&started.dir, &["clone", "-q", other.to_str().unwrap(), "inner"]);
    write(&started.dir.join("inner/new"), "1");
    let removed = started.wip.remove().unwrap();
    let RemovalOutcome::NotSaved { left_out } = &removed else { panic!("{removed:?}") };
    assert_eq!(left_out[0].what, "inner");
    assert!(started.dir.join("inner/a.txt").exists());
    // What a remote has anyway is no reason to stay.
    fs::remove_file(started.dir.join("inner/new")).unwrap();
    assert_eq!(started.wip.remove().unwrap(), RemovalOutcome::Checkout { branch: true });
}

#[test]
fn an_unknown_directory_is_made() {
    let (lab, repo) = Lab::with_repo();
    fs::create_dir_all(repo.join("empty/deep")).unwrap();
    let started = lab.start("fix", &repo.join("empty/deep"));
    assert!(started.dir.ends_with("repo/empty/deep") && started.dir.is_dir());
}

#[test]
fn linked_directory_is_not_followed() {
    let (lab, repo) = Lab::with_repo();
    fs::remove_dir_all(repo.join("sub")).unwrap();
    std::os::unix::fs::symlink(lab.path(), repo.join("sub")).unwrap();
    lab.git(&repo, &["add", "-A"]);
    lab.git(&repo, &["commit", "-q", "-m", "link"]);
    fs::remove_file(repo.join("sub")).unwrap();
    fs::create_dir(repo.join("sub")).unwrap();
    let error = JobBranch::start(&lab.job("fix", &repo.join("sub"))).unwrap_err();
    assert!(matches!(error, CheckpointError::LeavesWorktree(_)), "{error}");
}

#[test]
fn a_merged_branch_that_somebody_has_checked_out_stays() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    started.wip.finish("work").unwrap();
    started.wip.merge("merge").unwrap();
    lab.git(&repo, &["checkout", "-q", "aq/wip/fix"]);
    assert_eq!(started.wip.remove().unwrap(), RemovalOutcome::Checkout { branch: false });
    assert_eq!(lab.status(&repo), "");
}

#[test]
fn what_cannot_be_committed_stays() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    // A repository without a commit: git leaves it out, with all files in it.
    write(&started.dir.join("inner/work"), "1");
    lab.git(&started.dir, &["init", "-q", "inner"]);
    started.wip.finish("work").unwrap();
    let removed = started.wip.remove().unwrap();
    let RemovalOutcome::NotSaved { left_out } = &removed else { panic!("{removed:?}") };
    assert_eq!(left_out[0].what, "inner");
    assert!(started.dir.join("inner/work").exists());
    fs::remove_dir_all(started.dir.join("inner")).unwrap();
    assert!(matches!(started.wip.remove().unwrap(), RemovalOutcome::Checkout { .. }));
    assert!(!started.dir.exists());
}
