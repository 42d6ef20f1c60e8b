//! Repositories, a queue's folder and jobs, all in a temporary directory.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aq_runner::checkpoint::{
    CheckpointJob, CheckpointResult, GitWatch, JobBranch, MergeTarget, OwnPlace, StartPoint,
    StartedWork, WorkIsolation, left_out_words,
};
use tempfile::TempDir;

pub(crate) struct Lab {
    dir: TempDir,
    root: PathBuf,
}

impl Lab {
    /// With an identity and nothing else in git's configuration.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let lab = Self { dir, root };
        lab.config("[user]\nname = Ada\nemail = ada@example.com\n");
        lab
    }

    /// A lab with a repository that has one commit with `a.txt` and `sub/b.txt`.
    pub(crate) fn with_repo() -> (Self, PathBuf) {
        let lab = Self::new();
        let repo = lab.repo("repo");
        (lab, repo)
    }

    pub(crate) fn path(&self) -> &Path {
        debug_assert!(self.dir.path().exists());
        &self.root
    }

    /// Replaces the user's git configuration.
    pub(crate) fn config(&self, text: &str) {
        fs::write(self.root.join("gitconfig"), text).unwrap();
    }

    /// The environment of everybody's git. Programs that a test puts into `bin` come first.
    fn env(&self) -> Vec<(OsString, OsString)> {
        let home = self.root.as_os_str().to_owned();
        let usual = std::env::var_os("PATH").unwrap_or_default();
        let first = std::iter::once(self.root.join("bin"));
        let path = std::env::join_paths(first.chain(std::env::split_paths(&usual))).unwrap();
        vec![
            ("PATH".into(), path),
            ("GIT_CONFIG_SYSTEM".into(), "/dev/null".into()),
            ("GIT_CONFIG_GLOBAL".into(), self.root.join("gitconfig").into()),
            ("HOME".into(), home.clone()),
            ("XDG_CONFIG_HOME".into(), home),
        ]
    }

    pub(crate) fn repo(&self, name: &str) -> PathBuf {
        let repo = self.root.join(name);
        self.git(&self.root, &["init", "-q", "-b", "main", name]);
        write(&repo.join("a.txt"), "one\n");
        write(&repo.join("sub/b.txt"), "two\n");
        self.git(&repo, &["add", "-A"]);
        self.git(&repo, &["commit", "-q", "-m", "first"]);
        repo
    }

    /// Runs git as a person or an agent would; it has to succeed. What it prints, trimmed.
    pub(crate) fn git(&self, dir: &Path, args: &[&str]) -> String {
        let (ok, out) = self.try_git(dir, args);
        assert!(ok, "git {args:?}: {out}");
        out
    }

    pub(crate) fn try_git(&self, dir: &Path, args: &[&str]) -> (bool, String) {
        let output =
            Command::new("git").args(args).current_dir(dir).envs(self.env()).output().unwrap();
        let text = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8(text).unwrap().trim().to_owned())
    }

    /// Runs a script of the shell as a person would; it has to succeed.
    pub(crate) fn shell(&self, dir: &Path, script: &str) {
        let call = |shell: &mut Command| shell.arg("-ec").arg(script).current_dir(dir).output();
        let output = call(Command::new("sh").envs(self.env())).unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Where the checkout of a job is, and aq's directory for it.
    pub(crate) fn place(&self, name: &str) -> OwnPlace {
        let queue = self.root.join("queue");
        OwnPlace {
            dir: queue.join("work").join(name),
            control: queue.join(".state/checkouts").join(name),
            linked: queue.join(".state/worktrees").join(name),
        }
    }

    /// A job with a checkout of its own.
    pub(crate) fn job(&self, name: &str, cwd: &Path) -> CheckpointJob {
        let queue = self.root.join("queue");
        CheckpointJob {
            name: name.to_owned(),
            cwd: cwd.to_owned(),
            isolation: WorkIsolation::Own(self.place(name)),
            target: MergeTarget::Head,
            target_at: None,
            start: StartPoint::default(),
            fetched: Vec::new(),
            base_file: queue.join(".state/wip").join(format!("{name}.base")),
            queue,
            marks: self.env(),
            watch: GitWatch::default(),
        }
    }

    /// A job with the linked worktree that version 0.1 has made for it.
    pub(crate) fn linked(&self, name: &str, repo: &Path) -> CheckpointJob {
        let job = self.job(name, repo);
        let place = self.place(name);
        let base = self.rev(repo, "HEAD");
        let branch = format!("aq/wip/{name}");
        write(&job.base_file.with_extension("from"), "refs/heads/main\n");
        write(&job.base_file, &format!("{base}\n"));
        let path = place.linked.to_str().unwrap().to_owned();
        self.git(repo, &["branch", "-q", &branch]);
        self.git(repo, &["worktree", "add", "-q", &path, &branch]);
        job
    }

    pub(crate) fn in_place(&self, name: &str, cwd: &Path) -> CheckpointJob {
        CheckpointJob { isolation: WorkIsolation::InPlace, ..self.job(name, cwd) }
    }

    pub(crate) fn start(&self, name: &str, cwd: &Path) -> StartedWork {
        start(&self.job(name, cwd))
    }

    /// The output of `git status` in a directory.
    pub(crate) fn status(&self, dir: &Path) -> String {
        self.git(dir, &["status", "--porcelain"])
    }

    /// The files of a revision.
    pub(crate) fn files(&self, repo: &Path, revision: &str) -> Vec<String> {
        let list = self.git(repo, &["ls-tree", "-r", "--name-only", revision]);
        list.lines().map(str::to_owned).collect()
    }

    pub(crate) fn show(&self, repo: &Path, object: &str) -> String {
        self.git(repo, &["show", object])
    }

    pub(crate) fn rev(&self, repo: &Path, revision: &str) -> String {
        self.git(repo, &["rev-parse", revision])
    }

    /// Everything that a job may not change in a checkout: refs but its own, `HEAD`, index and
    /// files.
    pub(crate) fn user_side(&self, repo: &Path) -> String {
        let refs = self.git(repo, &["for-each-ref", "--format=%(refname) %(objectname)"]);
        let is_users =
            |line: &&str| !line.starts_with("refs/heads/aq/wip/") && !line.starts_with("refs/aq/");
        let refs: Vec<_> = refs.lines().filter(is_users).collect();
        let head = fs::read_to_string(repo.join(".git/HEAD")).unwrap();
        let status = self.git(repo, &["status", "--porcelain", "--ignored"]);
        let diff = self.git(repo, &["diff", "HEAD"]);
        format!("{refs:?}\n{head}\n{status}\n{diff}")
    }
}

/// The work that a checkpoint has left out, in words.
pub(crate) fn left(saved: &CheckpointResult) -> String {
    left_out_words(&saved.left_out).unwrap_or_default()
}

pub(crate) fn start(job: &CheckpointJob) -> StartedWork {
    JobBranch::start(job).unwrap().expect("it is in a repository")
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
