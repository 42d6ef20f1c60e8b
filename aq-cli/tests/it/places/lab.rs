//! A user with a home and repositories, and `aq` run in any of his directories.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::sandbox::job_text;

/// Exit code and output of a command.
#[derive(Debug)]
pub(crate) struct CommandEnd {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl CommandEnd {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

pub(crate) struct PlacesLab {
    dir: TempDir,
    /// Variables of every command.
    pub(crate) env: Vec<(&'static str, String)>,
}

impl PlacesLab {
    pub(crate) fn new() -> Self {
        let dir = TempDir::with_prefix("aq-places-").unwrap();
        // Another user can look into it, as into many homes.
        set_mode(dir.path(), 0o755);
        let lab = Self { dir, env: Vec::new() };
        fs::create_dir(lab.path("home")).unwrap();
        lab
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Gives a command this user's surroundings.
    pub(crate) fn clean<'a>(&self, command: &'a mut Command, cwd: &Path) -> &'a mut Command {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        command
            .env_clear()
            .env("HOME", self.path("home"))
            .env("PATH", path)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(cwd)
            .stdin(Stdio::null())
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, cwd: &str, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aq"));
        self.clean(&mut command, &self.path(cwd)).args(args);
        command
    }

    pub(crate) fn aq<S: AsRef<OsStr>>(&self, cwd: &str, args: &[S]) -> CommandEnd {
        CommandEnd::of(&self.command(cwd, args).output().unwrap())
    }

    /// As [`Self::aq`], which has to go well; what it prints to standard output.
    pub(crate) fn ok<S: AsRef<OsStr> + std::fmt::Debug>(&self, cwd: &str, args: &[S]) -> String {
        let said = self.aq(cwd, args);
        assert_eq!(said.code, 0, "aq {args:?} in {cwd}: {said:?}");
        said.out
    }

    /// Path of the queue for a directory; empty when there is none.
    pub(crate) fn queue(&self, cwd: &str) -> String {
        let said = self.aq(cwd, &["path"]);
        assert_eq!(said.code, if said.out.is_empty() { 3 } else { 0 }, "{said:?}");
        said.out
    }

    pub(crate) fn git(&self, cwd: &str, args: &[&str]) -> String {
        let mut git = Command::new("git");
        self.clean(&mut git, &self.path(cwd));
        git.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]);
        git.args(["-c", "protocol.file.allow=always", "-c", "safe.directory=*"]);
        let said = CommandEnd::of(&git.args(args).output().unwrap());
        assert_eq!(said.code, 0, "git {args:?} in {cwd}: {said:?}");
        said.out
    }

    /// A repository on `main` with one commit: `a.txt`, and the directory `src`.
    pub(crate) fn repository(&self, name: &str) {
        fs::create_dir_all(self.path(name).join("src")).unwrap();
        self.git(name, &["init", "-q", "-b", "main"]);
        fs::write(self.path(name).join("a.txt"), "one\n").unwrap();
        fs::write(self.path(name).join("src/b.txt"), "two\n").unwrap();
        self.git(name, &["add", "-A"]);
        self.git(name, &["commit", "-q", "-m", "first"]);
    }

    /// A job file outside of all repositories.
    pub(crate) fn job(&self, name: &str, front: &str, body: &str) -> String {
        let path = self.path(&format!("{name}.md"));
        fs::write(&path, job_text(front, body)).unwrap();
        path.display().to_string()
    }

    /// Adds a job from a directory.
    pub(crate) fn add(&self, cwd: &str, name: &str, front: &str, body: &str) {
        let job = self.job(name, front, body);
        self.ok(cwd, &["add", &job]);
    }

    /// A queue as somebody else would leave it in a directory.
    pub(crate) fn foreign_queue(&self, dir: &str) -> PathBuf {
        let queue = self.path(dir);
        for name in ["inbox", ".state/meta", ".state/tmp", ".state/wip", "logs", "profiles"] {
            fs::create_dir_all(queue.join(name)).unwrap();
        }
        for name in ["building", "review", "testing", "shipped", "failed", "quarantine"] {
            fs::create_dir_all(queue.join(name)).unwrap();
        }
        for name in [".state/keys", ".state/locks"] {
            fs::create_dir_all(queue.join(name)).unwrap();
        }
        queue
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
