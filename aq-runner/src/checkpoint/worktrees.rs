//! The checkouts of a repository's branches.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::checkout::JobCheckout;
use super::error::{CheckpointError, HeadState, Result};
use super::files;
use super::nested::NestedRepository;
use super::repository::{CommitId, nonsense};
use super::wip::JobBranch;

impl JobBranch {
    /// The submodules with files whose commit is not that of the index.
    pub(super) fn submodules_behind(&self, checkout: &JobCheckout) -> Result<Vec<String>> {
        let links = self.gitlinks(checkout, &checkout.index())?;
        let is_behind = |(path, commit): &(&OsString, &CommitId)| {
            let nested = NestedRepository::at(&checkout.root.join(path));
            nested.and_then(|nested| nested.head()).is_some_and(|head| head != **commit)
        };
        let behind = links.iter().filter(is_behind);
        Ok(behind.map(|(path, _)| path.to_string_lossy().into_owned()).collect())
    }

    /// The one place where a branch is checked out.
    pub(super) fn checkout_of(&self, branch: &str) -> Result<Option<JobCheckout>> {
        let mut roots = match self.known_checkouts(branch) {
            Some(roots) => roots,
            None => self.listed_checkouts(branch)?,
        };
        // One that cannot be looked at now is there: its files would stay behind.
        for n in (0..roots.len()).rev() {
            if !files::is_directory(&roots[n])? {
                roots.remove(n);
            }
        }
        if roots.len() > 1 {
            return Err(CheckpointError::ManyCheckouts(branch.replacen("refs/heads/", "", 1)));
        }
        let Some(root) = roots.pop() else { return Ok(None) };
        let (git_dir, root) = match NestedRepository::at(&root) {
            Some(nested) if !self.may_be_elsewhere() => (nested.git_dir().to_owned(), root),
            // For a submodule the list names the directory of git, which knows where the files are.
            _ => self.place_of(&root)?,
        };
        let common_dir = self.repo.common_dir().to_owned();
        Ok(Some(JobCheckout {
            git_dir: Some(git_dir),
            root,
            common_dir,
            exclude: None,
            own: None,
            objects: None,
        }))
    }

    /// A checkout in which a branch is rebased, and the file of git's that says so: `HEAD` is on no
    /// branch meanwhile, and at the end git moves the branch from where it was at the start.
    pub(super) fn rebase_of(&self, branch: &str) -> Result<Option<(PathBuf, &'static str)>> {
        let common = self.repo.common_dir();
        let linked = std::fs::read_dir(common.join("worktrees")).into_iter().flatten().flatten();
        let linked = linked.filter_map(|entry| {
            let dot_git = files::read(&entry.path().join("gitdir")).ok()??;
            let root = entry.path().join(dot_git.trim()).parent()?.to_owned();
            root.is_dir().then_some((entry.path(), root))
        });
        let is_beside = common.file_name().is_some_and(|name| name == ".git");
        let root = common.parent().filter(|_| is_beside).unwrap_or(common);
        for (dir, root) in std::iter::once((common.to_owned(), root.to_owned())).chain(linked) {
            for what in ["rebase-merge", "rebase-apply"] {
                for file in ["head-name", "update-refs"] {
                    let path = dir.join(what).join(file);
                    let names = files::read_bytes(&path).at("read", &path)?.unwrap_or_default();
                    if names.split(|&byte| byte == b'\n').any(|name| name == branch.as_bytes()) {
                        return Ok(Some((root, what)));
                    }
                }
            }
        }
        Ok(None)
    }

    fn listed_checkouts(&self, branch: &str) -> Result<Vec<PathBuf>> {
        let call = self.repo.call("worktree").args(["list", "--porcelain", "-z"]);
        let list = call.read_only().run()?;
        let mut root = PathBuf::new();
        let mut roots = Vec::new();
        for line in list.stdout.split(|&byte| byte == 0) {
            if let Some(path) = line.strip_prefix(b"worktree ") {
                root = PathBuf::from(OsString::from_vec(path.to_vec()));
            } else if line.strip_prefix(b"branch ") == Some(branch.as_bytes()) {
                roots.push(root.clone());
            }
        }
        Ok(roots)
    }

    /// The same from git's files, without a run of git; `None` where that is not as simple as it is
    /// nearly everywhere.
    fn known_checkouts(&self, branch: &str) -> Option<Vec<PathBuf>> {
        let common = self.repo.common_dir();
        let config = files::read(&common.join("config")).ok()??.to_ascii_lowercase();
        let is_bare = config.lines().any(|line| line.contains("bare") && !line.contains("false"));
        let is_plain = !is_bare && !config.contains("include") && !self.may_be_elsewhere();
        if !is_plain || common.file_name()? != ".git" || common.join("reftable").is_dir() {
            return None;
        }
        let is_on = |dir: &Path| {
            let head = files::read(&dir.join("HEAD")).ok()??;
            Some(head.strip_prefix("ref: ").is_some_and(|name| name.trim() == branch))
        };
        let mut roots = Vec::new();
        if is_on(common)? {
            roots.push(common.parent()?.to_owned());
        }
        let linked = match std::fs::read_dir(common.join("worktrees")) {
            Err(e) if files::is_absent(&e) => return Some(roots),
            linked => linked.ok()?,
        };
        for entry in linked {
            let dir = entry.ok()?.path();
            if is_on(&dir)? {
                let dot_git = PathBuf::from(files::read(&dir.join("gitdir")).ok()??);
                // Git knows of links that are relative to this place.
                roots.push(dot_git.parent().filter(|dir| dir.is_absolute())?.to_owned());
            }
        }
        Some(roots)
    }

    /// Tests for a setting by which files are not beside `.git`.
    fn may_be_elsewhere(&self) -> bool {
        let config = files::read_bytes(&self.repo.common_dir().join("config"));
        let text = config.ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&text).to_ascii_lowercase().contains("worktree")
    }

    fn place_of(&self, dir: &Path) -> Result<(PathBuf, PathBuf)> {
        let call = self.repo.git().call(dir, "rev-parse").arg("--path-format=absolute");
        let places = call.args(["--git-dir", "--show-toplevel"]).run()?.stdout;
        let mut places = places.split(|&byte| byte == b'\n');
        let mut place = || Some(PathBuf::from(OsString::from_vec(places.next()?.to_vec())));
        let (Some(git_dir), Some(root)) = (place(), place()) else { return Err(nonsense(b"")) };
        Ok((git_dir, root))
    }
}
