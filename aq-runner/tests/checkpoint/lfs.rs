//! Large files by Git LFS: with git-lfs where it is installed, else with a script in its place.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use aq_runner::checkpoint::{
    CheckpointError, CheckpointJob, ForeignWork, JobBranch, OwnPlace, PushOutcome, StartedWork,
    WorkIsolation, set_aside, take_up,
};

use crate::lab::{Lab, left, start, write};

const FILTERS: &str = "[filter \"lfs\"]\nclean = git-lfs clean -- %f\n\
                       smudge = git-lfs smudge -- %f\nrequired = true\n";
const STAND_IN: &str = include_str!("lfs/stand-in.sh");
const NAME: &str = "[user]\nname = Ada\nemail = ada@example.com\n";

/// A repository with a large file, what it was cloned to, and a job in it.
struct Large {
    lab: Lab,
    repo: PathBuf,
    hub: PathBuf,
}

fn has_git_lfs() -> bool {
    Command::new("git").args(["lfs", "version"]).output().unwrap().status.success()
}

fn filters() -> String {
    let process = if has_git_lfs() { "process = git-lfs filter-process\n" } else { "" };
    format!("{FILTERS}{process}")
}

impl Large {
    fn new() -> Self {
        Self::with(&format!("{NAME}{}", filters()), "")
    }

    /// With the user's settings, and those of his repository.
    fn with(config: &str, local: &str) -> Self {
        let lab = Lab::new();
        if !has_git_lfs() {
            let script = lab.path().join("bin/git-lfs");
            write(&script, STAND_IN);
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        }
        lab.config(config);
        let repo = lab.repo("repo");
        let file = repo.join(".git/config");
        fs::write(&file, fs::read_to_string(&file).unwrap() + local).unwrap();
        write(&repo.join(".gitattributes"), "*.bin filter=lfs -text\n");
        write(&repo.join("old.bin"), "of the user\n");
        lab.git(&repo, &["add", "-A"]);
        lab.git(&repo, &["commit", "-q", "-m", "large"]);
        lab.git(lab.path(), &["init", "-q", "--bare", "-b", "main", "hub.git"]);
        let hub = lab.path().join("hub.git");
        let address = hub.to_str().unwrap();
        lab.git(&repo, &["remote", "add", "origin", address]);
        let content = oid(&lab.show(&repo, "HEAD:old.bin"));
        lab.git(&repo, &["lfs", "push", "--object-id", "origin", &content]);
        lab.git(&repo, &["push", "-q", "--no-verify", "origin", "main"]);
        Self { lab, repo, hub }
    }

    /// The agent's commits of two contents of one file.
    fn commit_two(&self, job: &StartedWork) {
        for content in ["first content\n", "second content\n"] {
            write(&job.dir.join("new.bin"), content);
            self.lab.git(&job.dir, &["add", "-A"]);
            self.lab.git(&job.dir, &["commit", "-q", "-m", content.trim()]);
        }
    }

    fn push(&self, wip: &JobBranch) -> Result<PushOutcome, CheckpointError> {
        let tip = wip.tip().unwrap().unwrap();
        wip.push(self.hub.to_str().unwrap(), "aq/wip/fix", &tip, false)
    }

    /// The same job on another host, whose usual remote has none of its contents.
    fn second(&self) -> CheckpointJob {
        let clone = self.lab.path().join("clone");
        self.lab.git(self.lab.path(), &["clone", "-q", "hub.git", "clone"]);
        self.lab.git(&clone, &["remote", "set-url", "origin", "/nowhere.git"]);
        let queue = self.lab.path().join("second");
        CheckpointJob {
            isolation: WorkIsolation::Own(OwnPlace {
                dir: queue.join("work/fix"),
                control: queue.join("checkouts/fix"),
                linked: queue.join("worktrees/fix"),
            }),
            base_file: queue.join("fix.base"),
            queue,
            ..self.lab.job("fix", &clone)
        }
    }

    fn take_up(&self, job: &CheckpointJob) {
        let commit = self.lab.rev(&self.hub, "aq/wip/fix");
        let handover = ForeignWork { branch: "aq/wip/fix".into(), commit };
        take_up(job, self.hub.to_str().unwrap(), &handover).unwrap().unwrap();
    }

    fn has_content(&self, store: &Path, revision: &str) -> bool {
        let oid = oid(&self.lab.show(&self.repo, revision));
        store.join(format!("objects/{}/{}/{oid}", &oid[..2], &oid[2..4])).is_file()
    }

