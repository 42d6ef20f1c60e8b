//! A job's branch at a remote: what is pushed, what of others stays, and what is merged there.

use std::path::PathBuf;

use aq_runner::checkpoint::{CheckpointError, PublishOutcome, StartedWork};

use crate::lab::{Lab, write};

/// A clone of a hub, in which a job has done some work.
struct Project {
    lab: Lab,
    repo: PathBuf,
    hub: PathBuf,
    job: StartedWork,
}

fn project() -> Project {
    let (lab, seed) = Lab::with_repo();
    lab.git(lab.path(), &["clone", "-q", "--bare", seed.to_str().unwrap(), "hub.git"]);
    lab.git(lab.path(), &["clone", "-q", "hub.git", "project"]);
    let (repo, hub) = (lab.path().join("project"), lab.path().join("hub.git"));
    let job = lab.start("fix", &repo);
    let project = Project { lab, repo, hub, job };
    project.work("one\n");
    project
}

impl Project {
    /// Has the job write a file and save it.
    fn work(&self, text: &str) {
        write(&self.job.dir.join("new.txt"), text);
        self.job.wip.checkpoint("work").unwrap();
    }

    fn try_publish(&self) -> Result<PublishOutcome, CheckpointError> {
        let tip = self.job.wip.tip().unwrap().unwrap();
        self.job.wip.publish("origin", &tip)
    }

    fn publish(&self) -> PublishOutcome {
        self.try_publish().unwrap()
    }

    /// The remote's branch, and the job's.
    fn tips(&self) -> (String, String) {
        let rev = |dir| self.lab.rev(dir, "aq/wip/fix");
        (rev(&self.hub), rev(&self.repo))
    }

    /// Another person's clone of the hub.
    fn other(&self) -> PathBuf {
        self.lab.git(self.lab.path(), &["clone", "-q", "hub.git", "other"]);
        self.lab.path().join("other")
    }

    /// Takes back what the job has committed, so that its next work is no descendant.
    fn rewrite(&self) {
        self.lab.git(&self.job.dir, &["reset", "-q", "--soft", "HEAD~1"]);
        self.lab.git(&self.job.dir, &["commit", "-q", "--amend", "-m", "another", "--allow-empty"]);
    }
}

#[test]
fn branches_go_forward() {
    let project = project();
    assert_eq!(project.publish(), PublishOutcome::Done);
    let (there, here) = project.tips();
    assert_eq!(there, here);
    assert_eq!(project.publish(), PublishOutcome::Done);
    project.work("two\n");
    assert_eq!(project.publish(), PublishOutcome::Done);
    let (now, here) = project.tips();
    assert!(now == here && now != there);
}

#[test]
fn nothing_but_branch_is_pushed() {
    let project = project();
    let git = |args: &[&str]| project.lab.git(&project.repo, args);
    git(&["tag", "-a", "-m", "x", "v1"]);
    git(&["config", "push.followTags", "true"]);
    git(&["config", "push.gpgSign", "true"]);
    git(&["config", "remote.origin.push", "+refs/heads/*:refs/heads/*"]);
    let hook = project.repo.join(".git/hooks/pre-push");
    write(&hook, "#!/bin/sh\nexit 1\n");
    project.lab.git(
        &project.repo,
        &["config", "core.hooksPath", hook.parent().unwrap().to_str().unwrap()],
    );
    std::process::Command::new("chmod").arg("+x").arg(&hook).status().unwrap();
    let before = git(&["for-each-ref", "refs/remotes", "refs/heads"]);
    // What an agent sets in its own repository counts for nothing.
    project.lab.git(&project.job.dir, &["config", "remote.origin.url", "/nowhere"]);
    assert_eq!(project.publish(), PublishOutcome::Done);
    let refs = project.lab.git(&project.hub, &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs.trim(), "refs/heads/aq/wip/fix\nrefs/heads/main");
    let after = git(&["for-each-ref", "refs/remotes", "refs/heads"]);
    // Git itself notes what it has pushed to a remote of the user's.
    let is_noted = |line: &&str| line.ends_with("refs/remotes/origin/aq/wip/fix");
    let after: Vec<&str> = after.lines().filter(|line| !is_noted(line)).collect();
    assert_eq!(after, before.lines().collect::<Vec<_>>());
}

#[test]
fn own_commits_may_be_replaced() {
    let project = project();
    project.work("two\n");
    assert_eq!(project.publish(), PublishOutcome::Done);
    project.rewrite();
    project.work("three\n");
    assert_eq!(project.publish(), PublishOutcome::Done);
    let (there, here) = project.tips();
    assert_eq!(there, here);
}

