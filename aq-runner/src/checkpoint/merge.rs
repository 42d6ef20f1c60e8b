//! Bringing a job's branch into the branch from which it started.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::checkout::Checkout;
use super::error::{CheckpointError, Result};
use super::in_place::expect_clean;
use super::notes::Origin;
use super::repository::{CommitId, nonsense};
use super::wip::Wip;

/// What a merge did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The branch that now has the work, as people name it.
    pub into: String,
    /// Its newest commit.
    pub commit: CommitId,
    /// The checkout whose files followed, if the branch was checked out.
    pub checkout: Option<PathBuf>,
    /// The repository's own directory: where commits and branches are.
    pub repository: PathBuf,
}

impl Wip {
    /// Refuses a job whose own checkout is in the middle of a merge or rebase: its conflicts would be
    /// committed as they lie there, and merged.
    ///
    /// # Errors
    /// When it is, or git fails.
    pub fn expect_finished(&self) -> Result<()> {
        let Some(checkout) = self.checkout()? else { return Ok(()) };
        match checkout.unfinished() {
            Some(what) => Err(CheckpointError::Unfinished { root: checkout.root, what }),
            None => Ok(()),
        }
    }

    /// Merges the job's branch into the branch from which the job started: the branch moves
    /// forward, or gets a merge commit with `message`. Files of a checkout of it follow. Merging
    /// again changes nothing.
    ///
    /// # Errors
    /// When the job started from no branch, or that is gone, the merge is not clean, or the branch is checked out
    /// and the checkout has changes, or files in the way. Nothing is changed then.
    pub fn merge(&self, message: &str) -> Result<Merged> {
        let branch = || self.branch().to_owned();
        let tip = self.tip()?.ok_or_else(|| CheckpointError::NoBranch(branch()))?;
        let origin = self.origin()?;
        let Some(Origin::Branch(target)) = &origin else {
            let origin =
                origin.map_or_else(|| "a forgotten place".to_owned(), |o| o.full().to_owned());
            return Err(CheckpointError::NoTarget { branch: branch(), origin });
        };
        let into = target.strip_prefix("refs/heads/").unwrap_or(target).to_owned();
        let old = self.repo.commit(target)?;
        if old.is_none() && !self.started_without_a_commit()? {
            let base = self.base().clone();
            return Err(CheckpointError::TargetGone { branch: branch(), into, base });
        }
        let checkout = self.checkout_of(target, &into)?;
        if let Some(checkout) = &checkout {
            if let Some(what) = checkout.unfinished() {
                return Err(CheckpointError::Unfinished { root: checkout.root.clone(), what });
            }
            expect_clean(&self.repo, checkout, "--untracked-files=no")?;
        }
        let commit = match &old {
            None => tip,
            Some(old) => self.merged(old, tip, &into, message)?,
        };
        let root = checkout.as_ref().map(|checkout| checkout.root.clone());
        let repository = self.repo.common_dir().to_owned();
        let merged = Merged { into, commit, checkout: root, repository };
        if old.as_ref() == Some(&merged.commit) {
            return Ok(merged);
        }
        match &checkout {
            Some(checkout) => self.fast_forward(checkout, &merged.commit)?,
            None => {
                let old = old.map_or_else(|| merged.commit.nothing(), |old| old.to_string());
                self.repo.update_ref(target, &merged.commit, &old)?;
            }
        }
        Ok(merged)
    }

    /// The commit that has both; on no branch yet.
    fn merged(&self, old: &CommitId, tip: CommitId, into: &str, message: &str) -> Result<CommitId> {
        let fork = self.repo.call("merge-base").args([old.as_str(), tip.as_str()]).output()?;
        let fork = String::from_utf8_lossy(&fork.stdout).trim().to_owned();
        if fork == old.as_str() {
            return Ok(tip);
        }
        if fork == tip.as_str() {
            return Ok(old.clone());
        }
        let call = self.repo.call("merge-tree").args(["--write-tree", "-z", "--name-only"]);
        let output = call.args(["--no-messages", old.as_str(), tip.as_str()]).slow().output()?;
        let mut fields = output.fields();
        match (output.code(), fields.next()) {
            (Some(0), Some(tree)) => self.repo.commit_tree(&tree, &[old.clone(), tip], message),
            (Some(1), Some(_)) => Err(CheckpointError::Conflict {
                branch: self.branch().to_owned(),
                into: into.to_owned(),
                paths: fields.collect(),
            }),
            _ => Err(output.failure()),
        }
    }

    /// Moves a checked-out branch and its files in one step of git's own, which refuses when the
    /// branch has moved, and when a file that git does not know is in the way.
    fn fast_forward(&self, checkout: &Checkout, commit: &CommitId) -> Result<()> {
        let call = checkout.call(self.repo.git(), "merge").args(["--ff-only", "--quiet"]);
        let call = call.args(["--no-overwrite-ignore", "--no-autostash", "--no-stat"]);
        call.args(["--no-verify-signatures", commit.as_str()]).slow().run().map(drop)
    }

    /// The one place where a branch is checked out.
    fn checkout_of(&self, branch: &str, short: &str) -> Result<Option<Checkout>> {
        let call = self.repo.call("worktree").args(["list", "--porcelain", "-z"]);
        let list = call.read_only().run()?;
        let mut root = PathBuf::new();
        let mut roots = Vec::new();
        for line in list.stdout.split(|&byte| byte == 0) {
            if let Some(path) = line.strip_prefix(b"worktree ") {
                root = PathBuf::from(OsString::from_vec(path.to_vec()));
            } else if line.strip_prefix(b"branch ") == Some(branch.as_bytes()) && root.is_dir() {
                roots.push(root.clone());
            }
        }
        if roots.len() > 1 {
            return Err(CheckpointError::ManyCheckouts(short.to_owned()));
        }
        let Some(root) = roots.pop() else { return Ok(None) };
        // For a submodule the list names the directory of git, which knows where the files are.
        let call = self.repo.git().call(&root, "rev-parse").arg("--path-format=absolute");
        let places = call.args(["--git-dir", "--show-toplevel"]).run()?.stdout;
        let mut places =
            places.split(|&byte| byte == b'\n').map(|path| OsString::from_vec(path.to_vec()));
        let (Some(git_dir), Some(root)) = (places.next(), places.next()) else {
            return Err(nonsense(b""));
        };
        let common_dir = self.repo.common_dir().to_owned();
        Ok(Some(Checkout {
            git_dir: Some(git_dir.into()),
            root: root.into(),
            common_dir,
            exclude: None,
            own: None,
            objects: None,
        }))
    }
}
