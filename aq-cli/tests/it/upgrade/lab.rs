//! One user, one repository, and the programs of both versions.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::places::lab::{CommandEnd, PlacesLab};
use crate::sandbox::{job_text, kill_child, skipped, wait_child, wait_for};

/// Version of the program of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 0.1.
    Earlier,
    /// The one under test.
    Present,
}

use Version::{Earlier, Present};

pub(super) struct UpgradeLab {
    places: PlacesLab,
    earlier: OsString,
    queue: PathBuf,
}

impl UpgradeLab {
    /// A repository `p` with a queue that a version has made in its checkout. `None`, which is
    /// printed, where there is no program of version 0.1.
    pub(super) fn inside(version: Version) -> Option<Self> {
        Self::with_queue(version, "p/.aq")
    }

    /// As [`Self::inside`], with the queue beside the checkout.
    pub(super) fn outside(version: Version) -> Option<Self> {
        Self::with_queue(version, "q")
    }

    fn with_queue(version: Version, queue: &str) -> Option<Self> {
        let Some(earlier) = std::env::var_os("AQ_EARLIER").filter(|path| !path.is_empty()) else {
            skipped("AQ_EARLIER does not name the program of version 0.1");
            return None;
        };
        let mut places = PlacesLab::new();
        // Both versions ask who makes commits.
        for role in ["AUTHOR", "COMMITTER"] {
            let named = |what| -> &'static str { format!("GIT_{role}_{what}").leak() };
            places.env.push((named("NAME"), "Ada".to_owned()));
            places.env.push((named("EMAIL"), "ada@example.com".to_owned()));
        }
        places.repository("p");
        let queue = places.path(queue);
        let lab = Self { places, earlier, queue };
        lab.ok(version, &["init", lab.queue.to_str().unwrap()]);
        Some(lab)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.places.path(name)
    }

    pub(super) fn queue(&self, name: &str) -> PathBuf {
        self.queue.join(name)
    }

    fn command(&self, version: Version, args: &[&str]) -> Command {
        let program = match version {
            Earlier => self.earlier.clone(),
            Present => env!("CARGO_BIN_EXE_aq").into(),
        };
        let mut command = Command::new(program);
        self.places.clean(&mut command, &self.path("p/src"));
        if args[0] != "init" {
            command.arg("--queue").arg(&self.queue);
        }
        command.args(args);
        command
    }

    pub(super) fn aq(&self, version: Version, args: &[&str]) -> CommandEnd {
        CommandEnd::of(&self.command(version, args).output().unwrap())
    }

    /// As [`Self::aq`], which has to go well; all that it prints.
    pub(super) fn ok(&self, version: Version, args: &[&str]) -> String {
        let end = self.aq(version, args);
        assert_eq!(end.code, 0, "{version:?} {args:?}: {end:?}");
        format!("{}\n{}", end.out, end.err)
    }

    /// Runs what can run, whatever comes of it.
    pub(super) fn drain(&self, version: Version) -> CommandEnd {
        let end = self.aq(version, &["run", "--once", "--quiet"]);
        assert!(matches!(end.code, 0 | 1), "{version:?}: {end:?}");
        end
    }