    /// The contents that a commit of the job's branch and the one before it have.
    fn has_two(&self, store: &Path) -> bool {
        ["aq/wip/fix:new.bin", "aq/wip/fix~:new.bin"].iter().all(|at| self.has_content(store, at))
    }
}

fn oid(pointer: &str) -> String {
    let line = pointer.lines().find_map(|line| line.strip_prefix("oid sha256:"));
    line.unwrap_or_else(|| panic!("no pointer: {pointer}")).to_owned()
}

#[test]
fn contents_of_agents_commits_are_kept() {
    let global = format!("{NAME}{}", filters());
    for (config, local, store) in [
        (global.as_str(), "", ".git/lfs"),
        (NAME, filters().as_str(), ".git/lfs"),
        (&global, "[lfs]\nstorage = large\n", ".git/large"),
        (&format!("{global}[lfs]\nstorage = of-all\n"), "", ".git/of-all"),
    ] {
        let large = Large::with(config, local);
        let job = large.lab.start("fix", &large.repo);
        assert_eq!(fs::read_to_string(job.dir.join("old.bin")).unwrap(), "of the user\n");
        large.commit_two(&job);
        write(&job.dir.join("loose.bin"), "not committed\n");
        let saved = job.wip.checkpoint("attempt 1").unwrap();
        assert_eq!(left(&saved), "", "{config}{local}");
        fs::remove_dir_all(&job.dir).unwrap();
        let store = large.repo.join(store);
        for at in ["new.bin", "loose.bin"] {
            assert!(large.has_content(&store, &format!("aq/wip/fix:{at}")), "{at} {config}{local}");
        }
        assert!(large.has_content(&store, "aq/wip/fix~2:new.bin"), "{config}{local}");
        large.lab.git(&large.repo, &["checkout", "-q", "aq/wip/fix~2"]);
        assert_eq!(fs::read_to_string(large.repo.join("new.bin")).unwrap(), "first content\n");
    }
}

#[test]
fn false_contents_of_agents_are_not_kept() {
    let large = Large::new();
    let job = large.lab.start("fix", &large.repo);
    large.commit_two(&job);
    let pointer = large.lab.show(&job.dir, "HEAD~:new.bin");
    let oid = oid(&pointer);
    let place = format!("lfs/objects/{}/{}/{oid}", &oid[..2], &oid[2..4]);
    let file = job.dir.join(".git").join(&place);
    fs::remove_file(&file).unwrap();
    symlink("/etc/passwd", &file).unwrap();
    job.wip.checkpoint("attempt 1").unwrap();
    assert!(!large.repo.join(".git").join(&place).exists());
    assert!(large.has_content(&large.repo.join(".git/lfs"), "aq/wip/fix:new.bin"));
}

#[test]
fn contents_without_room_stop_checkpoint() {
    let large = Large::new();
    let job = large.lab.start("fix", &large.repo);
    large.commit_two(&job);
    let store = large.repo.join(".git/lfs");
    // As a full disk does.
    let _ = fs::remove_dir_all(store.join("tmp"));
    fs::write(store.join("tmp"), "").unwrap();
    let error = job.wip.checkpoint("attempt 1").unwrap_err().to_string();
    assert!(error.starts_with("cannot create") && error.contains("lfs/tmp"), "{error}");
    let agents = large.lab.rev(&job.dir, "HEAD");
    assert_ne!(large.lab.rev(&large.repo, "aq/wip/fix"), agents);
    fs::remove_file(store.join("tmp")).unwrap();
    job.wip.checkpoint("attempt 1").unwrap();
    assert_eq!(large.lab.rev(&large.repo, "aq/wip/fix"), agents);
    assert!(large.has_two(&store));
}

#[test]
fn places_that_agents_choose_are_named() {
    let large = Large::new();
    let job = large.lab.start("fix", &large.repo);
    let elsewhere = large.lab.path().join("elsewhere");
    large.lab.git(&job.dir, &["config", "lfs.storage", elsewhere.to_str().unwrap()]);
    large.commit_two(&job);
    let saved = job.wip.checkpoint("attempt 1").unwrap();
    assert!(left(&saved).contains("new.bin: its content for git-lfs"), "{}", left(&saved));
    assert!(left(&saved).contains(elsewhere.to_str().unwrap()));
    // What is in the files was saved by aq's own filters.
    assert!(large.has_content(&large.repo.join(".git/lfs"), "aq/wip/fix:new.bin"));
}

