//! A git repository in the sandbox's work directory, and looks at it from outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::Sandbox;

impl Sandbox {
    /// A sandbox whose work directory is a repository on `main` with one commit: `a.txt`.
    pub(crate) fn with_repository() -> Self {
        let sandbox = Self::new();
        sandbox.make_repository();
        sandbox
    }

    /// Makes one of the work directory, which is empty.
    pub(crate) fn make_repository(&self) {
        self.git(&["init", "-q", "-b", "main"]);
        self.git(&["config", "user.name", "Ada"]);
        self.git(&["config", "user.email", "ada@example.com"]);
        self.commit("a.txt", "one\n");
    }

    pub(crate) fn try_git(&self, args: &[&str]) -> (bool, String) {
        let mut git = Command::new("git");
        self.clean(&mut git).env("GIT_CONFIG_GLOBAL", "/dev/null").args(args);
        let output = git.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        (output.status.success(), text)
    }

    /// Runs git in the work directory; it has to succeed. What it prints.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let (ok, text) = self.try_git(args);
        assert!(ok, "git {args:?}: {text}");
        text
    }

    pub(crate) fn commit(&self, file: &str, text: &str) {
        fs::write(self.work().join(file), text).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", file]);
    }

    /// A path in the checkout of a job's own.
    pub(crate) fn own(&self, job: &str, path: &str) -> PathBuf {
        self.queue(&format!("work/{job}/work")).join(path)
    }

    /// A file on a job's branch.
    pub(crate) fn on_branch(&self, job: &str, file: &str) -> String {
        self.git(&["show", &format!("aq/wip/{job}:{file}")])
    }

    pub(crate) fn head(&self) -> String {
        self.git(&["symbolic-ref", "--short", "HEAD"])
    }

    /// Every file of the user's checkout, byte for byte, with the index, `HEAD` and the config.
    pub(crate) fn checkout(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut dirs = vec![self.work()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.ends_with(".git") {
                    files.extend(["index", "HEAD", "config"].map(|name| read(&path.join(name))));
                } else if path.is_dir() {
                    dirs.push(path);
                } else {
                    files.extend([read(&path)]);
                }
            }
        }
        files
    }
}

fn read(path: &Path) -> (String, Vec<u8>) {
    (path.display().to_string(), fs::read(path).unwrap())
}
