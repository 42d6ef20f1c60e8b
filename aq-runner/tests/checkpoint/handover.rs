//! A job's work on its way from one host to another, through a repository that both can reach.

use std::fs;
use std::path::PathBuf;

use aq_runner::checkpoint::{
    CheckpointJob, ForeignWork, JobBranch, OwnPlace, PushOutcome, StartedWork, WorkIsolation,
    take_up,
};

use crate::lab::{Lab, write};

/// Two clones of one repository, and a job that has started in the first.
struct Hosts {
    lab: Lab,
    hub: PathBuf,
    first: StartedWork,
    second: CheckpointJob,
}

fn hosts() -> Hosts {
    let (lab, repo) = Lab::with_repo();
    lab.git(lab.path(), &["clone", "-q", "--bare", "repo", "hub.git"]);
    let hub = lab.path().join("hub.git");
    let clone = lab.path().join("clone");
    lab.git(lab.path(), &["clone", "-q", "hub.git", "clone"]);
    let first = lab.start("fix", &repo);
    let queue = lab.path().join("second");
    let second = CheckpointJob {
        isolation: WorkIsolation::Own(OwnPlace {
            dir: queue.join("work/fix"),
            control: queue.join("checkouts/fix"),
            linked: queue.join("worktrees/fix"),
        }),
        base_file: queue.join("fix.base"),
        queue,
        ..lab.job("fix", &clone)
    };
    Hosts { lab, hub, first, second }
}

impl Hosts {
    fn remote(&self) -> &str {
        self.hub.to_str().unwrap()
    }

    fn pushed(&self) -> String {
        self.lab.rev(&self.hub, "aq/wip/fix")
    }

    fn push(&self, wip: &JobBranch, overwrite: bool) -> PushOutcome {
        let tip = wip.tip().unwrap().unwrap();
        wip.push(self.remote(), "aq/wip/fix", &tip, overwrite).unwrap()
    }

    fn handover(&self) -> ForeignWork {
        ForeignWork { branch: "aq/wip/fix".into(), commit: self.pushed() }
    }

    fn take_up(&self) -> StartedWork {
        take_up(&self.second, self.remote(), &self.handover()).unwrap().unwrap();
        JobBranch::start(&self.second).unwrap().unwrap()
    }
}

#[test]
fn the_next_host_goes_on_from_what_was_pushed() {
    let hosts = hosts();
    write(&hosts.first.dir.join("new.txt"), "half done\n");
    hosts.first.wip.checkpoint("attempt 1").unwrap();
    assert_eq!(hosts.push(&hosts.first.wip, false), PushOutcome::Done);
    assert_eq!(hosts.push(&hosts.first.wip, false), PushOutcome::Unchanged);
    let second = hosts.take_up();
    assert_eq!(fs::read_to_string(second.dir.join("new.txt")).unwrap(), "half done\n");
    assert_eq!(second.wip.base(), hosts.first.wip.base(), "the diff shows the whole work");
    assert_eq!(second.wip.changes().unwrap().paths, ["new.txt"]);
    write(&second.dir.join("new.txt"), "done\n");
    second.wip.checkpoint("attempt 2").unwrap();
    assert_eq!(hosts.push(&second.wip, false), PushOutcome::Done);
}