#[test]
fn contents_are_pushed_before_branch() {
    let large = Large::new();
    let job = large.lab.start("fix", &large.repo);
    // None of the agent's settings are those of the push.
    large.lab.git(&job.dir, &["config", "lfs.url", "https://nowhere.invalid/x"]);
    write(&job.dir.join(".lfsconfig"), "[lfs]\nurl = https://nowhere.invalid/y\n");
    large.commit_two(&job);
    job.wip.checkpoint("attempt 1").unwrap();
    assert_eq!(large.push(&job.wip).unwrap(), PushOutcome::Done);
    assert!(large.has_two(&large.hub.join("lfs")));
    let second = large.second();
    large.take_up(&second);
    let second = start(&second);
    assert_eq!(fs::read_to_string(second.dir.join("new.bin")).unwrap(), "second content\n");
    write(&second.dir.join("new.bin"), "third content\n");
    second.wip.checkpoint("attempt 2").unwrap();
    assert_eq!(large.push(&second.wip).unwrap(), PushOutcome::Done);
    large.lab.git(&large.repo, &["fetch", "-q", "origin", "aq/wip/fix"]);
    assert!(large.has_content(&large.hub.join("lfs"), "FETCH_HEAD:new.bin"));
}

#[test]
fn snapshots_are_pushed_with_contents() {
    let large = Large::new();
    let job = large.lab.start("fix", &large.repo);
    large.commit_two(&job);
    write(&job.dir.join("new.bin"), "not committed\n");
    let snapshot = job.wip.snapshot("on the way").unwrap().unwrap();
    let pushed = job.wip.push(large.hub.to_str().unwrap(), "aq/wip/fix", &snapshot, false);
    assert_eq!(pushed.unwrap(), PushOutcome::Done);
    let store = large.hub.join("lfs");
    for at in [format!("{snapshot}:new.bin"), format!("{snapshot}~2:new.bin")] {
        assert!(large.has_content(&store, &at), "{at}");
    }
}

#[test]
fn without_git_lfs_nothing_is_pushed() {
    let large = Large::new();
    let job = large.lab.start("fix", &large.repo);
    large.commit_two(&job);
    job.wip.checkpoint("attempt 1").unwrap();
    let bare = large.lab.path().join("bare");
    fs::create_dir(&bare).unwrap();
    let git = String::from_utf8(Command::new("which").arg("git").output().unwrap().stdout).unwrap();
    symlink(git.trim(), bare.join("git")).unwrap();
    let mut known = large.lab.job("fix", &large.repo);
    known.marks.push(("PATH".into(), bare.into()));
    let wip = JobBranch::open(&known).unwrap().unwrap();
    let error = large.push(&wip).unwrap_err().to_string();
    assert!(error.contains("git-lfs is not there to upload them; install it"), "{error}");
    assert!(!large.lab.try_git(&large.hub, &["rev-parse", "--verify", "-q", "aq/wip/fix"]).0);
    assert_eq!(large.push(&job.wip).unwrap(), PushOutcome::Done);
}

#[test]
fn failed_uploads_keep_branch_back() {
    let large = Large::new();
    let job = large.lab.start("fix", &large.repo);
    large.commit_two(&job);
    job.wip.checkpoint("attempt 1").unwrap();
    // A file where the remote would have its contents.
    fs::remove_dir_all(large.hub.join("lfs")).unwrap();
    fs::write(large.hub.join("lfs"), "").unwrap();
    let error = large.push(&job.wip).unwrap_err();
    assert!(error.to_string().starts_with("`git lfs` failed"), "{error}");
    assert!(!large.lab.try_git(&large.hub, &["rev-parse", "--verify", "-q", "aq/wip/fix"]).0);
    fs::remove_file(large.hub.join("lfs")).unwrap();
    assert_eq!(large.push(&job.wip).unwrap(), PushOutcome::Done);
    assert!(large.has_two(&large.hub.join("lfs")));
}

