//! The job's own repository: what it has of the user's, what reaches the user's, and what stays
//! when somebody prunes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aq_runner::checkpoint::{JobBranch, RemovalOutcome, StartedWork};

use crate::lab::{Lab, left, start, write};

pub(crate) fn commit(lab: &Lab, dir: &Path, file: &str, text: &str) -> String {
    write(&dir.join(file), text);
    lab.git(dir, &["add", "-A"]);
    lab.git(dir, &["commit", "-q", "-m", file]);
    lab.rev(dir, "HEAD")
}

/// Removes everything that nothing leads to, at once.
fn prune(lab: &Lab, repo: &Path) {
    lab.git(repo, &["reflog", "expire", "--expire=now", "--all"]);
    lab.git(repo, &["gc", "-q", "--prune=now"]);
}

pub(crate) fn assert_whole(lab: &Lab, dir: &Path) {
    let (whole, said) = lab.try_git(dir, &["fsck", "--no-dangling"]);
    assert!(whole && !said.contains("missing"), "{said}");
}

fn told(started: &StartedWork) -> String {
    left(&started.wip.finish("fix: work").unwrap())
}

#[test]
fn work_is_whole_without_checkout() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.start("fix", &repo);
    // Staged, so that git has the object already, and not where it is needed.
    write(&job.dir.join("staged"), "1");
    lab.git(&job.dir, &["add", "staged"]);
    job.wip.finish("fix: one").unwrap();
    let middle = commit(&lab, &job.dir, "committed", "2");
    commit(&lab, &job.dir, "committed", "3");
    write(&job.dir.join("later"), "staged, too");
    lab.git(&job.dir, &["add", "later"]);
    job.wip.finish("fix: two").unwrap();
    assert_eq!(job.wip.remove().unwrap(), RemovalOutcome::Checkout { branch: false });
    prune(&lab, &repo);
    assert_whole(&lab, &repo);
    let files = lab.files(&repo, "aq/wip/fix");
    assert_eq!(files, ["a.txt", "committed", "later", "staged", "sub/b.txt"]);
    assert_eq!(lab.show(&repo, &format!("{middle}:committed")), "2");
}

#[test]
fn many_objects_come_along_in_a_pack() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.start("fix", &repo);
    for n in 0..150 {
        write(&job.dir.join(format!("many/{n}")), &n.to_string());
    }
    let own = commit(&lab, &job.dir, "last", "x");
    job.wip.finish("fix: work").unwrap();
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), own);
    fs::remove_dir_all(&job.dir).unwrap();
    assert_whole(&lab, &repo);
}

#[test]
fn damaged_commit_costs_no_files() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.start("fix", &repo);
    let own = commit(&lab, &job.dir, "mine", "1");
    let object = job.dir.join(".git/objects").join(&own[..2]).join(&own[2..]);
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, "garbage").unwrap();
    assert!(told(&job).contains("cannot be taken over"));
    assert_eq!(lab.files(&repo, "aq/wip/fix"), ["a.txt", "mine", "sub/b.txt"]);
    assert_whole(&lab, &repo);
}

#[test]
fn borrowed_objects_are_kept() {
    let (lab, repo) = Lab::with_repo();
    lab.git(&repo, &["checkout", "-q", "-b", "gone"]);
    let gone = commit(&lab, &repo, "gone", "1");
    lab.git(&repo, &["tag", "-a", "v1", "-m", "one"]);
    lab.git(&repo, &["update-ref", "refs/remotes/origin/topic", &gone]);
    lab.git(&repo, &["checkout", "-q", "main"]);
    let job = lab.start("fix", &repo);
    lab.git(&repo, &["branch", "-q", "-D", "gone"]);
    lab.git(&repo, &["tag", "-d", "v1"]);
    lab.git(&repo, &["update-ref", "-d", "refs/remotes/origin/topic"]);
    lab.git(&repo, &["commit", "-q", "--amend", "-m", "amended"]);
    prune(&lab, &repo);
    assert_eq!(lab.show(&job.dir, "v1:gone"), "1");
    assert!(lab.git(&job.dir, &["log", "--all", "--format=%s"]).contains("gone"));
    lab.git(&job.dir, &["gc", "-q"]);
    assert_whole(&lab, &job.dir);
    write(&job.dir.join("new"), "1");
    job.wip.finish("fix: work").unwrap();
    assert_whole(&lab, &repo);
    assert_eq!(lab.status(&job.dir), "");

    // With the job goes what was kept for it.
    job.wip.remove().unwrap();
    lab.git(&repo, &["branch", "-q", "-D", "aq/wip/fix"]);
    prune(&lab, &repo);
    assert!(!lab.try_git(&repo, &["cat-file", "-e", &gone]).0);
}

