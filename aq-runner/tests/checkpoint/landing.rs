//! The acts of a merge: what is prepared, what lands, and what a kill leaves to the next.

use std::fs;
use std::path::{Path, PathBuf};

use aq_runner::checkpoint::{CheckpointError, JobBranch, LandingPlan};

use crate::lab::{Lab, write};

/// A job that has changed `a.txt`, added `new/file` and deleted `sub/b.txt`, on a target that went
/// on.
fn done() -> (Lab, PathBuf, JobBranch) {
    let (lab, repo) = Lab::with_repo();
    for name in ["other", "mine"] {
        write(&repo.join(name), "first\n");
    }
    commit(&lab, &repo, "more");
    let started = lab.start("fix", &repo);
    write(&started.dir.join("a.txt"), "changed\n");
    write(&started.dir.join("new/file"), "new\nfile\n");
    fs::remove_file(started.dir.join("sub/b.txt")).unwrap();
    started.wip.finish("work").unwrap();
    write(&repo.join("other"), "second\n");
    commit(&lab, &repo, "went on");
    (lab, repo, started.wip)
}

fn commit(lab: &Lab, repo: &Path, text: &str) {
    lab.git(repo, &["add", "-A"]);
    lab.git(repo, &["commit", "-q", "-m", text]);
}

fn stopped() -> CheckpointError {
    CheckpointError::Stopped { command: "test".to_owned() }
}

/// Prepares a merge and moves the branch alone, as one that is killed then.
fn move_branch_alone(lab: &Lab, repo: &Path, wip: &JobBranch) -> LandingPlan {
    let landing = wip.prepare_merge("aq: fix", &[]).unwrap().landing().clone();
    lab.git(repo, &["update-ref", &landing.target, landing.commit.as_str()]);
    landing
}

fn overlapping(error: &CheckpointError) -> &[String] {
    match error {
        CheckpointError::Overlap { paths, .. } => paths,
        other => panic!("{other}"),
    }
}

#[test]
fn intent_comes_before_the_branch() {
    let (lab, repo, wip) = done();
    let before = lab.user_side(&repo);
    let prepared = wip.prepare_merge("aq: fix", &[]).unwrap();
    assert!(!prepared.is_as_verified());
    assert_eq!(prepared.landing().old.as_ref().unwrap().as_str(), lab.rev(&repo, "main"));
    let mut seen = None;
    let failed = prepared.land(&mut || {
        seen = Some(lab.user_side(&repo));
        Err(stopped())
    });
    assert!(matches!(failed, Err(CheckpointError::Stopped { .. })));
    assert_eq!(seen.as_ref(), Some(&before));
    assert_eq!(lab.user_side(&repo), before, "nothing moves without it");
    assert!(!repo.join(".git/index.lock").exists());
    let landing = wip.prepare_merge("aq: fix", &[]).unwrap().landing().clone();
    assert_eq!(wip.finish_landing(&landing).unwrap(), None, "it never landed");
    assert_eq!(lab.user_side(&repo), before);
}

#[test]
fn merges_without_news_are_as_verified() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    started.wip.finish("work").unwrap();
    let prepared = started.wip.prepare_merge("aq: fix", &[]).unwrap();
    assert!(prepared.is_as_verified() && prepared.landing().moves());
    prepared.land(&mut || Ok(())).unwrap();
    let again = started.wip.prepare_merge("aq: fix", &[]).unwrap();
    assert!(again.is_as_verified() && !again.landing().moves());
    again.land(&mut || panic!("nothing is intended")).unwrap();
}

