//! The checkouts of a repository's branches.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::checkout::Checkout;
use super::error::{CheckpointError, Result};
use super::files;
use super::nested::Nested;
use super::repository::{CommitId, nonsense};
use super::wip::Wip;

impl Wip {
    /// The submodules with files whose commit is not that of the index.
    pub(super) fn submodules_behind(&self, checkout: &Checkout) -> Result<Vec<String>> {
        let links = self.gitlinks(checkout, &checkout.index())?;
        let is_behind = |(path, commit): &(&OsString, &CommitId)| {
            let nested = Nested::at(&checkout.root.join(path));
            nested.and_then(|nested| nested.head()).is_some_and(|head| head != **commit)
        };
        let behind = links.iter().filter(is_behind);
        Ok(behind.map(|(path, _)| path.to_string_lossy().into_owned()).collect())
    }

    /// The one place where a branch is checked out.
    pub(super) fn checkout_of(&self, branch: &str) -> Result<Option<Checkout>> {
        let call = self.repo.call("worktree").args(["list", "--porcelain", "-z"]);
        let list = call.read_only().run()?;
        let mut root = PathBuf::new();
        let mut roots = Vec::new();
        for line in list.stdout.split(|&byte| byte == 0) {
            if let Some(path) = line.strip_prefix(b"worktree ") {
                root = PathBuf::from(OsString::from_vec(path.to_vec()));
            } else if line.strip_prefix(b"branch ") == Some(branch.as_bytes())
                // One that cannot be looked at now is there: its files would stay behind.
                && files::is_directory(&root)?
            {
                roots.push(root.clone());
            }
        }
        if roots.len() > 1 {
            return Err(CheckpointError::ManyCheckouts(branch.replacen("refs/heads/", "", 1)));
        }
        let Some(root) = roots.pop() else { return Ok(None) };
        let (git_dir, root) = match Nested::at(&root) {
            Some(nested) if !self.may_be_elsewhere() => (nested.git_dir().to_owned(), root),
            // For a submodule the list names the directory of git, which knows where the files are.
            _ => self.place_of(&root)?,
        };
        let common_dir = self.repo.common_dir().to_owned();
        Ok(Some(Checkout {
            git_dir: Some(git_dir),
            root,
            common_dir,
            exclude: None,
            own: None,
            objects: None,
        }))
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