    /// Starts a loop.
    pub(super) fn start(&self, version: Version, args: &[&str]) -> RunningLoop<'_> {
        let mut command = self.command(version, &[&["run", "--quiet"], args].concat());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        RunningLoop { child, lab: self }
    }

    pub(super) fn add(&self, version: Version, name: &str, front: &str, body: &str) {
        let path = self.path(&format!("{name}.md"));
        fs::write(&path, job_text(front, body)).unwrap();
        self.ok(version, &["add", path.to_str().unwrap()]);
    }

    /// Shell text that waits for a file of the test's, and no longer than the test is there.
    pub(super) fn wait_for_file(&self, name: &str) -> String {
        let (file, dir) = (self.path(name), self.path("p"));
        format!(
            "until test -e '{}' || ! test -d '{}'; do sleep 0.05; done",
            file.display(),
            dir.display()
        )
    }

    pub(super) fn touch(&self, name: &str) {
        fs::write(self.path(name), "").unwrap();
    }

    /// Folder of a job.
    pub(super) fn stage(&self, job: &str) -> &'static str {
        let is_there = |stage: &&&str| self.queue(&format!("{stage}/{job}.md")).exists();
        crate::sandbox::STAGES.iter().find(is_there).copied().unwrap_or("nowhere")
    }

    pub(super) fn wait_for_stage(&self, job: &str, stage: &str) {
        wait_for(&format!("{job} in {stage}/"), || self.stage(job) == stage);
    }

    /// A value of a job's record; empty when there is none.
    pub(super) fn meta(&self, job: &str, key: &str) -> String {
        let text = fs::read_to_string(self.queue(&format!(".state/meta/{job}.meta")));
        let text = text.unwrap_or_default();
        let value = text.lines().rev().find_map(|line| line.strip_prefix(&format!("{key}=")));
        value.unwrap_or_default().to_owned()
    }

    pub(super) fn log(&self, job: &str) -> String {
        fs::read_to_string(self.queue(&format!("logs/{job}.log"))).unwrap_or_default()
    }

    /// Checkout of the job's own.
    pub(super) fn own(&self, job: &str) -> PathBuf {
        PathBuf::from(self.meta(job, "checkout")).join("p")
    }

    /// Worktree that version 0.1 makes for a job.
    pub(super) fn linked(&self, job: &str) -> PathBuf {
        self.queue(&format!(".state/worktrees/{job}"))
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        self.places.git("p", args)
    }

    /// Files of `src/` in a revision, in one line.
    pub(super) fn files(&self, revision: &str) -> String {
        let list = self.git(&["ls-tree", "--name-only", &format!("{revision}:src")]);
        list.replace('\n', " ")
    }

    /// Output of a job, line by line, without the lines of aq.
    pub(super) fn printed(&self, job: &str) -> Vec<String> {
        let log = self.log(job);
        log.lines().filter(|line| !line.starts_with("--- aq ")).map(str::to_owned).collect()
    }

    /// Nothing of any job is left in the repository but these branches.
    pub(super) fn assert_clean(&self, branches: &str) {
        assert_eq!(self.git(&["worktree", "list"]).lines().count(), 1);
        let list = ["for-each-ref", "--format=%(refname:lstrip=3)", "refs/heads/aq", "refs/aq"];
        assert_eq!(self.git(&list).replace('\n', " "), branches);
        for dir in [".state/worktrees", ".state/checkouts", "work"] {
            let left = fs::read_dir(self.queue(dir)).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{dir}");
        }
        // Where checkouts are when the queue is in one.
        let homes = fs::read_dir(self.path("home/aq-work")).into_iter().flatten().flatten();
        let is_jobs = |name: &str| name.starts_with("jobs-");
        for home in homes.filter(|home| home.file_name().to_str().is_some_and(is_jobs)) {
            // The note of whose they are stays.
            let is_checkout = |name: &OsString| !name.as_encoded_bytes().starts_with(b".");
            let left = fs::read_dir(home.path()).unwrap().flatten().map(|entry| entry.file_name());
            assert_eq!(left.filter(is_checkout).count(), 0, "{home:?}");
        }
    }
}

/// A loop of one version; killed when it is dropped.
pub(super) struct RunningLoop<'a> {
    child: Child,
    lab: &'a UpgradeLab,
}

impl RunningLoop<'_> {
    /// Waits until a job's worker has started, then kills the loop. The worker goes on.
    pub(super) fn kill_when_runs(mut self, job: &str) {
        wait_for(&format!("the worker of {job}"), || {
            self.lab.stage(job) == "building" && !self.lab.meta(job, "pid").is_empty()
        });
        kill_child(&mut self.child);
    }

    pub(super) fn wait(mut self) -> i32 {
        wait_child(&mut self.child)
    }
}

impl Drop for RunningLoop<'_> {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            kill_child(&mut self.child);
        }
    }
}
