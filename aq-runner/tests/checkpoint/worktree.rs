//! A job in a worktree of its own: start, resume, what a kill leaves, removal.

use std::fs;

use aq_runner::checkpoint::{CheckpointError, Origin, Removed, Wip};

use crate::lab::{Lab, start, write};

#[test]
fn a_job_works_in_a_worktree_and_the_checkout_stays_as_it_was() {
    let (lab, repo) = Lab::with_repo();
    write(&repo.join("a.txt"), "the user's own change\n");
    write(&repo.join("scratch"), "untracked\n");
    let before = lab.user_side(&repo);

    let job = lab.start("fix", &repo.join("sub"));
    assert!(job.fresh);
    assert_eq!(job.dir, lab.path().join("queue/.state/worktrees/fix/sub"));
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
    assert_eq!(again.wip.origin().unwrap(), Some(Origin::Branch("refs/heads/main".into())));
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
    assert!(third.fresh, "a worktree that is gone is made again");
    assert_eq!(fs::read_to_string(third.dir.join("new")).unwrap(), "1");
    assert_eq!(lab.git(&repo, &["worktree", "list"]).lines().count(), 2);
}

#[test]
fn what_a_killed_attempt_left_is_saved_by_the_next() {
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
    assert!(second.dir.join("target/x").exists(), "what git ignores stays in the worktree");
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
    let wip = Wip::open(&job).unwrap().unwrap();
    let saved = wip.checkpoint("recovered").unwrap();
    assert!(saved.commit.is_some());
    assert_eq!(lab.show(&repo, "aq/wip/fix:sub/new"), "1");
    assert_eq!(wip.checkpoint("recovered").unwrap().commit, None, "twice changes nothing");
    assert!(Wip::start(&job).is_err(), "a start needs its directory");
}

#[test]
fn a_job_that_never_started_has_nothing_to_open() {
    let (lab, repo) = Lab::with_repo();
    assert!(Wip::open(&lab.job("fix", &repo)).unwrap().is_none());
}

#[test]
fn a_worktree_that_was_never_complete_is_thrown_away_and_not_saved() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    // What a kill in `git worktree add` leaves: its own lock, and only some of the files.
    let admin = repo.join(".git/worktrees/fix");
    write(&admin.join("locked"), "initializing\n");
    fs::remove_file(admin.join("index")).unwrap();
    fs::remove_file(started.dir.join("a.txt")).unwrap();

    assert_eq!(started.wip.checkpoint("recovered").unwrap().commit, None);
    assert!(!admin.exists() && !started.dir.exists(), "others need not stumble over it");
    assert_eq!(started.wip.checkpoint("recovered").unwrap().commit, None);
    let again = lab.start("fix", &repo);
    assert!(again.fresh);
    assert!(again.dir.join("a.txt").exists());
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), lab.rev(&repo, "main"));
    assert!(!admin.join("locked").exists());
}

#[test]
fn a_worktree_that_its_agent_has_locked_is_saved() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    lab.git(&started.dir, &["worktree", "lock", "--reason", "initializing", "."]);
    write(&started.dir.join("new"), "1");
    assert!(started.wip.checkpoint("work").unwrap().commit.is_some());
    assert!(!lab.start("fix", &repo).fresh);
}

#[test]
fn a_worktree_that_another_job_is_making_is_waited_for() {
    let (lab, repo) = Lab::with_repo();
    let killed = lab.start("killed", &repo);
    let admin = repo.join(".git/worktrees/killed");
    write(&admin.join("locked"), "initializing\n");
    write(&admin.join("commondir"), "");
    fs::remove_file(admin.join("index")).unwrap();
    let job = lab.job("other", &repo);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| start(&job));
        // Its own branch is made; now it meets what is half made, and waits until that is gone.
        let branch = repo.join(".git/refs/heads/aq/wip/other");
        while !branch.exists() && !other.is_finished() {
            std::thread::yield_now();
        }
        assert_eq!(killed.wip.checkpoint("recovered").unwrap().commit, None);
        assert!(other.join().unwrap().dir.join("a.txt").exists());
    });
}

#[test]
fn a_lock_that_a_kill_left_on_the_branch_is_no_obstacle() {
    let (lab, repo) = Lab::with_repo();
    let base = lab.rev(&repo, "main");
    write(&lab.path().join("queue/.state/wip/fix.from"), "refs/heads/main\n");
    write(&lab.path().join("queue/.state/wip/fix.base"), &format!("{base}\n"));
    write(&repo.join(".git/refs/heads/aq/wip/fix.lock"), "");
    assert!(lab.start("fix", &repo).fresh);
}

#[test]
fn a_kill_before_the_branch_was_made_is_made_good() {
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
fn a_lost_registration_costs_no_work() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    fs::remove_dir_all(repo.join(".git/worktrees/fix")).unwrap();
    let again = lab.start("fix", &repo);
    assert!(again.leftovers.commit.is_some());
    assert!(again.fresh);
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "1");
    assert_eq!(lab.files(&repo, "aq/wip/fix"), ["a.txt", "new", "sub/b.txt"]);
    assert_eq!(lab.status(&again.dir), "");
}