#[test]
fn jobs_that_see_the_same_share_a_keeper() {
    let (lab, repo) = Lab::with_repo();
    let keeper = |name: &str| lab.rev(&repo, &format!("refs/aq/base/{name}"));
    lab.start("one", &repo);
    lab.start("two", &repo);
    assert_eq!(keeper("one"), keeper("two"));
    commit(&lab, &repo, "later", "1");
    lab.start("three", &repo);
    assert_ne!(keeper("one"), keeper("three"));
    // One that was pruned is made again.
    for name in ["one", "two", "three"] {
        lab.git(&repo, &["update-ref", "-d", &format!("refs/aq/base/{name}")]);
    }
    prune(&lab, &repo);
    lab.start("four", &repo);
    assert_eq!(keeper("four").len(), 40);
}

#[test]
fn an_agents_git_reaches_nothing_of_the_users() {
    let (lab, repo) = Lab::with_repo();
    let before = lab.user_side(&repo);
    let config = fs::read(repo.join(".git/config")).unwrap();
    let job = lab.start("fix", &repo);
    let marker = lab.path().join("marker");
    let hook = job.dir.join(".git/hooks/post-commit");
    write(&hook, &format!("#!/bin/sh\ntouch '{}'\n", marker.display()));
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    write(&job.dir.join("a.txt"), "stashed\n");
    for args in [
        &["stash", "-q"][..],
        &["branch", "mine"],
        &["branch", "-q", "-D", "main"],
        &["tag", "t"],
        &["worktree", "add", "-q", "../other"],
        &["remote", "add", "up", "/nowhere"],
        &["config", "core.bare", "true"],
        &["config", "core.hooksPath", "evil"],
    ] {
        lab.try_git(&job.dir, args);
    }
    job.wip.finish("fix: work").unwrap();
    commit(&lab, &repo, "users", "1");
    assert!(!marker.exists());
    lab.git(&repo, &["reset", "-q", "--hard", "HEAD~1"]);
    assert_eq!(lab.user_side(&repo), before);
    assert_eq!(fs::read(repo.join(".git/config")).unwrap(), config);
    assert_eq!(lab.git(&repo, &["worktree", "list"]).lines().count(), 1);
    let common = lab.git(&job.dir, &["rev-parse", "--git-common-dir"]);
    fs::remove_dir_all(job.dir.join(common)).unwrap();
    assert_whole(&lab, &repo);
}

#[test]
fn nothing_that_agent_configured_runs() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.start("fix", &repo);
    let marker = lab.path().join("marker");
    let script = lab.path().join("script");
    write(&script, &format!("#!/bin/sh\ntouch '{}'\ncat\n", marker.display()));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let run = script.to_str().unwrap();
    for (key, value) in [
        ("core.fsmonitor", run),
        ("core.alternateRefsCommand", run),
        ("filter.x.clean", run),
        ("filter.x.smudge", run),
        ("diff.external", run),
        ("uploadpack.packObjectsHook", run),
        ("core.sshCommand", run),
        ("credential.helper", run),
    ] {
        lab.git(&job.dir, &["config", key, value]);
    }
    write(&job.dir.join(".gitattributes"), "* filter=x\n");
    write(&job.dir.join("new"), "1");
    write(&job.dir.join(".git/info/exclude"), "*\n");
    job.wip.finish("fix: work").unwrap();
    // What the agent does with git itself is its own business.
    fs::remove_file(&marker).ok();
    let again = lab.start("fix", &repo);
    write(&again.dir.join("more"), "2");
    again.wip.finish("fix: work").unwrap();
    again.wip.merge("merge").unwrap();
    again.wip.remove().unwrap();
    assert!(!marker.exists());
    assert!(lab.files(&repo, "main").contains(&"more".to_owned()));
}

