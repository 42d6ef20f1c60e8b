//! Checkpoints of whatever an agent left.

use std::fs;

use aq_runner::checkpoint::{JobBranch, StartedWork};

use crate::lab::{Lab, left, write};

fn with_job() -> (Lab, std::path::PathBuf, StartedWork) {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    (lab, repo, started)
}

fn commit(lab: &Lab, dir: &std::path::Path, file: &str, text: &str) -> String {
    write(&dir.join(file), text);
    lab.git(dir, &["add", "-A"]);
    lab.git(dir, &["commit", "-q", "-m", file]);
    lab.rev(dir, "HEAD")
}

fn contains(lab: &Lab, repo: &std::path::Path, commit: &str) -> bool {
    lab.try_git(repo, &["merge-base", "--is-ancestor", commit, "aq/wip/fix"]).0
}

/// On the branch, clean, nothing going on: what the next attempt wants to find.
fn assert_settled(lab: &Lab, started: &StartedWork) {
    assert_eq!(lab.git(&started.dir, &["symbolic-ref", "HEAD"]), "refs/heads/aq/wip/fix");
    let status = lab.git(&started.dir, &["status"]);
    assert!(status.ends_with("nothing to commit, working tree clean"), "{status}");
    assert_eq!(status.lines().count(), 2, "no operation is going on: {status}");
}

#[test]
fn all_but_ignored_changes_save() {
    let (lab, repo, job) = with_job();
    write(&job.dir.join(".gitignore"), "*.log\n");
    write(&job.dir.join("x.log"), "noise");
    write(&job.dir.join("new file\n\"é"), "odd name");
    write(&job.dir.join("sub/b.txt"), "two\nthree\n");
    fs::remove_file(job.dir.join("a.txt")).unwrap();
    assert!(job.wip.checkpoint("work").unwrap().commit.is_some());
    let changes = job.wip.changes().unwrap();
    assert_eq!(changes.paths, [".gitignore", "a.txt", "new file\n\"é", "sub/b.txt"]);
    assert_eq!((changes.files_changed, changes.lines_added, changes.lines_deleted), (4, 3, 1));
    assert_settled(&lab, &job);
    assert!(job.dir.join("x.log").exists());
    assert_eq!(lab.rev(&repo, "aq/wip/fix~1"), lab.rev(&repo, "main"));
}

#[test]
fn without_a_change_there_is_no_commit() {
    let (lab, repo, job) = with_job();
    let before = lab.rev(&repo, "aq/wip/fix");
    assert_eq!(job.wip.checkpoint("work").unwrap().commit, None);
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), before);
    assert_eq!(job.wip.changes().unwrap(), aq_runner::checkpoint::BranchChanges::default());
}

#[test]
fn same_size_change_is_seen() {
    let (lab, repo, job) = with_job();
    for text in ["uno\n", "due\n", "tre\n"] {
        write(&job.dir.join("a.txt"), text);
        assert!(job.wip.checkpoint("work").unwrap().commit.is_some());
        assert_eq!(lab.show(&repo, "aq/wip/fix:a.txt"), text.trim());
    }
}

#[test]
fn a_branch_that_is_packed_moves_on() {
    let (lab, repo, job) = with_job();
    for text in ["1", "2"] {
        lab.git(&repo, &["pack-refs", "--all"]);
        // Refused, and a directory is left in the place of the branch's file.
        assert!(!lab.try_git(&repo, &["branch", "aq/wip/fix/sub"]).0);
        write(&job.dir.join("new"), text);
        let before = lab.rev(&repo, "aq/wip/fix");
        let commit = job.wip.checkpoint("work").unwrap().commit.unwrap();
        assert_eq!(lab.rev(&repo, "aq/wip/fix"), commit.as_str());
        assert_eq!(lab.rev(&repo, "aq/wip/fix~1"), before);
        assert_settled(&lab, &job);
    }
}

