//! Checkpoints of whatever an agent left.

use std::fs;

use aq_runner::checkpoint::{Started, Wip};

use crate::lab::{Lab, write};

fn with_job() -> (Lab, std::path::PathBuf, Started) {
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
fn assert_settled(lab: &Lab, started: &Started) {
    assert_eq!(lab.git(&started.dir, &["symbolic-ref", "HEAD"]), "refs/heads/aq/wip/fix");
    let status = lab.git(&started.dir, &["status"]);
    assert!(status.ends_with("nothing to commit, working tree clean"), "{status}");
    assert_eq!(status.lines().count(), 2, "no operation is going on: {status}");
}

#[test]
fn changed_new_and_deleted_files_are_saved_and_ignored_ones_are_not() {
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
    assert_eq!(job.wip.changes().unwrap(), aq_runner::checkpoint::Changes::default());
}

#[test]
fn a_change_of_the_same_size_in_the_same_moment_is_seen() {
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
    // What is there already is not in a directory that is about to go: names of commits begin with anything.
    lab.git(&repo, &["repack", "-adq"]);
    write(&job.dir.join("new"), "1");
    // The tree that is to be written, and a file in the place of the directory that it belongs into.
    lab.git(&job.dir, &["add", "-A"]);
    let tree = lab.git(&job.dir, &["write-tree"]);
    let dir = repo.join(".git/objects").join(&tree[..2]);
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
fn a_branch_that_the_agent_deleted_starts_at_the_base_again() {
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
fn locks_that_a_kill_left_are_no_obstacle() {
    let (lab, repo, job) = with_job();
    // Then `HEAD` has to be put back, which its lock would prevent.
    lab.git(&job.dir, &["checkout", "-q", "--detach"]);
    let admin = repo.join(".git/worktrees/fix");
    lab.git(&job.dir, &["checkout", "-q", "--detach"]);
    let locks = [
        "index.lock",
        "HEAD.lock",
        "AUTO_MERGE.lock",
        "ORIG_HEAD.lock",
        "aq-index",
        "aq-index.lock",
    ];
    for lock in locks {
        write(&admin.join(lock), "garbage");
    }
    // Those of the whole repository can be anybody's.
    let of_all = repo.join(".git/packed-refs.lock");
    write(&of_all, "");
    write(&repo.join(".git/refs/heads/aq/wip/fix.lock"), "");
    write(&job.dir.join("new"), "1");
    assert!(job.wip.checkpoint("work").unwrap().commit.is_some());
    assert!(locks.iter().all(|lock| !admin.join(lock).exists()) && of_all.exists());
    fs::remove_file(of_all).unwrap();
    assert_settled(&lab, &job);
}

#[test]
fn a_damaged_index_costs_no_work() {
    for damage in [Some("garbage"), Some(""), None] {
        let (lab, repo, job) = with_job();
        let index = repo.join(".git/worktrees/fix/index");
        match damage {
            Some(text) => fs::write(&index, text).unwrap(),
            None => fs::remove_file(&index).unwrap(),
        }
        write(&job.dir.join("new"), "1");
        job.wip.checkpoint("work").unwrap();
        assert_eq!(lab.files(&repo, "aq/wip/fix"), ["a.txt", "new", "sub/b.txt"], "{damage:?}");
        assert_settled(&lab, &job);
    }
}

#[test]
fn a_merge_with_conflicts_is_saved_as_it_lies_there() {
    let (lab, repo, job) = with_job();
    commit(&lab, &job.dir, "a.txt", "ours\n");
    commit(&lab, &repo, "a.txt", "theirs\n");
    assert!(!lab.try_git(&job.dir, &["merge", "main"]).0);
    job.wip.checkpoint("work").unwrap();
    assert!(lab.show(&repo, "aq/wip/fix:a.txt").contains("<<<<<<<"));
    assert_settled(&lab, &job);
}

#[test]
fn a_rebase_that_stopped_loses_neither_side() {
    let (lab, repo, job) = with_job();
    let one = commit(&lab, &job.dir, "a.txt", "ours\n");
    let main = commit(&lab, &repo, "a.txt", "theirs\n");
    assert!(!lab.try_git(&job.dir, &["rebase", "main"]).0);
    write(&job.dir.join("new"), "1");
    job.wip.checkpoint("work").unwrap();
    assert!(contains(&lab, &repo, &one) && contains(&lab, &repo, &main));
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
fn a_branch_that_the_agent_made_is_taken_along_and_not_written() {
    let (lab, repo, job) = with_job();
    lab.git(&job.dir, &["checkout", "-q", "-b", "feature"]);
    let own = commit(&lab, &job.dir, "mine", "1");
    write(&job.dir.join("rest"), "2");
    job.wip.checkpoint("work").unwrap();
    assert_eq!(lab.rev(&repo, "feature"), own);
    assert_eq!(lab.rev(&repo, "aq/wip/fix~1"), own);
    assert_eq!(lab.show(&repo, "aq/wip/fix:rest"), "2");
    assert_settled(&lab, &job);
}

#[test]
fn another_branch_is_never_written_but_its_changed_files_are_saved() {
    let (lab, repo, job) = with_job();
    lab.git(&repo, &["branch", "other"]);
    let own = commit(&lab, &job.dir, "mine", "1");
    lab.git(&job.dir, &["checkout", "-q", "other"]);
    let other = commit(&lab, &job.dir, "theirs", "2");
    write(&job.dir.join("rest"), "3");
    job.wip.checkpoint("work").unwrap();
    assert_eq!(lab.rev(&repo, "other"), other);
    assert!(contains(&lab, &repo, &own) && contains(&lab, &repo, &other));
    assert_eq!(lab.show(&repo, "aq/wip/fix:rest"), "3");
    assert_settled(&lab, &job);
}

#[test]
fn a_look_at_other_work_does_not_undo_the_agents_own() {
    for elsewhere in ["other", "HEAD~1"] {
        let (lab, repo, job) = with_job();
        commit(&lab, &repo, "apart", "0");
        lab.git(&repo, &["branch", "other"]);
        let own = commit(&lab, &job.dir, "mine", "1");
        lab.git(&job.dir, &["checkout", "-q", elsewhere]);
        assert_eq!(job.wip.checkpoint("work").unwrap().commit, None);
        assert_eq!(lab.rev(&repo, "aq/wip/fix"), own);
        assert!(job.dir.join("mine").exists(), "the files are those of the branch again");
        assert_settled(&lab, &job);
    }
}

#[test]
fn a_branch_without_history_is_saved() {
    let (lab, repo, job) = with_job();
    lab.git(&job.dir, &["checkout", "-q", "--orphan", "fresh"]);
    write(&job.dir.join("new"), "1");
    job.wip.checkpoint("work").unwrap();
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "1");
    assert_settled(&lab, &job);
}

#[test]
fn a_deleted_branch_is_made_again() {
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
fn an_agent_that_destroys_git_in_its_worktree_loses_nothing() {
    let (lab, repo, job) = with_job();
    fs::remove_file(job.dir.join(".git")).unwrap();
    lab.git(&job.dir, &["init", "-q", "-b", "mine"]);
    write(&job.dir.join("new"), "1");
    job.wip.checkpoint("work").unwrap();
    assert_eq!(lab.files(&repo, "aq/wip/fix"), ["a.txt", "new", "sub/b.txt"]);
    assert_eq!(lab.rev(&repo, "aq/wip/fix~1"), lab.rev(&repo, "main"));
}

#[test]
fn a_worktree_that_the_agent_removed_deletes_nothing() {
    let (lab, repo, job) = with_job();
    fs::remove_dir_all(&job.dir).unwrap();
    assert_eq!(job.wip.checkpoint("work").unwrap().commit, None);
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), lab.rev(&repo, "main"));
}

#[test]
fn a_branch_that_the_agent_removed_with_its_worktree_is_back_where_it_was() {
    let (lab, repo, job) = with_job();
    let remove = |started: &Started| {
        lab.git(&repo, &["worktree", "remove", "--force", started.dir.to_str().unwrap()]);
        lab.git(&repo, &["branch", "-q", "-D", "aq/wip/fix"]);
    };
    commit(&lab, &job.dir, "mine", "1");
    remove(&job);
    let saved = job.wip.finish("work").unwrap();
    assert!(saved.left_out.unwrap().contains("git fsck --lost-found"));
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), lab.rev(&repo, "main"));

    // What an earlier attempt saved is not lost, whether or not the branch has a file of its own.
    for packed in [false, true] {
        let job = lab.start("fix", &repo);
        write(&job.dir.join("new"), "1");
        job.wip.finish("work").unwrap();
        let tip = lab.rev(&repo, "aq/wip/fix");
        if packed {
            lab.git(&repo, &["pack-refs", "--all"]);
        }
        let again = lab.start("fix", &repo);
        remove(&again);
        let left_out = again.wip.finish("work").unwrap().left_out.unwrap();
        assert!(left_out.contains(&tip), "{left_out}");
        assert_eq!(lab.rev(&repo, "aq/wip/fix"), tip);
        assert_eq!(again.wip.finish("work").unwrap().left_out, None);

        // The branch alone: the files are there.
        let again = lab.start("fix", &repo);
        lab.git(&repo, &["update-ref", "-d", "refs/heads/aq/wip/fix"]);
        again.wip.finish("work").unwrap();
        assert_eq!(lab.rev(&repo, "aq/wip/fix"), tip);
    }

    // Who did not start the job does not know.
    let known = Wip::open(&lab.job("fix", &repo)).unwrap().unwrap();
    remove(&lab.start("fix", &repo));
    assert_eq!(known.finish("work").unwrap().left_out, None);
    assert_eq!(known.tip().unwrap(), None);
}

