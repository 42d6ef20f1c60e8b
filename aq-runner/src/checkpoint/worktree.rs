//! Worktrees: one for each job, in the queue's folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::checkout::{Checkout, remove};
use super::error::{At, Result};
use super::files::read;
use super::git::Output;
use super::wip::{Isolation, Saved, Wip};

/// What became of a finished job's worktree and branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The worktree is gone.
    Worktree {
        /// Whether the branch is gone too: it was merged, or had no commit of its own.
        branch: bool,
    },
    /// Everything stays: a repository inside the worktree may hold commits that are nowhere else.
    Kept {
        /// Where that repository is.
        repository: PathBuf,
    },
    /// Everything stays: some files in the worktree cannot be committed, so they are nowhere else.
    NotSaved {
        /// Words about them.
        left_out: String,
    },
}

/// What git has on a worktree.
enum Registered {
    /// Its own directory there.
    Whole(PathBuf),
    /// `git worktree add` was killed before it had written all files.
    Half(PathBuf),
    No,
}

impl Wip {
    pub(super) fn start_worktree(
        &self,
        path: &Path,
        first: bool,
    ) -> Result<(Checkout, bool, Saved)> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).at("create", dir)?;
        }
        let path = &real(path)?;
        let mut leftovers = Saved::default();
        if first {
            self.begin()?;
        } else {
            if let Some(checkout) = self.find_worktree(path)? {
                leftovers = self.save(&checkout, "aq: left by an attempt that was interrupted")?;
                if checkout.git_dir.is_some() {
                    return Ok((checkout, false, leftovers));
                }
            }
            self.discard(path)?;
            self.unlock_branch()?;
        }
        if first || self.tip()?.is_none() {
            let made = self.repo.update_ref(&self.branch_ref(), &self.base, &self.base.nothing());
            made.map_err(|e| self.not_made(first, e))?;
        }
        let add = self.repo.call("worktree").args(["add", "--quiet"]);
        add.arg(path).arg(self.branch()).slow().run()?;
        let git_dir = match self.registered(path)? {
            Registered::Whole(dir) | Registered::Half(dir) => Some(dir),
            Registered::No => None,
        };
        Ok((self.worktree_at(path, git_dir), true, leftovers))
    }

    /// The worktree, if it is there and was ever complete.
    pub(super) fn find_worktree(&self, path: &Path) -> Result<Option<Checkout>> {
        if !path.is_dir() {
            return Ok(None);
        }
        let path = &real(path)?;
        Ok(match self.registered(path)? {
            Registered::Whole(dir) => Some(self.worktree_at(path, Some(dir))),
            Registered::Half(_) => None,
            Registered::No if is_empty(path)? => None,
            // The agent pruned or destroyed what git knows of it; the files are still its work.
            Registered::No => Some(self.worktree_at(path, None)),
        })
    }

    /// Removes the worktree of a job that has ended, and the branch if it is merged into the one
    /// from which the job started. What is not committed yet is saved first, and then the branch
    /// stays.
    ///
    /// # Errors
    /// When git fails.
    pub fn remove(&self) -> Result<Removed> {
        if let Isolation::Worktree(path) = &self.isolation {
            let path = &real(path)?;
            if let Some(checkout) = self.find_worktree(path)? {
                let saved = self.save(&checkout, "aq: left in the worktree")?;
                if let Some(left_out) = saved.left_out {
                    return Ok(Removed::NotSaved { left_out });
                }
                if let Some(repository) = self.inner_repository(&checkout)? {
                    return Ok(Removed::Kept { repository });
                }
            }
            self.discard(path)?;
        }
        self.forget_pushed()?;
        Ok(Removed::Worktree { branch: self.remove_merged_branch()? })
    }

    fn remove_merged_branch(&self) -> Result<bool> {
        let Some(tip) = self.tip()? else { return Ok(true) };
        let merged = tip == self.base
            || match self.origin()? {
                Some(origin) => self.is_ancestor(tip.as_str(), origin.full())?,
                None => false,
            };
        if !merged {
            return Ok(false);
        }
        // Unlike `update-ref -d` this refuses while somebody has the branch checked out.
        let call = self.repo.call("branch").args(["--quiet", "-D", "--", self.branch()]);
        Ok(call.output()?.code() == Some(0))
    }

    fn is_ancestor(&self, ancestor: &str, descendant: &str) -> Result<bool> {
        let call = self.repo.call("merge-base").args(["--is-ancestor", ancestor, descendant]);
        // 128: the other branch is gone. Then nobody can say that it was merged.
        Ok(call.output()?.code() == Some(0))
    }

    /// A repository inside the worktree: a submodule with files, or a clone that the agent made.
    fn inner_repository(&self, checkout: &Checkout) -> Result<Option<PathBuf>> {
        let Some(dir) = &checkout.git_dir else { return Ok(None) };
        if dir.join("modules").is_dir() {
            return Ok(Some(dir.join("modules")));
        }
        let list: Output =
            checkout.call(self.repo.git(), "ls-files").args(["--stage", "-z"]).run()?;
        let links = list.fields().filter_map(|line| {
            let (kind, path) = line.split_once('\t')?;
            kind.starts_with("160000 ").then(|| checkout.root.join(path))
        });
        Ok(links.into_iter().find(|path| path.join(".git").symlink_metadata().is_ok()))
    }

    /// Removes a worktree's files and what git knows of it, and nothing of any other. The files lose
    /// their place first, all at once: a worktree of which some are gone, because this was killed, would
    /// be saved by the next call, and the branch would lose them.
    fn discard(&self, path: &Path) -> Result<()> {
        if let Some(name) = path.file_name() {
            // No job id starts with a dot, so this is nobody's worktree.
            let mut gone = OsString::from(".gone-");
            gone.push(name);
            let gone = path.with_file_name(gone);
            remove(&gone)?;
            match std::fs::rename(path, &gone) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                moved => moved.at("move away", path)?,
            }
            remove(&gone)?;
        }
        match self.registered(path)? {
            Registered::Whole(dir) | Registered::Half(dir) => remove(&dir),
            Registered::No => Ok(()),
        }
    }

    /// Removes the worktree when `git worktree add` was killed before it was done.
    pub(super) fn discard_half_made(&self) -> Result<()> {
        let Isolation::Worktree(path) = &self.isolation else { return Ok(()) };
        let path = &real(path)?;
        match self.registered(path)? {
            Registered::Half(_) => self.discard(path),
            Registered::Whole(_) | Registered::No => Ok(()),
        }
    }

    /// Looks at git's own notes, not at `.git` in the worktree, which an agent can change.
    fn registered(&self, path: &Path) -> Result<Registered> {
        let all = self.repo.common_dir().join("worktrees");
        let dot_git = path.join(".git");
        let is_ours = |dir: &Path| {
            let Ok(Some(text)) = read(&dir.join("gitdir")) else { return false };
            // It may be relative to the directory in which it lies.
            let named = dir.join(text);
            named == dot_git
                || named.parent().and_then(|at| at.canonicalize().ok()).is_some_and(|at| at == path)
        };
        // Git names the directory as the worktree's, and appends a number when that is taken.
        let expected = path.file_name().map(|name| all.join(name)).filter(|dir| is_ours(dir));
        let found = match expected {
            Some(dir) => Some(dir),
            None => directories(&all)?.into_iter().find(|dir| is_ours(dir)),
        };
        Ok(match found {
            None => Registered::No,
            Some(dir) => {
                let locked = read(&dir.join("locked")).ok().flatten().unwrap_or_default();
                // The index is written when all files are. An agent can set that lock as well.
                let half = locked.trim() == "initializing" && !dir.join("index").exists();
                if half { Registered::Half(dir) } else { Registered::Whole(dir) }
            }
        })
    }

    fn worktree_at(&self, path: &Path, git_dir: Option<PathBuf>) -> Checkout {
        let common_dir = self.repo.common_dir().to_owned();
        Checkout { git_dir, root: path.to_owned(), common_dir, exclude: None }
    }
}

/// The path without symbolic links, also where its last part is gone.
fn real(path: &Path) -> Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(dir), Some(name)) if dir.is_dir() => {
            Ok(dir.canonicalize().at("open", dir)?.join(name))
        }
        _ => Ok(path.to_owned()),
    }
}

fn directories(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.at("list", dir)?,
    };
    entries.map(|entry| entry.map(|entry| entry.path()).at("list", dir)).collect()
}

fn is_empty(dir: &Path) -> Result<bool> {
    Ok(std::fs::read_dir(dir).at("list", dir)?.next().is_none())
}