#[test]
fn work_that_cannot_be_written_is_told_and_stays() {
    let (lab, repo, job) = with_job();
    // What is there already is not in a directory that is about to go: names of commits begin with
    // anything.
    lab.git(&repo, &["repack", "-adq"]);
    write(&job.dir.join("new"), "1");
    // The tree that is to be written, and a file in the place of the directory that it belongs
    // into.
    lab.git(&job.dir, &["add", "-A"]);
    let tree = lab.git(&job.dir, &["write-tree"]);
    let dir = repo.join(".git/objects").join(&tree[..2]);
    fs::create_dir_all(&dir).unwrap();
    fs::rename(&dir, repo.join("away")).unwrap();
    fs::write(&dir, "").unwrap();
    lab.git(&job.dir, &["reset", "-q"]);
    let refused = job.wip.checkpoint("work").unwrap_err().to_string();
    assert!(refused.contains("write-tree"), "{refused}");
    assert!(job.wip.remove().is_err());
    assert!(job.dir.join("new").exists());
    fs::remove_file(&dir).unwrap();
    fs::rename(repo.join("away"), &dir).unwrap();
    assert!(job.wip.checkpoint("work").unwrap().commit.is_some());
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "1");
}

#[test]
fn deleted_branch_restarts_at_base() {
    let (lab, repo, job) = with_job();
    lab.git(&repo, &["update-ref", "-d", "refs/heads/aq/wip/fix"]);
    write(&job.dir.join("new"), "1");
    assert!(job.wip.checkpoint("work").unwrap().commit.is_some());
    assert_eq!(lab.rev(&repo, "aq/wip/fix~1"), lab.rev(&repo, "main"));
    assert_settled(&lab, &job);
}

#[test]
fn commits_of_the_agent_stay() {
    let (lab, repo, job) = with_job();
    let own = commit(&lab, &job.dir, "mine", "1");
    write(&job.dir.join("rest"), "2");
    job.wip.checkpoint("work").unwrap();
    assert_eq!(lab.rev(&repo, "aq/wip/fix~1"), own);
    assert_settled(&lab, &job);
}

#[test]
fn locks_of_killed_processes_are_no_obstacle() {
    let (lab, repo, job) = with_job();
    // Then `HEAD` has to be put back, which its lock would prevent.
    lab.git(&job.dir, &["checkout", "-q", "--detach"]);
    let control = lab.place("fix").control;
    let ours = ["index.lock", "HEAD.lock", "aq-index", "aq-index.lock"];
    let theirs = ["index.lock", "HEAD.lock", "config.lock", "refs/heads/aq/wip/fix.lock"];
    let locks: Vec<_> = ours.iter().map(|name| control.join(name)).collect();
    let agents: Vec<_> = theirs.iter().map(|name| job.dir.join(".git").join(name)).collect();
    for lock in locks.iter().chain(&agents) {
        write(lock, "garbage");
    }
    // Those of the whole repository can be anybody's.
    let of_all = repo.join(".git/packed-refs.lock");
    write(&of_all, "");
    write(&repo.join(".git/refs/heads/aq/wip/fix.lock"), "");
    write(&job.dir.join("new"), "1");
    assert!(job.wip.checkpoint("work").unwrap().commit.is_some());
    assert!(locks.iter().chain(&agents).all(|lock| !lock.exists()) && of_all.exists());
    fs::remove_file(of_all).unwrap();
    assert_settled(&lab, &job);
}

#[test]
fn damaged_index_costs_no_work() {
    for damage in [Some("garbage"), Some(""), None] {
        for whose in ["aq's", "the agent's"] {
            let (lab, repo, job) = with_job();
            let dir = if whose == "aq's" { lab.place("fix").control } else { job.dir.join(".git") };
            let index = dir.join("index");
            match damage {
                Some(text) => fs::write(&index, text).unwrap(),
                None => fs::remove_file(&index).unwrap(),
            }
            write(&job.dir.join("new"), "1");
            job.wip.checkpoint("work").unwrap();
            let files = lab.files(&repo, "aq/wip/fix");
            assert_eq!(files, ["a.txt", "new", "sub/b.txt"], "{whose} {damage:?}");
            assert_settled(&lab, &job);
        }
    }
}

#[test]
fn a_merge_with_conflicts_is_saved_as_it_is() {
    let (lab, repo, job) = with_job();
    commit(&lab, &job.dir, "a.txt", "ours\n");
    let theirs = commit(&lab, &repo, "a.txt", "theirs\n");
    assert!(!lab.try_git(&job.dir, &["merge", &theirs]).0);
    job.wip.checkpoint("work").unwrap();
    assert!(lab.show(&repo, "aq/wip/fix:a.txt").contains("<<<<<<<"));
    assert_settled(&lab, &job);
}

