//! `aq ship --merge`: all of it, or nothing.

use std::fs;
use std::path::{Path, PathBuf};

use aq_runner::checkpoint::{CheckpointError, JobBranch};

use crate::lab::{Lab, left, write};

/// A job that has changed `new` and ended.
fn done() -> (Lab, PathBuf, JobBranch) {
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
fn still_branch_moves_forward() {
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
fn files_in_the_way_stay() {
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
fn users_unfinished_merge_stays() {
    let (lab, repo, wip) = done();
    lab.git(&repo, &["checkout", "-q", "-b", "side"]);
    commit(&lab, &repo, "side", "1");
    lab.git(&repo, &["checkout", "-q", "main"]);
    lab.git(&repo, &["merge", "--no-ff", "--no-commit", "side"]);
    assert!(matches!(wip.merge("merge"), Err(CheckpointError::Unfinished { .. })));
}

/// Git moves the branch at the end of a rebase, from where it was at the start.
#[test]
fn rebases_of_the_target_go_first() {
    for (is_linked, backend) in [(false, "--merge"), (true, "--merge"), (false, "--apply")] {
        let (lab, repo, wip) = done();
        lab.git(&repo, &["checkout", "-q", "-b", "side"]);
        commit(&lab, &repo, "a.txt", "theirs\n");
        lab.git(&repo, &["checkout", "-q", "main"]);
        commit(&lab, &repo, "a.txt", "ours\n");
        let mut dir = repo.clone();
        if is_linked {
            lab.git(&repo, &["checkout", "-q", "--detach"]);
            lab.git(&repo, &["worktree", "add", "-q", "../linked", "main"]);
            dir = lab.path().join("linked");
        }
        assert!(!lab.try_git(&dir, &["rebase", "-q", backend, "side"]).0);
        let before = lab.rev(&repo, "main");
        let error = wip.merge("merge").unwrap_err();
        let CheckpointError::Unfinished { root, .. } = &error else { panic!("{error}") };
        assert_eq!((root, lab.rev(&repo, "main")), (&dir, before), "{backend}");
        write(&dir.join("a.txt"), "both\n");
        lab.git(&dir, &["add", "a.txt"]);
        lab.git(&dir, &["-c", "core.editor=true", "rebase", "--continue"]);
        wip.merge("merge").unwrap();
        assert_eq!(lab.files(&repo, "main"), ["a.txt", "new", "sub/b.txt"]);
        assert_eq!(lab.show(&repo, "main:a.txt"), "both");
        assert_eq!(lab.status(&dir), "");
    }
}

/// Git leaves `REBASE_HEAD` behind.
#[test]
fn ended_rebases_are_no_obstacle() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    let script = "git checkout -q -b side; echo 1 >a.txt; git commit -qam 1; git checkout -q -
         echo 2 >a.txt; git commit -qam 2; ! git rebase -q side; echo 3 >a.txt; git add a.txt
         GIT_EDITOR=true git rebase --continue; git branch -q -D side";
    lab.shell(&started.dir, script);
    started.wip.finish("work").unwrap();
    started.wip.expect_finished().unwrap();
    started.wip.merge("merge").unwrap();
    assert_eq!((lab.show(&repo, "main:a.txt"), lab.status(&repo)), ("3".into(), "".into()));
}

#[test]
fn a_worktree_of_a_bare_repository_follows() {
    let lab = Lab::new();
    lab.repo("seed");
    lab.git(lab.path(), &["clone", "-q", "--bare", "seed", "bare.git"]);
    let bare = lab.path().join("bare.git");
    lab.git(&bare, &["worktree", "add", "-q", "../main", "main"]);
    let dir = lab.path().join("main");
    let started = lab.start("fix", &dir);
    write(&started.dir.join("new"), "1");
    started.wip.finish("work").unwrap();
    assert_eq!(started.wip.merge("merge").unwrap().checkout, Some(dir.clone()));
    assert_eq!((lab.status(&dir), dir.join("new").exists()), (String::new(), true));
}

#[test]
fn checkout_of_linked_worktree_follows() {
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

#[test]
fn dropped_commits_stay_dropped() {
    for how in ["amended", "reset", "rebased"] {
        let (lab, repo) = Lab::with_repo();
        commit(&lab, &repo, "secret.env", "SECRET\n");
        let dropped = lab.rev(&repo, "main");
        let started = lab.start("fix", &repo);
        for file in ["one", "two"] {
            commit(&lab, &started.dir, file, file);
        }
        write(&started.dir.join("three"), "3");
        started.wip.finish("fix: work").unwrap();
        match how {
            "amended" => {
                lab.git(&repo, &["rm", "-q", "secret.env"]);
                write(&repo.join("kept"), "1");
                lab.git(&repo, &["add", "-A"]);
                lab.git(&repo, &["commit", "-q", "--amend", "-m", "amended"]);
            }
            "reset" => drop(lab.git(&repo, &["reset", "-q", "--hard", "HEAD~1"])),
            _ => {
                lab.git(&repo, &["reset", "-q", "--hard", "HEAD~1"]);
                commit(&lab, &repo, "other", "1");
            }
        }
        let before = lab.rev(&repo, "main");
        let merged = started.wip.merge("aq: fix").unwrap();
        assert_eq!(lab.rev(&repo, "main"), merged.commit.as_str(), "{how}");
        let subjects = lab.git(&repo, &["log", "--format=%s by %an", &format!("{before}..main")]);
        assert_eq!(subjects, "fix: work by Ada\ntwo by Ada\none by Ada", "{how}");
        assert!(!lab.try_git(&repo, &["merge-base", "--is-ancestor", &dropped, "main"]).0, "{how}");
        assert!(repo.join("three").exists() && !repo.join("secret.env").exists(), "{how}");
        assert_eq!(lab.status(&repo), "", "{how}");
        // Again changes nothing.
        assert_eq!(started.wip.merge("aq: fix").unwrap().commit, merged.commit, "{how}");
    }
}

#[test]
fn a_history_that_is_no_row_becomes_one_commit() {
    let (lab, repo) = Lab::with_repo();
    commit(&lab, &repo, "dropped", "1");
    let started = lab.start("fix", &repo);
    lab.git(&started.dir, &["checkout", "-q", "-b", "side"]);
    commit(&lab, &started.dir, "side", "1");
    lab.git(&started.dir, &["checkout", "-q", "aq/wip/fix"]);
    commit(&lab, &started.dir, "own", "1");
    lab.git(&started.dir, &["merge", "-q", "-m", "both", "side"]);
    started.wip.finish("fix: work").unwrap();
    lab.git(&repo, &["reset", "-q", "--hard", "HEAD~1"]);
    started.wip.merge("aq: fix").unwrap();
    assert_eq!(lab.git(&repo, &["log", "--format=%s", "main"]), "aq: fix\nfirst");
    assert_eq!(lab.files(&repo, "main"), ["a.txt", "own", "side", "sub/b.txt"]);
}

#[test]
fn no_setting_makes_another_merge() {
    let (lab, repo, wip) = done();
    for (key, value) in [
        ("branch.main.mergeOptions", "--no-ff --squash"),
        ("merge.ff", "false"),
        ("merge.verifySignatures", "true"),
        ("merge.autoStash", "true"),
        ("pull.rebase", "true"),
        ("commit.gpgSign", "true"),
        ("gpg.program", "false"),
        ("merge.renames", "false"),
    ] {
        lab.git(&repo, &["config", key, value]);
    }
    let tip = lab.rev(&repo, "aq/wip/fix");
    assert_eq!(wip.merge("aq: fix").unwrap().commit.as_str(), tip);
    assert_eq!((lab.rev(&repo, "main"), lab.status(&repo)), (tip, String::new()));
}

#[test]
fn drivers_are_those_of_target() {
    let (lab, repo) = Lab::with_repo();
    write(&repo.join(".gitattributes"), "*.txt merge=ours\n");
    lab.git(&repo, &["config", "merge.ours.driver", "true"]);
    commit(&lab, &repo, "x", "1");
    let started = lab.start("fix", &repo);
    write(&started.dir.join("a.txt"), "theirs\n");
    // The agent's own rules and drivers do not count.
    write(&started.dir.join(".gitattributes"), "*.txt merge=evil\n");
    started.wip.finish("fix: work").unwrap();
    let marker = lab.path().join("marker");
    lab.git(&repo, &["config", "merge.evil.driver", &format!("touch {}", marker.display())]);
    commit(&lab, &repo, "a.txt", "ours\n");
    started.wip.merge("aq: fix").unwrap();
    assert_eq!(lab.show(&repo, "main:a.txt"), "ours");
    assert!(!marker.exists());
}

#[test]
fn jobs_of_empty_repository_merge() {
    let lab = Lab::new();
    let repo = lab.path().join("repo");
    lab.git(lab.path(), &["init", "-q", "-b", "main", "repo"]);
    let jobs: Vec<_> = ["one", "two"].into_iter().map(|name| lab.start(name, &repo)).collect();
    for (job, file) in jobs.iter().zip(["f", "g"]) {
        write(&job.dir.join(file), "1");
        job.wip.finish("work").unwrap();
    }
    for job in &jobs {
        job.wip.merge("aq: merge").unwrap();
    }
    assert_eq!(lab.files(&repo, "main"), ["f", "g"]);
    assert_eq!(lab.status(&repo), "");
    assert_eq!(jobs[0].wip.base(), jobs[1].wip.base());
}

#[test]
fn a_moved_submodule_does_not_block_the_next_merge() {
    let lab = Lab::new();
    let inner = lab.repo("inner");
    let outer = lab.repo("outer");
    let file = ["-c", "protocol.file.allow=always"];
    let url = inner.to_str().unwrap();
    lab.git(&outer, &[&file[..], &["submodule", "--quiet", "add", url, "mod"]].concat());
    lab.git(&outer, &["commit", "-q", "-m", "submodule"]);
    commit(&lab, &inner, "newer", "1");
    let newer = lab.rev(&inner, "main");
    let mover = lab.start("mover", &outer);
    lab.git(&mover.dir, &[&file[..], &["submodule", "--quiet", "update", "--init"]].concat());
    lab.git(&mover.dir.join("mod"), &["pull", "-q", "origin", "main"]);
    assert_eq!(left(&mover.wip.finish("mover: work").unwrap()), "");
    let other = lab.start("other", &outer);
    write(&other.dir.join("x"), "1");
    other.wip.finish("other: work").unwrap();

    let merged = mover.wip.merge("aq: mover").unwrap();
    assert_eq!(merged.submodules, ["mod"], "it is said which have to be updated");
    assert_eq!(lab.rev(&outer, "main:mod"), newer);
    other.wip.merge("aq: other").unwrap();
    assert!(outer.join("x").exists());
    lab.git(&outer, &[&file[..], &["submodule", "--quiet", "update"]].concat());
    assert!(outer.join("mod/newer").exists() && lab.status(&outer).is_empty());
}

#[test]
fn merges_of_one_repository_take_turns() {
    let (lab, repo) = Lab::with_repo();
    let names: Vec<String> = (0..6).map(|n| format!("job-{n}")).collect();
    let jobs: Vec<_> = names.iter().map(|name| lab.start(name, &repo)).collect();
    for (job, name) in jobs.iter().zip(&names) {
        write(&job.dir.join(name), "1");
        job.wip.finish("work").unwrap();
    }
    std::thread::scope(|scope| {
        for job in &jobs {
            scope.spawn(|| job.wip.merge("aq: merge").unwrap());
        }
    });
    assert_eq!(lab.files(&repo, "main").iter().filter(|file| names.contains(file)).count(), 6);
    assert_eq!(lab.status(&repo), "");
}