#[test]
fn snapshot_has_uncommitted_work() {
    let hosts = hosts();
    let dir = &hosts.first.dir;
    write(&dir.join("staged.txt"), "staged\n");
    hosts.lab.git(dir, &["add", "staged.txt"]);
    write(&dir.join("loose.txt"), "loose\n");
    let before = hosts.lab.git(dir, &["status", "--porcelain=v2", "--branch"]);
    let snapshot = hosts.first.wip.snapshot("on the way").unwrap().unwrap();
    assert_eq!(hosts.lab.git(dir, &["status", "--porcelain=v2", "--branch"]), before);
    assert_eq!(hosts.first.wip.tip().unwrap().as_ref(), Some(hosts.first.wip.base()));
    let remote = hosts.remote();
    assert_eq!(
        hosts.first.wip.push(remote, "aq/wip/fix", &snapshot, false).unwrap(),
        PushOutcome::Done
    );
    // The next one is no descendant of it, and takes its place all the same.
    write(&dir.join("loose.txt"), "more\n");
    let later = hosts.first.wip.snapshot("on the way").unwrap().unwrap();
    assert_eq!(
        hosts.first.wip.push(remote, "aq/wip/fix", &later, false).unwrap(),
        PushOutcome::Done
    );
    let second = hosts.take_up();
    assert_eq!(fs::read_to_string(second.dir.join("loose.txt")).unwrap(), "more\n");
    assert_eq!(fs::read_to_string(second.dir.join("staged.txt")).unwrap(), "staged\n");
}

#[test]
fn a_snapshot_of_nothing_new_is_the_branch_itself() {
    let hosts = hosts();
    let tip = hosts.first.wip.tip().unwrap();
    assert_eq!(hosts.first.wip.snapshot("nothing").unwrap(), tip);
}

#[test]
fn losing_host_undoes_nothing() {
    let hosts = hosts();
    hosts.push(&hosts.first.wip, false);
    let second = hosts.take_up();
    write(&second.dir.join("b.txt"), "second\n");
    second.wip.checkpoint("second").unwrap();
    hosts.push(&second.wip, false);
    write(&hosts.first.dir.join("a.txt"), "first, too late\n");
    hosts.first.wip.checkpoint("first").unwrap();
    let kept = hosts.pushed();
    assert_eq!(hosts.push(&hosts.first.wip, false), PushOutcome::Overtaken);
    assert_eq!(hosts.pushed(), kept);
}

#[test]
fn holder_overrides_the_losing_host() {
    let hosts = hosts();
    hosts.push(&hosts.first.wip, false);
    let second = hosts.take_up();
    write(&hosts.first.dir.join("a.txt"), "first, too late\n");
    hosts.first.wip.checkpoint("first").unwrap();
    hosts.push(&hosts.first.wip, false);
    write(&second.dir.join("b.txt"), "second\n");
    second.wip.checkpoint("second").unwrap();
    assert_eq!(hosts.push(&second.wip, false), PushOutcome::Overtaken);
    assert_eq!(hosts.push(&second.wip, true), PushOutcome::Done);
    assert_eq!(hosts.pushed(), second.wip.tip().unwrap().unwrap().as_str());
}

#[test]
fn killed_take_up_repeats_once() {
    let hosts = hosts();
    hosts.push(&hosts.first.wip, false);
    take_up(&hosts.second, hosts.remote(), &hosts.handover()).unwrap();
    // Killed between the branch and the note of the base.
    fs::remove_file(&hosts.second.base_file).unwrap();
    assert!(take_up(&hosts.second, hosts.remote(), &hosts.handover()).unwrap().is_some());
    assert_eq!(take_up(&hosts.second, hosts.remote(), &hosts.handover()).unwrap(), None);
}

#[test]
fn what_another_host_says_is_checked() {
    let hosts = hosts();
    hosts.push(&hosts.first.wip, false);
    let commit = hosts.pushed();
    for (branch, commit) in [
        ("main", commit.as_str()),
        ("aq/wip/../../main", &commit),
        ("aq/wip/--upload-pack=x", &commit),
        ("aq/wip/fix:refs/heads/main", &commit),
        ("aq/wip/fix", "--all"),
        ("aq/wip/fix", "HEAD"),
    ] {
        let handover = ForeignWork { branch: branch.into(), commit: commit.into() };
        let error = take_up(&hosts.second, hosts.remote(), &handover).unwrap_err().to_string();
        assert!(error.starts_with("the host that had the job says"), "{error}");
    }
    let gone = ForeignWork { branch: "aq/wip/other".into(), commit };
    assert!(take_up(&hosts.second, hosts.remote(), &gone).is_err());
    assert!(!hosts.second.base_file.exists(), "the job starts afresh");
}