#[test]
fn a_rebase_that_stopped_loses_neither_side() {
    let (lab, repo, job) = with_job();
    let one = commit(&lab, &job.dir, "a.txt", "ours\n");
    let main = commit(&lab, &repo, "a.txt", "theirs\n");
    assert!(!lab.try_git(&job.dir, &["rebase", &main]).0);
    write(&job.dir.join("new"), "1");
    let saved = job.wip.checkpoint("work").unwrap();
    assert!(contains(&lab, &repo, &main));
    // The branch as it was before the rebase is still there, and is the job's.
    assert!(contains(&lab, &repo, &one), "{saved:?}");
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "1");
    assert_eq!(lab.rev(&repo, "main"), main);
    assert_settled(&lab, &job);
}

#[test]
fn a_detached_head_ahead_of_the_branch_is_kept() {
    for dirty in [false, true] {
        let (lab, repo, job) = with_job();
        lab.git(&job.dir, &["checkout", "-q", "--detach"]);
        let own = commit(&lab, &job.dir, "mine", "1");
        if dirty {
            write(&job.dir.join("rest"), "2");
        }
        let saved = job.wip.checkpoint("work").unwrap().commit.unwrap();
        let parent = if dirty { "aq/wip/fix~1" } else { "aq/wip/fix" };
        assert_eq!(lab.rev(&repo, parent), own);
        assert_eq!(lab.rev(&repo, "aq/wip/fix"), saved.as_str());
        assert_settled(&lab, &job);
    }
}

#[test]
fn a_branch_of_the_agents_is_taken_along() {
    let (lab, repo, job) = with_job();
    lab.git(&job.dir, &["checkout", "-q", "-b", "feature"]);
    let own = commit(&lab, &job.dir, "mine", "1");
    write(&job.dir.join("rest"), "2");
    assert_eq!(left(&job.wip.checkpoint("work").unwrap()), "");
    assert_eq!(lab.rev(&repo, "aq/wip/fix~1"), own);
    assert_eq!(lab.show(&repo, "aq/wip/fix:rest"), "2");
    assert!(!lab.try_git(&repo, &["rev-parse", "--verify", "-q", "feature"]).0);
    assert_settled(&lab, &job);
}

#[test]
fn changed_files_on_another_branch_are_saved() {
    let (lab, repo, job) = with_job();
    lab.git(&repo, &["branch", "other"]);
    let before = lab.rev(&repo, "other");
    let own = commit(&lab, &job.dir, "mine", "1");
    lab.git(&job.dir, &["checkout", "-q", "-b", "other", "HEAD~1"]);
    let other = commit(&lab, &job.dir, "theirs", "2");
    write(&job.dir.join("rest"), "3");
    job.wip.checkpoint("work").unwrap();
    assert_eq!(lab.rev(&repo, "other"), before, "the user's branch of that name is another one");
    assert!(contains(&lab, &repo, &own) && contains(&lab, &repo, &other));
    assert_eq!(lab.show(&repo, "aq/wip/fix:rest"), "3");
    assert_settled(&lab, &job);
}

#[test]
fn a_look_at_other_work_undoes_nothing() {
    for elsewhere in ["other", "HEAD~1"] {
        let (lab, repo, job) = with_job();
        let apart = commit(&lab, &repo, "apart", "0");
        let own = commit(&lab, &job.dir, "mine", "1");
        lab.git(&job.dir, &["branch", "other", &apart]);
        lab.git(&job.dir, &["checkout", "-q", elsewhere]);
        let saved = job.wip.checkpoint("work").unwrap();
        assert_eq!(lab.rev(&repo, "aq/wip/fix"), own);
        assert_eq!(left(&saved), "", "the user has that commit");
        assert!(job.dir.join("mine").exists(), "the files are those of the branch again");
        assert_settled(&lab, &job);
    }
}

#[test]
fn branch_without_history_is_saved() {
    let (lab, repo, job) = with_job();
    lab.git(&job.dir, &["checkout", "-q", "--orphan", "fresh"]);
    write(&job.dir.join("new"), "1");
    job.wip.checkpoint("work").unwrap();
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "1");
    assert_settled(&lab, &job);
}

