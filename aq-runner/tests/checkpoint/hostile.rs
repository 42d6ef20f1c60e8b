//! Configuration, of the user or planted by an agent, that must have no effect.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aq_runner::checkpoint::JobBranch;

use crate::lab::{Lab, start, write};

fn script(path: &Path, marker: &Path) {
    write(path, &format!("#!/bin/sh\ntouch '{}'\nexit 1\n", marker.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

const HOOKS: &[&str] = &[
    "pre-commit",
    "commit-msg",
    "prepare-commit-msg",
    "post-commit",
    "post-checkout",
    "post-index-change",
    "post-merge",
    "pre-merge-commit",
    "reference-transaction",
    "fsmonitor-watchman",
];

#[test]
fn no_program_of_configuration_runs() {
    let (lab, repo) = Lab::with_repo();
    let ran = lab.path().join("ran");
    let program = lab.path().join("program");
    script(&program, &ran);
    let program = program.to_str().unwrap();
    for hook in HOOKS {
        script(&repo.join(".git/hooks").join(hook), &ran);
        script(&lab.path().join("hooks").join(hook), &ran);
    }
    let hooks = lab.path().join("hooks");
    for (key, value) in [
        ("core.hooksPath", hooks.to_str().unwrap()),
        ("core.fsmonitor", program),
        ("core.pager", program),
        ("pager.diff", "true"),
        ("diff.external", program),
        ("diff.evil.command", program),
        ("diff.evil.textconv", program),
        ("commit.gpgSign", "true"),
        ("tag.gpgSign", "true"),
        ("gpg.program", program),
        ("merge.verifySignatures", "true"),
        ("core.editor", program),
        ("commit.template", program),
        ("commit.cleanup", "scissors"),
        ("commit.verbose", "true"),
        ("core.askPass", program),
        ("credential.helper", program),
    ] {
        lab.git(&repo, &["config", key, value]);
    }
    let plant = |dir: &Path| write(&dir.join(".gitattributes"), "* diff=evil\n");

    let started = lab.start("fix", &repo);
    plant(&started.dir);
    write(&started.dir.join("a.txt"), "uno\n");
    started.wip.finish("work").unwrap();
    started.wip.changes().unwrap();
    started.wip.diff(true, &mut Vec::new()).unwrap();
    started.wip.merge("merge").unwrap();
    started.wip.remove().unwrap();

    let in_place = start(&lab.in_place("other", &repo));
    write(&repo.join("new"), "1");
    in_place.wip.finish("work").unwrap();
    assert!(!ran.exists());
    let signature = lab.git(&repo, &["cat-file", "commit", "aq/wip/other"]);
    assert!(!signature.contains("gpgsig"), "{signature}");
}

#[test]
fn odd_settings_change_no_result() {
    let (lab, repo) = Lab::with_repo();
    for (key, value) in [
        ("core.safecrlf", "true"),
        ("core.autocrlf", "input"),
        ("diff.renames", "copies"),
        ("diff.noprefix", "true"),
        ("status.showUntrackedFiles", "no"),
        ("color.ui", "always"),
        ("core.quotePath", "false"),
        ("diff.ignoreSubmodules", "all"),
        ("checkout.defaultRemote", "origin"),
        ("branch.autoSetupMerge", "always"),
        ("core.splitIndex", "true"),
        ("core.untrackedCache", "true"),
        ("merge.ff", "false"),
        ("merge.autoStash", "true"),
    ] {
        lab.git(&repo, &["config", key, value]);
    }
    let started = lab.start("fix", &repo);
    write(&started.dir.join("crlf"), "1\r\n");
    lab.git(&started.dir, &["mv", "a.txt", "moved.txt"]);
    started.wip.finish("work").unwrap();
    assert_eq!(started.wip.changes().unwrap().paths, ["a.txt", "crlf", "moved.txt"]);
    let mut patch = Vec::new();
    started.wip.diff(false, &mut patch).unwrap();
    assert!(!patch.contains(&0x1b));
    started.wip.merge("merge").unwrap();
    assert_eq!(lab.rev(&repo, "main"), lab.rev(&repo, "aq/wip/fix"));

    write(&repo.join("untracked"), "1");
    assert!(JobBranch::start(&lab.in_place("other", &repo)).is_err(), "a hidden file is dirt too");
}

#[test]
fn work_is_saved_without_identity() {
    let (lab, repo) = Lab::with_repo();
    lab.config("[user]\nuseConfigOnly = true\n");
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    assert!(started.wip.finish("work").unwrap().commit.is_some());
    let who = lab.git(&repo, &["log", "-1", "--format=%an <%ae> %cn", "aq/wip/fix"]);
    assert_eq!(who, "aq <aq@localhost> aq");
}

#[test]
fn callers_git_variables_mislead_nothing() {
    // As inside a hook: git sets these for what it calls.
    let (lab, repo) = Lab::with_repo();
    let other = lab.repo("other");
    let before = lab.user_side(&other);
    let exe = std::env::current_exe().unwrap();
    let output = std::process::Command::new(exe)
        .args(["--exact", "hostile::helper_runs_a_job_in_a_given_repository", "--nocapture"])
        .env("AQ_TEST_LAB_REPO", &repo)
        .env("GIT_DIR", other.join(".git"))
        .env("GIT_WORK_TREE", &other)
        .env("GIT_INDEX_FILE", other.join(".git/index"))
        .env("GIT_OBJECT_DIRECTORY", other.join(".git/objects"))
        .env("GIT_PREFIX", "sub/")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "1");
    assert_eq!(lab.user_side(&other), before);
    assert!(!lab.try_git(&other, &["rev-parse", "--verify", "aq/wip/fix"]).0);
}

/// Runs in a process of its own, for the test above; alone it has nothing to do.
#[test]
fn helper_runs_a_job_in_a_given_repository() {
    let Some(repo) = std::env::var_os("AQ_TEST_LAB_REPO") else { return };
    let lab = Lab::new();
    let started = lab.start("fix", Path::new(&repo));
    write(&started.dir.join("new"), "1");
    started.wip.finish("work").unwrap();
}

#[test]
fn filter_decides_what_is_committed() {
    let (lab, repo) = Lab::with_repo();
    write(&repo.join(".gitattributes"), "*.secret filter=crypt\n");
    lab.git(&repo, &["config", "filter.crypt.clean", "tr a-z A-Z"]);
    lab.git(&repo, &["config", "filter.crypt.smudge", "tr A-Z a-z"]);
    lab.git(&repo, &["add", "-A"]);
    lab.git(&repo, &["commit", "-q", "-m", "filter"]);
    let started = lab.start("fix", &repo);
    write(&started.dir.join("x.secret"), "plain\n");
    started.wip.finish("work").unwrap();
    assert_eq!(lab.show(&repo, "aq/wip/fix:x.secret"), "PLAIN");
}

/// Nobody will ever write into it.
fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

#[test]
fn piped_git_file_is_not_awaited() {
    let (lab, repo) = Lab::with_repo();
    for (name, file) in [
        ("one", "index"),
        ("two", "HEAD"),
        ("three", "packed-refs"),
        ("four", "refs/heads/aq/wip/four"),
        ("five", "refs/stash"),
    ] {
        let started = lab.start(name, &repo);
        write(&started.dir.join("new"), "1");
        pipe(&started.dir.join(".git").join(file));
        assert!(started.wip.finish("work").unwrap().commit.is_some(), "{file}");
        assert_eq!(lab.show(&repo, &format!("aq/wip/{name}:new")), "1");
    }
    let file = repo.join(".git/refs/heads/aq/wip/six");
    let started = lab.start("six", &repo);
    write(&started.dir.join("new"), "1");
    let whole = fs::read(&file).unwrap();
    pipe(&file);
    let refused = started.wip.finish("work").unwrap_err().to_string();
    assert!(refused.ends_with("it is no regular file"), "{refused}");
    fs::remove_file(&file).unwrap();
    fs::write(&file, whole).unwrap();
    assert!(started.wip.finish("work").unwrap().commit.is_some());
}
