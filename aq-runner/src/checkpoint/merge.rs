//! Bringing a job's branch into the branch from which it started.
//!
//! The merge is made in objects only, then the files of a checkout of the target follow, and last
//! its branch moves. When this is killed between the two, the next call finds the files where they
//! should be and moves the branch.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::checkout::Checkout;
use super::error::{At, CheckpointError, Result};
use super::files;
use super::in_place::refuse_dirt;
use super::notes::Origin;
use super::repository::{CommitId, nonsense};
use super::wip::Wip;

/// The file in a repository whose lock lets one merge at a time pass.
const LOCK: &str = "aq-merge.lock";
/// The longest wait for another merge: it has its own limits.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// The pause between two looks at it.
const PAUSE: Duration = Duration::from_millis(20);

/// What a merge did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The branch that now has the work, as people name it.
    pub into: String,
    /// Its newest commit.
    pub commit: CommitId,
    /// The checkout whose files followed, if the branch was checked out.
    pub checkout: Option<PathBuf>,
    /// Submodules of that checkout that are now at an older commit than the branch says.
    pub submodules: Vec<String>,
    /// The repository's own directory: where commits and branches are.
    pub repository: PathBuf,
}

impl Wip {
    /// Refuses a job whose own checkout is in the middle of a merge or rebase: its conflicts would
    /// be committed as they are, and merged.
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
    /// forward, or gets a merge commit with `message`. Where it has dropped what the job started
    /// from, it gets the job's own commits and no others. Files of a checkout of it follow. Merging
    /// again changes nothing.
    ///
    /// # Errors
    /// When the job started from no branch, or that is gone, the merge is not clean, or the branch
    /// is checked out and the checkout has changes, or files in the way. Nothing is changed then.
    pub fn merge(&self, message: &str) -> Result<Merged> {
        let branch = || self.branch().to_owned();
        let _one_at_a_time = self.lock_merges()?;
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
        if let Some(checkout) = &checkout
            && let Some(what) = checkout.unfinished()
        {
            return Err(CheckpointError::Unfinished { root: checkout.root.clone(), what });
        }
        let commit = match &old {
            None => tip,
            Some(old) => self.merged(old, tip, &into, message)?,
        };
        if old.as_ref() != Some(&commit) {
            if let Some(checkout) = &checkout {
                self.move_checkout(checkout, old.as_ref(), &commit)?;
            }
            let old = old.as_ref().map_or_else(|| commit.nothing(), ToString::to_string);
            self.repo.update_ref(target, &commit, &old)?;
        }
        let submodules = match &checkout {
            Some(checkout) => self.submodules_behind(checkout)?,
            None => Vec::new(),
        };
        let root = checkout.map(|checkout| checkout.root);
        let repository = self.repo.common_dir().to_owned();
        Ok(Merged { into, commit, checkout: root, submodules, repository })
    }