#[test]
fn only_the_jobs_own_stale_registration_is_pruned() {
    let (lab, repo) = Lab::with_repo();
    lab.git(&repo, &["worktree", "add", "-q", "../users", "-b", "users"]);
    fs::rename(lab.path().join("users"), lab.path().join("unplugged")).unwrap();
    let started = lab.start("fix", &repo);
    fs::remove_dir_all(&started.dir).unwrap();
    lab.start("fix", &repo);
    assert!(repo.join(".git/worktrees/users").exists());
}

#[test]
fn a_branch_of_somebody_else_is_not_taken() {
    let (lab, repo) = Lab::with_repo();
    lab.git(&repo, &["branch", "aq/wip/fix"]);
    let error = Wip::start(&lab.job("fix", &repo)).unwrap_err();
    assert!(matches!(&error, CheckpointError::BranchTaken(name) if name == "aq/wip/fix"));
    assert!(!lab.path().join("queue/.state/wip/fix.base").exists());
    assert!(Wip::start(&lab.job("fix", &repo)).is_err(), "also the second time");
}

#[test]
fn a_branch_that_the_user_has_checked_out_is_left_alone() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    started.wip.finish("one").unwrap();
    fs::remove_dir_all(&started.dir).unwrap();
    lab.git(&repo, &["worktree", "prune"]);
    lab.git(&repo, &["checkout", "-q", "aq/wip/fix"]);
    let error = Wip::start(&lab.job("fix", &repo)).unwrap_err().to_string();
    assert!(error.contains("already"), "{error}");
    assert_eq!(lab.status(&repo), "");
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
fn removal_keeps_an_unmerged_branch_and_saves_what_lies_there() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    assert_eq!(started.wip.remove().unwrap(), Removed::Worktree { branch: false });
    assert!(!started.dir.exists());
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "1");
    assert_eq!(lab.git(&repo, &["worktree", "list"]).lines().count(), 1);
    assert_eq!(started.wip.remove().unwrap(), Removed::Worktree { branch: false });

    started.wip.merge("merge").unwrap();
    assert_eq!(started.wip.remove().unwrap(), Removed::Worktree { branch: true });
    assert_eq!(started.wip.tip().unwrap(), None);
}

#[test]
fn removal_takes_a_branch_without_commits_and_a_path_of_the_same_name_elsewhere_stays() {
    let (lab, repo) = Lab::with_repo();
    lab.git(&repo, &["worktree", "add", "-q", "../fix", "-b", "users"]);
    let started = lab.start("fix", &repo);
    assert_eq!(started.wip.remove().unwrap(), Removed::Worktree { branch: true });
    assert!(lab.path().join("fix/a.txt").exists());
    assert_eq!(lab.status(&lab.path().join("fix")), "");
}

#[test]
fn a_clone_inside_a_worktree_is_not_removed_with_it() {
    let (lab, repo) = Lab::with_repo();
    let other = lab.repo("other");
    let started = lab.start("fix", &repo);
    lab.git(&started.dir, &["clone", "-q", other.to_str().unwrap(), "inner"]);
    let removed = started.wip.remove().unwrap();
    assert_eq!(removed, Removed::Kept { repository: started.dir.join("inner") });
    assert!(started.dir.join("inner/a.txt").exists());
}

#[test]
fn a_directory_that_git_does_not_know_exists_in_the_worktree() {
    let (lab, repo) = Lab::with_repo();
    fs::create_dir_all(repo.join("empty/deep")).unwrap();
    let started = lab.start("fix", &repo.join("empty/deep"));
    assert!(started.dir.ends_with("fix/empty/deep") && started.dir.is_dir());
}

#[test]
fn a_link_in_the_place_of_the_directory_is_not_followed() {
    let (lab, repo) = Lab::with_repo();
    fs::remove_dir_all(repo.join("sub")).unwrap();
    std::os::unix::fs::symlink(lab.path(), repo.join("sub")).unwrap();
    lab.git(&repo, &["add", "-A"]);
    lab.git(&repo, &["commit", "-q", "-m", "link"]);
    fs::remove_file(repo.join("sub")).unwrap();
    fs::create_dir(repo.join("sub")).unwrap();
    let error = Wip::start(&lab.job("fix", &repo.join("sub"))).unwrap_err();
    assert!(matches!(error, CheckpointError::LeavesWorktree(_)), "{error}");
}

#[test]
fn a_merged_branch_that_somebody_has_checked_out_stays() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    started.wip.finish("work").unwrap();
    started.wip.merge("merge").unwrap();
    fs::remove_dir_all(&started.dir).unwrap();
    lab.git(&repo, &["worktree", "prune"]);
    lab.git(&repo, &["checkout", "-q", "aq/wip/fix"]);
    assert_eq!(started.wip.remove().unwrap(), Removed::Worktree { branch: false });
    assert_eq!(lab.status(&repo), "");
}

#[test]
fn what_cannot_be_committed_keeps_its_worktree() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    // A repository without a commit: git leaves it out, with all files in it.
    write(&started.dir.join("inner/work"), "1");
    lab.git(&started.dir, &["init", "-q", "inner"]);
    started.wip.finish("work").unwrap();
    let removed = started.wip.remove().unwrap();
    let Removed::NotSaved { left_out } = &removed else { panic!("{removed:?}") };
    assert!(left_out.contains("inner"), "{left_out}");
    assert!(started.dir.join("inner/work").exists());
    fs::remove_dir_all(started.dir.join("inner")).unwrap();
    assert!(matches!(started.wip.remove().unwrap(), Removed::Worktree { .. }));
    assert!(!started.dir.exists());
}