#[test]
fn commits_of_others_stay() {
    let project = project();
    project.publish();
    let other = project.other();
    project.lab.git(&other, &["switch", "-q", "aq/wip/fix"]);
    project.lab.git(&other, &["commit", "-q", "--allow-empty", "-m", "by a person"]);
    project.lab.git(&other, &["push", "-q"]);
    let theirs = project.tips().0;
    project.work("two\n");
    assert_eq!(project.publish(), PublishOutcome::Overtaken);
    project.rewrite();
    project.work("three\n");
    assert_eq!(project.publish(), PublishOutcome::Overtaken);
    assert_eq!(project.tips().0, theirs);
    // The job that takes them in goes on from them.
    project.lab.git(&project.job.dir, &["fetch", "-q", "origin", "aq/wip/fix"]);
    project.lab.git(&project.job.dir, &["merge", "-q", "-X", "ours", "-m", "both", "FETCH_HEAD"]);
    project.work("four\n");
    assert_eq!(project.publish(), PublishOutcome::Done);
}

#[test]
fn branches_of_same_name_stay() {
    let project = project();
    let other = project.other();
    project.lab.git(&other, &["switch", "-q", "-c", "aq/wip/fix"]);
    project.lab.git(&other, &["commit", "-q", "--allow-empty", "-m", "another queue's"]);
    project.lab.git(&other, &["push", "-q", "origin", "aq/wip/fix"]);
    let theirs = project.tips().0;
    assert_eq!(project.publish(), PublishOutcome::Overtaken);
    assert_eq!(project.tips().0, theirs);
}

#[test]
fn killed_pushes_are_found_again() {
    let project = project();
    project.publish();
    // Killed before what was pushed was written down.
    project.lab.git(&project.repo, &["update-ref", "-d", "refs/aq/public/fix"]);
    assert_eq!(project.publish(), PublishOutcome::Done);
    project.rewrite();
    project.work("two\n");
    assert_eq!(project.publish(), PublishOutcome::Done);
    // GitHub removes branches that were merged.
    project.lab.git(&project.hub, &["update-ref", "-d", "refs/heads/aq/wip/fix"]);
    assert_eq!(project.publish(), PublishOutcome::Done);
}

#[test]
fn refusals_of_remote_are_errors() {
    let project = project();
    let hook = project.hub.join("hooks/update");
    write(&hook, "#!/bin/sh\necho not on my watch >&2\nexit 1\n");
    std::process::Command::new("chmod").arg("+x").arg(&hook).status().unwrap();
    let error = project.try_publish().unwrap_err().to_string();
    assert!(error.contains("hook declined") && error.contains("not on my watch"), "{error}");
    project.lab.git(&project.repo, &["remote", "set-url", "origin", "/nowhere/at/all"]);
    let error = project.try_publish().unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all"), "{error}");
}

#[test]
fn addresses_are_those_of_pushes() {
    let project = project();
    let git = |args: &[&str]| project.lab.git(&project.repo, args);
    git(&["remote", "set-url", "origin", "work:o/r.git"]);
    git(&["config", "url.git@github.com:.insteadOf", "work:"]);
    let wip = &project.job.wip;
    assert_eq!(wip.remote_addresses("origin").unwrap(), ["git@github.com:o/r.git", "work:o/r.git"]);
    git(&["remote", "set-url", "--push", "origin", "git@github.com:me/r.git"]);
    let addresses = wip.remote_addresses("origin").unwrap();
    assert_eq!(addresses, ["git@github.com:me/r.git", "git@github.com:me/r.git", "work:o/r.git"]);
    let address = "https://github.com/o/r";
    assert_eq!(wip.remote_addresses(address).unwrap(), [address]);
    assert_eq!(wip.target_name().unwrap(), "main");
}

#[test]
fn merges_and_squashes_are_noticed() {
    let project = project();
    let is_in = || project.job.wip.is_in("origin", "main").unwrap();
    project.publish();
    assert!(!is_in());
    let other = project.other();
    let git = |args: &[&str]| project.lab.git(&other, args);
    git(&["merge", "-q", "--squash", "origin/aq/wip/fix"]);
    git(&["commit", "-q", "-m", "squashed"]);
    git(&["push", "-q", "origin", "main"]);
    assert!(is_in());
    let tracked = || project.lab.rev(&project.repo, "origin/main");
    assert_ne!(tracked(), project.lab.rev(&project.hub, "main"), "it is the user's");
    project.work("two\n");
    assert!(!is_in());
    // Merged here, and not pushed.
    project.lab.git(&project.repo, &["merge", "-q", "aq/wip/fix"]);
    project.lab.git(&project.repo, &["remote", "set-url", "origin", "/nowhere"]);
    assert!(is_in());
    assert!(!project.job.wip.is_in("origin", "none").unwrap());
    let refs = project.lab.git(&project.repo, &["for-each-ref", "refs/aq/landed"]);
    assert_eq!(refs.trim(), "");
}

#[test]
fn cleaning_forgets_what_was_published() {
    let project = project();
    project.publish();
    project.job.wip.remove().unwrap();
    let refs = project.lab.git(&project.repo, &["for-each-ref", "refs/aq/public"]);
    assert_eq!(refs.trim(), "");
    assert_eq!(project.tips().0, project.tips().1);
}