#[test]
fn pointers_to_nowhere_are_not_pushed() {
    let large = Large::new();
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 7\n",
        "0123456789abcdef".repeat(4)
    );
    let job = large.lab.start("fix", &large.repo);
    write(&job.dir.join("example.txt"), &pointer);
    job.wip.checkpoint("attempt 1").unwrap();
    assert_eq!(large.push(&job.wip).unwrap(), PushOutcome::Done, "a text like another");
    write(&job.dir.join("false.bin"), &pointer.replace("size 7", "size 8"));
    job.wip.checkpoint("attempt 2").unwrap();
    let error = large.push(&job.wip).unwrap_err().to_string();
    assert!(error.starts_with("false.bin is a pointer of Git LFS to 0123"), "{error}");
    let pushed = large.lab.files(&large.hub, "aq/wip/fix");
    assert!(pushed.contains(&"example.txt".into()) && !pushed.contains(&"false.bin".into()));
}

#[test]
fn contents_of_older_commits_need_not_be_here() {
    let large = Large::new();
    let (lab, repo) = (&large.lab, &large.repo);
    let blob = lab.rev(repo, "HEAD:old.bin");
    write(&repo.join("old.bin"), "newer\n");
    lab.git(repo, &["commit", "-q", "-a", "-m", "newer"]);
    let newer = oid(&lab.show(repo, "HEAD:old.bin"));
    lab.git(repo, &["lfs", "push", "--object-id", "origin", &newer]);
    lab.git(repo, &["push", "-q", "--no-verify", "origin", "main"]);
    // A clone that has only the newest contents.
    let older = oid(&lab.show(repo, "HEAD~:old.bin"));
    let file = format!(".git/lfs/objects/{}/{}/{older}", &older[..2], &older[2..4]);
    fs::remove_file(repo.join(file)).unwrap();
    let job = lab.start("fix", repo);
    let entry = format!("100644,{blob},again.bin");
    lab.git(&job.dir, &["update-index", "--add", "--cacheinfo", &entry]);
    lab.git(&job.dir, &["commit", "-q", "-m", "again"]);
    job.wip.checkpoint("attempt 1").unwrap();
    assert_eq!(large.push(&job.wip).unwrap(), PushOutcome::Done);
}

#[test]
fn work_that_cannot_be_checked_out_is_set_aside() {
    let large = Large::new();
    let lab = &large.lab;
    let job = lab.start("fix", &large.repo);
    large.commit_two(&job);
    job.wip.checkpoint("attempt 1").unwrap();
    lab.git(&large.repo, &["push", "-q", "--no-verify", "origin", "aq/wip/fix"]);
    let second = large.second();
    large.take_up(&second);
    let error = JobBranch::start(&second).unwrap_err();
    assert!(error.is_failed_checkout(), "{error}");
    let kept = set_aside(&second).unwrap().unwrap();
    let clone = &second.cwd;
    assert_eq!(lab.rev(clone, &kept), lab.rev(&large.hub, "aq/wip/fix"));
    let afresh = start(&second);
    assert!(afresh.fresh && !afresh.dir.join("new.bin").exists());
    assert_eq!(afresh.wip.base().as_str(), lab.rev(clone, "main"));
    assert_eq!(set_aside(&second).unwrap(), None, "the branch is this host's own");
    assert!(!large.has_two(&large.hub.join("lfs")));
    large.push(&job.wip).unwrap();
    assert!(large.has_two(&large.hub.join("lfs")), "that its branch is there says nothing of them");
    // From now on the work of this host is what the next one is to have.
    write(&afresh.dir.join("mine.txt"), "mine\n");
    afresh.wip.checkpoint("attempt 2").unwrap();
    assert_eq!(large.push(&afresh.wip).unwrap(), PushOutcome::Done);
}

#[test]
fn pruning_takes_only_what_was_uploaded() {
    if !has_git_lfs() {
        return eprintln!("skipped: git-lfs is not installed");
    }
    let large = Large::new();
    let job = large.lab.start("fix", &large.repo);
    large.commit_two(&job);
    job.wip.checkpoint("attempt 1").unwrap();
    let store = large.repo.join(".git/lfs");
    large.lab.git(&large.repo, &["lfs", "prune"]);
    assert!(large.has_two(&store), "nothing was pushed");
    let tip = job.wip.tip().unwrap().unwrap();
    assert_eq!(job.wip.push("origin", "aq/wip/fix", &tip, false).unwrap(), PushOutcome::Done);
    large.lab.git(&large.repo, &["lfs", "prune"]);
    assert!(!large.has_two(&store) && large.has_two(&large.hub.join("lfs")));
}