/// The commits in between have passed no check.
#[test]
fn several_commits_land_as_one() {
    for (commits, is_dropped) in [(1, false), (2, false), (2, true)] {
        let (lab, repo) = Lab::with_repo();
        write(&repo.join("mine"), "1");
        commit(&lab, &repo, "mine");
        let started = lab.start("fix", &repo);
        for n in 0..commits {
            write(&started.dir.join("new"), &n.to_string());
            started.wip.finish("work").unwrap();
        }
        if is_dropped {
            lab.git(&repo, &["commit", "-q", "--amend", "-m", "yours"]);
        }
        let before = lab.rev(&repo, "main");
        let prepared = started.wip.merging_in_one_step().prepare_merge("aq: fix", &[]).unwrap();
        assert_eq!(prepared.is_as_verified(), !is_dropped);
        prepared.land(&mut || Ok(())).unwrap();
        assert_eq!(lab.rev(&repo, "main^"), before, "{commits} {is_dropped}");
        let tip = lab.rev(&repo, "aq/wip/fix");
        assert_eq!(lab.rev(&repo, "main") == tip, commits == 1);
        assert_eq!(lab.rev(&repo, "main^{tree}"), lab.rev(&repo, "aq/wip/fix^{tree}"));
        let made = lab.git(&repo, &["rev-list", "--count", "--no-merges", "main^..main"]);
        assert_eq!(made, commits.to_string(), "each stays by itself");
    }
}

#[test]
fn changes_elsewhere_stay_as_they_are() {
    let (lab, repo, wip) = done();
    write(&repo.join("mine"), "staged\n");
    lab.git(&repo, &["add", "mine"]);
    write(&repo.join("mine"), "staged, and more\n");
    write(&repo.join("other"), "not staged\n");
    write(&repo.join("new/untracked"), "beside\n");
    let (status, diff) = (lab.status(&repo), lab.git(&repo, &["diff"]));
    let staged = lab.git(&repo, &["diff", "--cached"]);
    let merged = wip.merge("aq: fix").unwrap();
    assert_eq!(merged.checkout, Some(repo.clone()));
    assert_eq!(lab.status(&repo), status.replace("new/", "new/untracked"));
    assert_eq!((lab.git(&repo, &["diff"]), lab.git(&repo, &["diff", "--cached"])), (diff, staged));
    assert_eq!(fs::read_to_string(repo.join("new/file")).unwrap(), "new\nfile\n");
    assert!(!repo.join("sub/b.txt").exists());
}

/// Changes of the user's in what the merge touches, and what is named.
const OVERLAPS: [(&str, &str); 10] = [
    ("echo mine >a.txt", "a.txt"),
    ("echo mine >a.txt && git add a.txt && git checkout -q HEAD -- other", "a.txt"),
    ("echo mine >a.txt && git add a.txt && echo one >a.txt", "a.txt"),
    ("rm a.txt", "a.txt"),
    ("mkdir new && echo mine >new/file", "new/file"),
    ("echo new >.git/info/exclude && mkdir new && echo mine >new/file", "new/file"),
    ("echo mine >new", "new/file"),
    ("mkdir -p new/file/deep && echo mine >new/file/deep/er", "new/file"),
    ("mkdir new && echo mine >new/file && git add -A", "new/file"),
    ("echo mine >sub/b.txt", "sub/b.txt"),
];

#[test]
fn overlapping_changes_are_named_and_untouched() {
    for (change, path) in OVERLAPS {
        let (lab, repo, wip) = done();
        lab.shell(&repo, change);
        let before = lab.user_side(&repo);
        let prepared = wip.prepare_merge("aq: fix", &[]).unwrap();
        let early = prepared.expect_clear().unwrap_err();
        assert_eq!(overlapping(&early), [path], "{change}");
        let late = prepared.land(&mut || panic!("{change}")).unwrap_err();
        assert_eq!(overlapping(&late), [path], "{change}");
        assert_eq!(lab.user_side(&repo), before, "{change}");
    }
}

#[test]
fn times_alone_are_no_change() {
    let (lab, repo, wip) = done();
    for name in ["a.txt", "sub/b.txt", "mine"] {
        let text = fs::read(repo.join(name)).unwrap();
        fs::remove_file(repo.join(name)).unwrap();
        fs::write(repo.join(name), text).unwrap();
    }
    wip.merge("aq: fix").unwrap();
    assert_eq!(lab.status(&repo), "");
}