    /// Waits until no other merge is made in the repository.
    fn lock_merges(&self) -> Result<File> {
        let path = self.repo.common_dir().join(LOCK);
        let file = File::options().write(true).create(true).truncate(false).open(&path);
        let file = file.at("create", &path)?;
        let give_up = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(e)) => return Err(e).at("lock", &path),
                Err(TryLockError::WouldBlock) if Instant::now() >= give_up => {
                    return Err(CheckpointError::MergeGoesOn(self.repo.common_dir().to_owned()));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
        }
    }

    /// The commit that has both; on no branch yet.
    fn merged(&self, old: &CommitId, tip: CommitId, into: &str, message: &str) -> Result<CommitId> {
        let conflict = |paths: Vec<String>| CheckpointError::Conflict {
            branch: self.branch().to_owned(),
            into: into.to_owned(),
            paths,
        };
        match self.fork(old, &tip)? {
            Some(fork) if fork == tip => return Ok(old.clone()),
            // What the job started from is not in the target any more.
            _ if self.fork(old, self.base())?.as_ref() != Some(self.base()) => {
                return self.replayed(old, &tip, message)?.map_err(conflict);
            }
            Some(fork) if fork == *old => return Ok(tip),
            _ => {}
        }
        let tree = self.merge_trees(old, old, &tip)?.map_err(conflict)?;
        self.repo.commit_tree(&tree, &[old.clone(), tip], message)
    }

    /// Brings the files of a checkout of the target to its new commit. Git refuses when one has
    /// changes, and when a file that it does not know is in the way.
    fn move_checkout(
        &self,
        checkout: &Checkout,
        old: Option<&CommitId>,
        new: &CommitId,
    ) -> Result<()> {
        let call = |subcommand| checkout.call(self.repo.git(), subcommand).slow();
        let has_it =
            call("diff-index").args(["--cached", "--quiet", new.as_str(), "--"]).output()?;
        if has_it.code() == Some(0) && old.is_some() {
            // An earlier call was killed before the branch followed.
            call("update-index").args(["-q", "--refresh", "--ignore-submodules"]).output()?;
            let names = ["--name-only", "-z", "--ignore-submodules=all"];
            let changed = call("diff-files").args(names).run()?;
            return refuse_dirt(checkout, changed.fields().collect());
        }
        // What is checked out in submodules is not touched, and is nobody's business.
        let status = call("status").args(["--porcelain", "-z", "--no-renames", "-uno"]);
        let status = status.arg("--ignore-submodules=all").read_only().run()?;
        let changed = status.fields().map(|line| line.get(3..).unwrap_or(&line).to_owned());
        refuse_dirt(checkout, changed.collect())?;
        let old = old.unwrap_or(self.base());
        self.refuse_files_in_the_way(checkout, old, new)?;
        call("read-tree").args(["-m", "-u", old.as_str(), new.as_str()]).run().map(drop)
    }

    /// Refuses to write over files that git does not know: to `read-tree` those that it ignores are
    /// worth nothing.
    fn refuse_files_in_the_way(
        &self,
        checkout: &Checkout,
        old: &CommitId,
        new: &CommitId,
    ) -> Result<()> {
        let call = self.repo.call("diff-tree").args(["-r", "-z", "--name-status", "--no-renames"]);
        let call = call.args(["--diff-filter=AD", old.as_str(), new.as_str(), "--"]);
        let output = call.slow().run()?;
        let mut fields = output.stdout.split(|&byte| byte == 0);
        let (mut added, mut deleted) = (Vec::new(), BTreeSet::new());
        while let (Some(kind), Some(path)) = (fields.next(), fields.next()) {
            let path = PathBuf::from(OsString::from_vec(path.to_vec()));
            if kind == b"A" {
                added.push(path);
            } else {
                deleted.insert(path);
            }
        }
        let is_in_the_way = |path: &&PathBuf| {
            let there =
                path.ancestors().find(|part| checkout.root.join(part).symlink_metadata().is_ok());
            // A directory is no obstacle for what goes into it.
            let is_dir = |part: &Path| part != *path && checkout.root.join(part).is_dir();
            there.is_some_and(|part| !is_dir(part) && !deleted.contains(part))
        };
        let paths: Vec<String> =
            added.iter().filter(is_in_the_way).map(|path| path.display().to_string()).collect();
        if paths.is_empty() {
            return Ok(());
        }
        Err(CheckpointError::InTheWay { root: checkout.root.clone(), paths })
    }

    /// The submodules with files whose commit is not that of the index.
    fn submodules_behind(&self, checkout: &Checkout) -> Result<Vec<String>> {
        let links = self.gitlinks(checkout, &checkout.index())?;
        let is_behind = |(path, commit): &(&OsString, &CommitId)| {
            let nested = super::nested::Nested::at(&checkout.root.join(path));
            nested.and_then(|nested| nested.head()).is_some_and(|head| head != **commit)
        };
        let behind = links.iter().filter(is_behind);
        Ok(behind.map(|(path, _)| path.to_string_lossy().into_owned()).collect())
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
            } else if line.strip_prefix(b"branch ") == Some(branch.as_bytes())
                // One that cannot be looked at now is there: its files would stay behind.
                && files::is_directory(&root)?
            {
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