#[test]
fn deleted_branch_is_made_again() {
    for changed in [false, true] {
        let (lab, repo, job) = with_job();
        lab.git(&job.dir, &["checkout", "-q", "--detach"]);
        lab.git(&job.dir, &["branch", "-q", "-D", "aq/wip/fix"]);
        if changed {
            write(&job.dir.join("new"), "1");
        }
        job.wip.checkpoint("work").unwrap();
        let files = lab.files(&repo, "aq/wip/fix");
        assert_eq!(files.contains(&"new".to_owned()), changed);
        assert_settled(&lab, &job);
    }
}

#[test]
fn an_agent_that_destroys_git_loses_nothing() {
    for with_commit in [false, true] {
        let (lab, repo, job) = with_job();
        fs::remove_dir_all(job.dir.join(".git")).unwrap();
        lab.git(&job.dir, &["init", "-q", "-b", "mine"]);
        if with_commit {
            commit(&lab, &job.dir, "own", "1");
        }
        write(&job.dir.join("new"), "1");
        job.wip.checkpoint("work").unwrap();
        let files = lab.files(&repo, "aq/wip/fix");
        assert!(files.contains(&"new".to_owned()) && files.contains(&"a.txt".to_owned()));
        assert_eq!(lab.rev(&repo, "aq/wip/fix~1"), lab.rev(&repo, "main"));
        assert_settled(&lab, &job);
    }
}

#[test]
fn commits_of_a_replaced_repository_are_kept() {
    let (lab, repo, job) = with_job();
    fs::remove_dir_all(job.dir.join(".git")).unwrap();
    lab.git(&job.dir, &["init", "-q", "-b", "mine"]);
    commit(&lab, &job.dir, "own", "1");
    assert_eq!(left(&job.wip.checkpoint("work").unwrap()), "", "its files are on the branch");
    let hidden = commit(&lab, &job.dir, "hidden", "2");
    fs::remove_file(job.dir.join(".git/objects/info/alternates")).unwrap();
    fs::remove_file(job.dir.join("hidden")).unwrap();
    for _ in 0..2 {
        let told = left(&job.wip.checkpoint("work").unwrap());
        assert!(
            told.starts_with(".git: the agent replaced its repository, and one file"),
            "{told}"
        );
        let kept = told.rsplit_once(" kept at ").unwrap().1;
        assert_eq!(lab.rev(std::path::Path::new(kept), "HEAD"), hidden);
    }
    assert!(!lab.files(&repo, "aq/wip/fix").contains(&"hidden".to_owned()));
    assert_settled(&lab, &job);
}

#[test]
fn a_worktree_that_the_agent_removed_deletes_nothing() {
    let (lab, repo, job) = with_job();
    fs::remove_dir_all(&job.dir).unwrap();
    assert_eq!(job.wip.checkpoint("work").unwrap().commit, None);
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), lab.rev(&repo, "main"));
}

#[test]
fn a_removed_checkout_is_told() {
    let (lab, repo, job) = with_job();
    commit(&lab, &job.dir, "mine", "1");
    fs::remove_dir_all(&job.dir).unwrap();
    let saved = job.wip.finish("work").unwrap();
    assert!(left(&saved).starts_with("the checkout: it was removed"));
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), lab.rev(&repo, "main"));
    let again = lab.start("fix", &repo);
    assert!(again.fresh && again.dir.join("a.txt").exists());
    assert_eq!(left(&again.wip.finish("work").unwrap()), "");
}

#[test]
fn a_branch_removed_with_its_checkout_is_back() {
    let (lab, repo) = Lab::with_repo();
    // What an earlier attempt saved is not lost, whether or not the branch has a file of its own.
    for packed in [false, true] {
        let job = lab.start("fix", &repo);
        write(&job.dir.join("new"), if packed { "2" } else { "1" });
        job.wip.finish("work").unwrap();
        let tip = lab.rev(&repo, "aq/wip/fix");
        if packed {
            lab.git(&repo, &["pack-refs", "--all"]);
        }
        let again = lab.start("fix", &repo);
        fs::remove_dir_all(&again.dir).unwrap();
        lab.git(&repo, &["branch", "-q", "-D", "aq/wip/fix"]);
        let told = left(&again.wip.finish("work").unwrap());
        assert!(told.contains(&tip) && told.contains("git fsck --lost-found"), "{told}");
        assert_eq!(lab.rev(&repo, "aq/wip/fix"), tip);

        // The branch alone: the files are there.
        let again = lab.start("fix", &repo);
        lab.git(&repo, &["update-ref", "-d", "refs/heads/aq/wip/fix"]);
        again.wip.finish("work").unwrap();
        assert_eq!(lab.rev(&repo, "aq/wip/fix"), tip);
    }
}