#[test]
fn folders_and_files_take_each_others_place() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo);
    fs::remove_file(started.dir.join("a.txt")).unwrap();
    write(&started.dir.join("a.txt/inside"), "1");
    fs::remove_dir_all(started.dir.join("sub")).unwrap();
    write(&started.dir.join("sub"), "a file");
    started.wip.finish("work").unwrap();
    write(&repo.join("sub/mine"), "untracked");
    let error = started.wip.merge("aq: fix").unwrap_err();
    assert_eq!(overlapping(&error), ["sub"]);
    fs::remove_file(repo.join("sub/mine")).unwrap();
    let landing = move_branch_alone(&lab, &repo, &started.wip);
    fs::remove_file(repo.join("a.txt")).unwrap();
    write(&repo.join("a.txt/inside"), "1");
    started.wip.finish_landing(&landing).unwrap().unwrap();
    assert_eq!(lab.status(&repo), "");
}

#[test]
fn somebody_elses_move_of_the_target_wins() {
    let (lab, repo, wip) = done();
    let prepared = wip.prepare_merge("aq: fix", &[]).unwrap();
    write(&repo.join("mine"), "theirs\n");
    commit(&lab, &repo, "theirs");
    let before = lab.user_side(&repo);
    let error = prepared.land(&mut || Ok(())).unwrap_err();
    assert!(matches!(error, CheckpointError::TargetMoved(_)), "{error}");
    assert_eq!(lab.user_side(&repo), before);
    wip.merge("aq: fix").unwrap();
    assert_eq!(lab.status(&repo), "");
}

/// States in which a kill leaves the files once the branch has moved.
const HALF_MOVED: [&str; 6] = [
    "true",
    "git show HEAD:a.txt >a.txt",
    "printf chan >a.txt",
    "rm a.txt sub/b.txt",
    "mkdir new && printf 'new\\n' >new/file",
    "mkdir new && git show HEAD:new/file >new/file && rm sub/b.txt && git show HEAD:a.txt >a.txt",
];

#[test]
fn recovery_finishes_the_files() {
    for state in HALF_MOVED {
        for with_lock in [false, true] {
            let (lab, repo, wip) = done();
            write(&repo.join("mine"), "staged\n");
            lab.git(&repo, &["add", "mine"]);
            let landing = move_branch_alone(&lab, &repo, &wip);
            lab.shell(&repo, state);
            if with_lock {
                let text = "aq moves the files of this checkout\n";
                write(&repo.join(".git/index.lock"), text);
            }
            for _ in 0..2 {
                let merged = wip.finish_landing(&landing).unwrap().unwrap();
                assert_eq!((&merged.commit, merged.into.as_str()), (&landing.commit, "main"));
                assert_eq!(lab.status(&repo), "M  mine".trim(), "{state}");
                assert_eq!(fs::read_to_string(repo.join("a.txt")).unwrap(), "changed\n");
            }
        }
    }
}

#[test]
fn changes_made_after_kill_stay() {
    let (lab, repo, wip) = done();
    let landing = move_branch_alone(&lab, &repo, &wip);
    write(&repo.join("a.txt"), "the user's\n");
    let error = wip.finish_landing(&landing).unwrap_err();
    assert_eq!(overlapping(&error), ["a.txt"]);
    assert_eq!(fs::read_to_string(repo.join("a.txt")).unwrap(), "the user's\n");
    assert!(!repo.join("new/file").exists(), "nothing moves");
    lab.git(&repo, &["checkout", "-q", "HEAD", "--", "a.txt"]);
    wip.finish_landing(&landing).unwrap().unwrap();
    assert_eq!(lab.status(&repo), "");
    // From now on the files are the user's again.
    write(&repo.join("a.txt"), "the user's\n");
    lab.git(&repo, &["add", "a.txt"]);
    wip.finish_landing(&landing).unwrap().unwrap();
    assert_eq!(lab.status(&repo), "M  a.txt");
}