#[test]
fn what_cannot_be_saved_is_named_and_the_rest_is_saved() {
    let (lab, repo, job) = with_job();
    lab.git(&job.dir, &["init", "-q", "inner"]);
    write(&job.dir.join("inner/x"), "1");
    write(&job.dir.join("new"), "1");
    let saved = job.wip.checkpoint("work").unwrap();
    assert!(saved.commit.is_some());
    assert!(saved.left_out.unwrap().contains("inner"));
    assert_eq!(lab.files(&repo, "aq/wip/fix"), ["a.txt", "new", "sub/b.txt"]);
}

#[test]
fn a_kill_between_any_two_steps_is_made_good_by_the_next_checkpoint() {
    // After the commit and before the index: the branch is ahead of what the index says.
    let (lab, repo, job) = with_job();
    write(&job.dir.join("new"), "1");
    let index = repo.join(".git/worktrees/fix/index");
    let before = fs::read(&index).unwrap();
    let saved = job.wip.checkpoint("work").unwrap().commit.unwrap();
    fs::write(&index, before).unwrap();
    let again = Wip::open(&lab.job("fix", &repo)).unwrap().unwrap();
    assert_eq!(again.checkpoint("work").unwrap().commit, None);
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), saved.as_str());
    assert_settled(&lab, &job);
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