#[test]
fn hidden_changes_are_saved() {
    let (lab, repo) = Lab::with_repo();
    write(&repo.join("other/c.txt"), "three\n");
    lab.git(&repo, &["add", "-A"]);
    lab.git(&repo, &["commit", "-q", "-m", "more"]);
    let job = lab.start("fix", &repo);
    lab.git(&job.dir, &["update-index", "--assume-unchanged", "a.txt"]);
    lab.git(&job.dir, &["update-index", "--skip-worktree", "sub/b.txt"]);
    for file in ["a.txt", "sub/b.txt", "new"] {
        write(&job.dir.join(file), "hidden\n");
    }
    write(&job.dir.join(".git/info/exclude"), "*\n");
    let saved = job.wip.finish("fix: work").unwrap();
    let told = [
        "its .git/info/exclude is not yours",
        "its index marks a.txt, sub/b.txt as unchanged or skipped",
    ];
    assert_eq!(saved.hidden, told);
    assert_eq!(job.wip.changes().unwrap().paths, ["a.txt", "new", "sub/b.txt"]);
    assert!(!lab.git(&job.dir, &["ls-files", "-v"]).contains("h "));
}

/// A sparse checkout marks its files as skipped, and takes them away; nothing is deleted by that.
#[test]
fn flagged_files_can_be_deleted() {
    let (lab, repo) = Lab::with_repo();
    for file in ["other/c.txt", "other/d.txt"] {
        write(&repo.join(file), "three\n");
    }
    lab.git(&repo, &["add", "-A"]);
    lab.git(&repo, &["commit", "-q", "-m", "more"]);
    let job = lab.start("fix", &repo);
    let assumed = ["update-index", "--assume-unchanged", "a.txt", "other/d.txt"];
    lab.git(&job.dir, &assumed);
    lab.git(&job.dir, &["update-index", "--skip-worktree", "sub/b.txt", "other/d.txt"]);
    for file in ["a.txt", "sub/b.txt", "other/c.txt", "other/d.txt"] {
        fs::remove_file(job.dir.join(file)).unwrap();
    }
    job.wip.finish("fix: work").unwrap();
    assert_eq!(job.wip.changes().unwrap().paths, ["a.txt", "other/c.txt"]);
}

