//! Finished work of a fleet goes into its target at a remote, whichever host has done it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aq_manifest::Stage;

use super::lab::{Fleet, Host};
use crate::sandbox::{Sandbox, wait_for};

/// The remote at which the targets are.
pub(super) struct Hub(PathBuf);

impl Hub {
    /// One in the fleet's common directory, with what a repository has in `main`, which knows it
    /// as `origin`.
    pub(super) fn of(fleet: &Fleet, sandbox: &Sandbox) -> Self {
        let hub = Self(fleet.out("hub.git"));
        sandbox.git(&["init", "-q", "--bare", "-b", "main", hub.place()]);
        sandbox.git(&["remote", "add", "origin", hub.place()]);
        sandbox.git(&["push", "-q", "origin", "main"]);
        hub
    }

    pub(super) fn place(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Another host with a clone of it.
    pub(super) fn host(&self, fleet: &Fleet, name: &str) -> Host {
        let host = fleet.host(name);
        host.git(&["clone", "-q", "-b", "main", self.place(), "."]);
        host.git(&["config", "user.name", "Ada"]);
        host.git(&["config", "user.email", "ada@example.com"]);
        host
    }

    /// The output of a git command.
    pub(super) fn git(&self, args: &[&str]) -> String {
        let mut git = Command::new("git");
        let output = git.arg("--git-dir").arg(&self.0).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A commit of somebody else in `main`.
    pub(super) fn commit(&self, file: &str, text: &str) {
        let clone = self.0.with_extension("clone");
        let git = |dir: &Path, args: &[&str]| {
            let named = ["-c", "user.name=Eve", "-c", "user.email=eve@example.com"];
            let done = Command::new("git").current_dir(dir).args(named).args(args).status();
            assert!(done.unwrap().success(), "git {args:?}");
        };
        let clone_args = ["clone", "-q", "-b", "main", self.place(), clone.to_str().unwrap()];
        git(self.0.parent().unwrap(), &clone_args);
        fs::write(clone.join(file), text).unwrap();
        git(&clone, &["add", file]);
        git(&clone, &["commit", "-qm", file]);
        git(&clone, &["push", "-q", "origin", "main"]);
        fs::remove_dir_all(clone).unwrap();
    }

    /// The subjects of all commits in `main`, sorted.
    pub(super) fn subjects(&self) -> Vec<String> {
        let log = self.git(&["log", "--format=%s", "main"]);
        let mut subjects: Vec<String> = log.lines().map(str::to_owned).collect();
        subjects.sort_unstable();
        subjects
    }
}

pub(super) const MERGES: &str = "fleet: {push-target: origin}\n";

pub(super) fn configure(sandbox: &Sandbox, config: &str) {
    fs::write(sandbox.queue("config.yaml"), config).unwrap();
}

#[test]
fn merges_are_pushed_where_they_can_be() {
    let fleet = Fleet::new();
    let mut able = fleet.host_with_repository("able");
    let hub = Hub::of(&fleet, &able);
    configure(&able, &format!("{MERGES}merge: {{verify: test -e new.txt}}\n"));
    let mut other = hub.host(&fleet, "other");
    other.start();
    let id = fleet.submit("job", "ship: merge", "echo new >new.txt");
    let lacks = |text: &str| text.contains("push-target");
    fleet.wait_until(id, "lack a host", |view| view.waiting.as_deref().is_some_and(lacks));
    hub.commit("theirs.txt", "theirs\n");
    able.start();
    fleet.wait_for(id, Stage::Shipped);
    able.wait_for_stage("job", "shipped");
    assert_eq!(hub.git(&["show", "main:new.txt"]), "new");
    let meta = able.meta("job");
    assert_eq!((&*meta["merged_into"], &*meta["merged_remote"]), ("main", "origin"));
    assert_eq!(meta["merged_commit"], hub.git(&["rev-parse", "main"]));
    let why = able.ok(&["why", "job"]);
    let at = format!("merged into main of origin at {}", &meta["merged_commit"][..12]);
    assert!(why.contains(&at), "{why}");
    assert!(!able.try_git(&["cat-file", "-e", "main:new.txt"]).0, "the user's branch moved");
    assert_eq!(able.git(&["status", "--porcelain"]), "");
    assert_eq!(other.folders("job"), [""; 0]);
}

/// A host at work that merges into the hub.
fn merging_host(fleet: &Fleet) -> (Host, Hub) {
    let mut host = fleet.host_with_repository("a");
    let hub = Hub::of(fleet, &host);
    configure(&host, MERGES);
    host.start();
    (host, hub)
}

#[test]
fn conflicts_at_the_remote_go_back() {
    let fleet = Fleet::new();
    let (host, hub) = merging_host(&fleet);
    let (begun, go_on) = (host.path("begun"), host.path("go-on"));
    let body = format!(
        "if [ -n \"$AQ_FEEDBACK\" ]; then grep -q a.txt \"$AQ_FEEDBACK\" || exit 9\n\
         sed -i '/^<<<<<<</d; /^|||||||/d; /^=======/d; /^>>>>>>>/d' a.txt\n\
         else echo mine >a.txt; : >{}; until [ -e {} ]; do sleep 0.05; done; fi",
        begun.display(),
        go_on.display()
    );
    let id = fleet.submit("job", "ship: merge", &body);
    wait_for("the agent", || begun.exists());
    hub.commit("a.txt", "theirs\n");
    fs::write(&go_on, "").unwrap();
    let view = fleet.wait_for(id, Stage::Shipped);
    host.wait_for_stage("job", "shipped");
    assert_eq!(host.meta_value("job", "train_tries"), "1", "{}", host.log("job"));
    assert_eq!(view.grants.len(), 1, "it goes back under the same lease");
    let merged = hub.git(&["show", "main:a.txt"]);
    assert!(merged.contains("mine") && merged.contains("theirs"), "{merged}");
}

#[test]
fn remotes_that_are_away_are_waited_for() {
    let fleet = Fleet::new();
    let (host, hub) = merging_host(&fleet);
    let (begun, go_on) = (host.path("begun"), host.path("go-on"));
    let wait = format!(
        "echo x >new.txt; : >{}; until [ -e {} ]; do sleep 0.05; done",
        begun.display(),
        go_on.display()
    );
    let id = fleet.submit("job", "ship: merge", &wait);
    wait_for("the agent", || begun.exists());
    let away = hub.0.with_extension("away");
    fs::rename(&hub.0, &away).unwrap();
    fs::write(&go_on, "").unwrap();
    let waits = "no answer: cannot fetch main from origin: ";
    wait_for("a reason", || host.ok(&["why", "job"]).contains(waits));
    assert_eq!(host.folders("job"), ["testing"]);
    assert!(host.ok(&["status"]).contains(waits), "{}", host.ok(&["status"]));
    fs::rename(&away, &hub.0).unwrap();
    // The coordinator's word comes before the push.
    fleet.wait_for(id, Stage::Shipped);
    host.wait_for_stage("job", "shipped");
    assert_eq!(hub.git(&["show", "main:new.txt"]), "x");
}

#[test]
fn hosts_push_into_one_target() {
    let fleet = Fleet::new();
    let mut one = fleet.host_with_repository("one");
    let hub = Hub::of(&fleet, &one);
    let mut two = hub.host(&fleet, "two");
    let ids: Vec<_> = (0..6)
        .map(|n| {
            let body = format!("echo {n} >file-{n}");
            fleet.submit(&format!("job-{n}"), "ship: merge\nlock: none", &body)
        })
        .collect();
    for host in [&mut one, &mut two] {
        configure(host, MERGES);
        host.start_with(&["--ship", "--max", "2"]);
    }
    for (n, id) in ids.into_iter().enumerate() {
        fleet.wait_for(id, Stage::Shipped);
        let job = format!("job-{n}");
        let is_shipped = |host: &Host| host.folders(&job) == ["shipped"];
        wait_for("the push", || is_shipped(&one) || is_shipped(&two));
    }
    let (subjects, files) = (hub.subjects(), hub.git(&["ls-tree", "--name-only", "main"]));
    for n in 0..6 {
        assert!(files.contains(&format!("file-{n}")), "{files}");
        let subject = format!("job-{n}: attempt 1");
        assert_eq!(subjects.iter().filter(|one| **one == subject).count(), 1, "{subjects:?}");
    }
}

#[test]
fn submitted_merges_need_a_target() {
    let fleet = Fleet::new();
    let host = fleet.host("a");
    let path = host.write("job", "ship: merge", "true");
    let file = path.to_str().unwrap();
    configure(&host, "max: 1\n");
    let (code, said) = host.code(&["submit", file]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("`ship: merge` needs `fleet: {push-target: REMOTE}`"), "{said}");
    configure(&host, MERGES);
    host.ok(&["submit", file]);
    let caps = host.ok(&["caps"]);
    assert!(caps.contains("push-target"), "{caps}");
}