#[test]
fn next_merge_finishes_one_before() {
    let (lab, repo, wip) = done();
    let old = lab.rev(&repo, "main");
    let landing = move_branch_alone(&lab, &repo, &wip);
    let note = format!("{old}\n{}\n{}", landing.commit, repo.join(".git/index").display());
    write(&repo.join(".git/aq-merge/heads/main..landing"), &note);
    write(&repo.join(".git/index.lock"), "aq moves the files of this checkout\n");
    let next = lab.start("next", &repo);
    write(&next.dir.join("next"), "1");
    next.wip.finish("work").unwrap();
    next.wip.merge("aq: next").unwrap();
    assert_eq!(lab.status(&repo), "");
    assert!(repo.join("new/file").exists() && repo.join("next").exists());
    assert!(!repo.join(".git/aq-merge/heads/main..landing").exists());
}

/// A git that cannot read a branch for a moment says that there is none.
#[test]
fn unreadable_branches_are_not_gone() {
    let (lab, repo, wip) = done();
    let old = lab.rev(&repo, "main");
    let landing = move_branch_alone(&lab, &repo, &wip);
    let git = lab.path().join("bin/git");
    let real = lab.git(&repo, &["--exec-path"]);
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n*'rev-parse --verify --quiet refs/heads/'*) exit 1;;\n\
         *--revs-only*aq/wip/fix^*) exit 0;;\nesac\nexec '{real}/git' \"$@\"\n"
    );
    write(&git, &script);
    lab.shell(&repo, &format!("chmod +x {}", git.display()));
    assert!(wip.finish("nothing").unwrap().commit.is_none(), "its branch is there");
    let note = format!("{old}\n{}\n{}", landing.commit, repo.join(".git/index").display());
    write(&repo.join(".git/aq-merge/heads/main..landing"), &note);
    assert!(!wip.prepare_merge("aq: fix", &[]).unwrap().landing().moves());
    assert_eq!(lab.status(&repo), "", "the files have followed");
    assert!(wip.finish_landing(&landing).unwrap().is_some(), "it has landed");
}

#[test]
fn a_git_at_work_is_not_disturbed() {
    let (lab, repo, wip) = done();
    write(&repo.join(".git/index.lock"), "");
    let before = lab.rev(&repo, "main");
    let error = wip.merge("aq: fix").unwrap_err();
    assert!(matches!(error, CheckpointError::IndexLocked(_)), "{error}");
    assert_eq!(lab.rev(&repo, "main"), before);
    assert!(repo.join(".git/index.lock").exists());
    fs::remove_file(repo.join(".git/index.lock")).unwrap();
    wip.merge("aq: fix").unwrap();
    assert_eq!(lab.status(&repo), "");
}

#[test]
fn merges_into_other_branches_go_on() {
    let (lab, repo, wip) = done();
    lab.git(&repo, &["checkout", "-q", "-b", "side"]);
    let other = lab.start("other", &repo);
    write(&other.dir.join("x"), "1");
    other.wip.finish("work").unwrap();
    let prepared = wip.prepare_merge("aq: fix", &[]).unwrap();
    assert_eq!(other.wip.merge("aq: other").unwrap().into, "side");
    prepared.land(&mut || Ok(())).unwrap();
    assert_eq!(lab.status(&repo), "");
}

#[test]
fn only_merge_commits_are_signed() {
    let (lab, repo, wip) = done();
    let signer = lab.path().join("bin/signer");
    write(&signer, "#!/bin/sh\ncat >/dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\necho SIGNED\n");
    lab.shell(&repo, &format!("chmod +x {}", signer.display()));
    lab.git(&repo, &["config", "gpg.program", signer.to_str().unwrap()]);
    lab.git(&repo, &["config", "user.signingKey", "me"]);
    wip.signing_merges(true).merge("aq: fix").unwrap();
    let raw = |revision: &str| lab.git(&repo, &["cat-file", "commit", revision]);
    assert!(raw("main").contains("gpgsig SIGNED"), "{}", raw("main"));
    assert!(!raw("main^2").contains("gpgsig"));
}