#[test]
fn settings_that_have_an_effect_are_there() {
    let (lab, repo) = Lab::with_repo();
    let work = lab.path().join("work.config");
    write(&work, "[user]\nemail = ada@work.example\n[commit]\ntemplate = /t\n");
    lab.config(&format!(
        "[user]\nname = Ada\nemail = ada@home.example\n[includeIf \"gitdir:{}/\"]\npath = {}\n",
        repo.display(),
        work.display()
    ));
    lab.git(&repo, &["config", "core.autocrlf", "true"]);
    lab.git(&repo, &["config", "remote.origin.url", "../up.git"]);
    lab.git(&repo, &["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
    lab.git(&repo, &["config", "remote.https.url", "https://me:secret@host.example/x"]);
    lab.git(&repo, &["config", "aq.id", "1"]);
    let job = lab.start("fix", &repo);
    let get = |key: &str| lab.try_git(&job.dir, &["config", key]).1;
    assert_eq!(get("user.email"), "ada@work.example");
    assert_eq!(get("user.name"), "Ada");
    assert_eq!(get("core.autocrlf"), "true");
    let up = lab.path().join("repo/../up.git");
    assert_eq!(get("remote.origin.url"), up.display().to_string());
    assert_eq!(get("remote.https.url"), "https://me@host.example/x");
    assert_eq!(get("aq.id"), "");
    assert_eq!(lab.git(&job.dir, &["config", "--get-all", "user.email"]).lines().count(), 2);
}

#[test]
fn branches_tags_and_remotes_are_there() {
    let (lab, repo) = Lab::with_repo();
    let main = lab.rev(&repo, "main");
    lab.git(&repo, &["tag", "-a", "v1", "-m", "one"]);
    lab.git(&repo, &["update-ref", "refs/remotes/origin/main", &main]);
    lab.git(&repo, &["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]);
    lab.git(&repo, &["notes", "add", "-m", "a note"]);
    lab.git(&repo, &["checkout", "-q", "-b", "topic"]);
    lab.git(&repo, &["branch", "private"]);
    commit(&lab, &repo, "topic", "1");
    let job = lab.start("fix", &repo);
    let refs = lab.git(&job.dir, &["for-each-ref", "--format=%(refname)"]);
    let refs: Vec<_> = refs.lines().collect();
    assert_eq!(
        refs,
        [
            "refs/heads/aq/wip/fix",
            "refs/heads/main",
            "refs/heads/topic",
            "refs/notes/commits",
            "refs/remotes/origin/HEAD",
            "refs/remotes/origin/main",
            "refs/tags/v1"
        ]
    );
    assert!(lab.git(&job.dir, &["describe"]).starts_with("v1-1-g"));
    assert_eq!(lab.git(&job.dir, &["rev-parse", "--abbrev-ref", "HEAD"]), "aq/wip/fix");
    assert_eq!(lab.status(&job.dir), "");
}

#[test]
fn hooks_of_the_user_run_for_the_agent() {
    let (lab, repo) = Lab::with_repo();
    let hook = repo.join(".git/hooks/pre-commit");
    write(&hook, "#!/bin/sh\necho ran >> \"$HOME/ran\"\n");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let job = lab.start("fix", &repo);
    write(&job.dir.join("new"), "1");
    job.wip.finish("fix: work").unwrap();
    assert!(!lab.path().join("ran").exists(), "never for aq");
    commit(&lab, &job.dir, "mine", "1");
    assert!(lab.path().join("ran").exists());
}

#[test]
fn what_is_on_no_branch_is_told() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.start("fix", &repo);
    write(&job.dir.join("a.txt"), "stashed\n");
    lab.git(&job.dir, &["stash", "-q"]);
    assert!(told(&job).starts_with("stash: "));
    lab.git(&job.dir, &["stash", "drop", "-q"]);
    assert_eq!(told(&job), "");

    lab.git(&job.dir, &["checkout", "-q", "--orphan", "site"]);
    lab.git(&job.dir, &["rm", "-rfq", "."]);
    commit(&lab, &job.dir, "index.html", "site");
    let left = told(&job);
    assert!(left.contains("branch site: one commit is not"), "{left}");
    assert!(job.dir.join("a.txt").exists(), "the checkout is on the job's branch again");
    let RemovalOutcome::NotSaved { left_out } = job.wip.remove().unwrap() else { panic!() };
    assert_eq!(left_out[0].what, "branch site");
    lab.git(&job.dir, &["branch", "-q", "-D", "site"]);

    // A tag or a branch at what is known already is nothing.
    lab.git(&job.dir, &["tag", "here"]);
    lab.git(&job.dir, &["branch", "there"]);
    commit(&lab, &job.dir, "mine", "1");
    lab.git(&job.dir, &["branch", "same"]);
    assert_eq!(told(&job), "");
}

#[test]
fn job_starts_from_its_target() {
    use aq_runner::checkpoint::{CheckpointError, CheckpointJob, MergeTarget, WorkOrigin};
    let (lab, repo) = Lab::with_repo();
    let main = lab.rev(&repo, "main");
    lab.git(&repo, &["checkout", "-q", "-b", "topic"]);
    commit(&lab, &repo, "topic", "1");
    let job = |name: &str, target| CheckpointJob { target, ..lab.job(name, &repo) };
    let noted = start(&job("noted", MergeTarget::Noted("refs/heads/main".into())));
    assert_eq!(noted.wip.base().as_str(), main);
    assert_eq!(noted.wip.origin().unwrap(), Some(WorkOrigin::Branch("refs/heads/main".into())));
    assert!(!noted.dir.join("topic").exists());
    let gone = start(&job("gone", MergeTarget::Noted("refs/heads/gone".into())));
    assert_eq!(gone.wip.base().as_str(), lab.rev(&repo, "topic"));
    let error =
        JobBranch::start(&job("named", MergeTarget::Named("refs/heads/gone".into()))).unwrap_err();
    assert!(matches!(error, CheckpointError::NoSuchTarget { .. }), "{error}");
}

#[test]
fn worktrees_of_sub_agents_are_looked_at() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.start("fix", &repo);
    lab.git(&job.dir, &["worktree", "add", "-q", "sub/agent-1", "-b", "agent-1"]);
    lab.git(&job.dir, &["worktree", "add", "-q", "../agent-2", "-b", "agent-2"]);
    assert_eq!(told(&job), "", "there is nothing in them yet");
    commit(&lab, &job.dir.join("sub/agent-1"), "w", "1");
    write(&job.dir.join("../agent-2/x"), "2");
    let told = told(&job);
    println!("{told}");
    assert!(told.contains("agent-2: a repository inside has changes that are not committed (x)"));
    assert!(told.contains("branch agent-1: one commit is not on the job's branch"), "{told}");
    assert_eq!(lab.git(&repo, &["ls-tree", "-r", "aq/wip/fix", "sub/agent-1"]), "");
    assert!(matches!(job.wip.remove().unwrap(), RemovalOutcome::NotSaved { .. }));
}

#[test]
fn files_that_git_cannot_add_are_named() {
    let (lab, repo) = Lab::with_repo();
    write(&repo.join(".gitattributes"), "*.enc filter=bad\n*.utf16 working-tree-encoding=UTF-16\n");
    lab.git(&repo, &["config", "filter.bad.clean", "false"]);
    lab.git(&repo, &["config", "filter.bad.required", "true"]);
    commit(&lab, &repo, "more", "1");
    let job = lab.start("fix", &repo);
    for n in 0..9 {
        write(&job.dir.join(format!("good-{n}")), "1");
    }
    write(&job.dir.join("a.enc"), "secret");
    write(&job.dir.join("b.utf16"), "no utf-16\n");
    fs::remove_file(job.dir.join("sub/b.txt")).unwrap();
    let saved = job.wip.finish("fix: work").unwrap();
    let named: Vec<&str> = saved.left_out.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(named, ["a.enc", "b.utf16"], "{:?}", saved.left_out);
    assert!(saved.left_out[0].why.contains("clean filter 'bad' failed"), "{:?}", saved.left_out);
    let files = lab.files(&repo, "aq/wip/fix");
    assert_eq!(files.iter().filter(|file| file.starts_with("good-")).count(), 9);
    assert!(!files.contains(&"sub/b.txt".to_owned()) && !files.contains(&"a.enc".to_owned()));
    assert!(job.dir.join("a.enc").exists());
}

#[test]
fn what_setup_makes_is_not_the_agents() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.start("fix", &repo);
    let at = |name: &str| job.dir.join(name);
    write(&at(".env"), "TOKEN=secret\n");
    write(&at("a.txt"), "patched\n");
    write(&at("made/kept"), "1");
    write(&at("made/changed"), "1");
    fs::remove_file(at("sub/b.txt")).unwrap();
    std::os::unix::fs::symlink("/nowhere", at("node_modules")).unwrap();
    lab.git(&job.dir, &["init", "-q", "tool"]);
    write(&at("tool/x"), "1");
    job.wip.note_setup().unwrap();

    assert_eq!(told(&job), "");
    assert_eq!(job.wip.changes().unwrap().paths, [""; 0]);
    assert_eq!(lab.status(&job.dir), "M a.txt\n D sub/b.txt\n?? tool/");

    // An agent that commits everything does not commit those, and what it changes is its own.
    write(&at("made/changed"), "2");
    lab.git(&job.dir, &["checkout", "-q", "--", "a.txt"]);
    write(&at("made/new"), "3");
    fs::remove_dir_all(at("tool")).unwrap();
    commit(&lab, &job.dir, "mine", "1");
    write(&at("rest"), "4");
    job.wip.finish("fix: work").unwrap();
    let paths = job.wip.changes().unwrap().paths;
    assert_eq!(paths, ["made/changed", "made/new", "mine", "rest", "sub/b.txt"]);
    assert_eq!(fs::read_to_string(at(".env")).unwrap(), "TOKEN=secret\n");
    assert!(at("node_modules").symlink_metadata().is_ok());

    // Nor does the content get into the user's repository.
    let blob = lab.git(&job.dir, &["hash-object", ".env"]);
    assert!(!lab.try_git(&repo, &["cat-file", "-e", &blob]).0);
    job.wip.remove().unwrap();
    assert_whole(&lab, &repo);
}