#[test]
fn unsavable_files_are_named() {
    let (lab, repo, job) = with_job();
    lab.git(&job.dir, &["init", "-q", "inner"]);
    write(&job.dir.join("inner/x"), "1");
    write(&job.dir.join("new"), "1");
    let saved = job.wip.checkpoint("work").unwrap();
    assert!(saved.commit.is_some());
    assert_eq!(saved.left_out[0].what, "inner");
    assert_eq!(lab.files(&repo, "aq/wip/fix"), ["a.txt", "new", "sub/b.txt"]);
}

#[test]
fn bad_file_deletes_no_others() {
    let lab = Lab::new();
    let repo = lab.repo("repo");
    write(&repo.join(".gitignore"), "*.log\n");
    write(&repo.join("kept.log"), "1");
    lab.git(&repo, &["add", "-f", ".gitignore", "kept.log"]);
    lab.git(&repo, &["commit", "-q", "-m", "kept"]);
    lab.git(&repo, &["sparse-checkout", "set", "--no-cone", "/*", "!/sub/"]);
    let job = lab.start("fix", &repo);
    // Git can read it in no way, and adds nothing at all.
    lab.git(&job.dir, &["worktree", "add", "-q", "--detach", "inside"]);
    write(&job.dir.join(".git/config"), "[nonsense");
    write(&job.dir.join("new"), "1");
    let told = left(&job.wip.checkpoint("work").unwrap());
    assert!(told.starts_with("inside: it cannot be added"), "{told}");
    let files = lab.files(&repo, "aq/wip/fix");
    assert_eq!(files, [".gitignore", "a.txt", "kept.log", "new", "sub/b.txt"]);
}

#[test]
fn a_kill_within_a_checkpoint_is_made_good() {
    // After the commit: the branch is ahead of aq's index, and of the agent's repository.
    let (lab, repo, job) = with_job();
    write(&job.dir.join("new"), "1");
    let control = lab.place("fix").control;
    let files = [control.join("index"), control.join("given"), job.dir.join(".git/index")];
    let branch = job.dir.join(".git/refs/heads/aq/wip/fix");
    let files: Vec<_> = files.into_iter().chain([branch]).collect();
    let before: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let saved = job.wip.checkpoint("fix: work").unwrap().commit.unwrap();
    for undone in 1..=files.len() {
        for (file, text) in files.iter().zip(&before).take(undone) {
            fs::write(file, text).unwrap();
        }
        let again = JobBranch::open(&lab.job("fix", &repo)).unwrap().unwrap();
        let done = again.checkpoint("fix: work").unwrap();
        assert_eq!((&done.commit, left(&done)), (&None, String::new()), "{undone}");
        assert_eq!(lab.rev(&repo, "aq/wip/fix"), saved.as_str());
        assert_settled(&lab, &job);
    }
}

#[test]
fn binary_files_and_patches() {
    let (_lab, _repo, job) = with_job();
    fs::write(job.dir.join("blob"), [0u8, 1, 2, 255]).unwrap();
    write(&job.dir.join("a.txt"), "uno\n");
    job.wip.checkpoint("work").unwrap();
    let changes = job.wip.changes().unwrap();
    assert_eq!((changes.files_changed, changes.lines_added, changes.lines_deleted), (2, 1, 1));
    let mut patch = Vec::new();
    job.wip.diff(false, &mut patch).unwrap();
    let patch = String::from_utf8(patch).unwrap();
    assert!(patch.contains("-one\n+uno\n") && patch.contains("Binary files"), "{patch}");
    let mut colored = Vec::new();
    job.wip.diff(true, &mut colored).unwrap();
    assert!(colored.contains(&0x1b));
}
