//! Linked worktrees, which version 0.1 made in the queue's folder. A job keeps the one that it has.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::checkout::{JobCheckout, remove};
use super::error::{HeadState, Result};
use super::files::{self, read};
use super::wip::{JobBranch, WorkIsolation};

/// What git has on a worktree.
enum WorktreeEntry {
    /// Its own directory there.
    Whole(PathBuf),
    /// `git worktree add` was killed before it had written all files.
    Half(PathBuf),
    No,
}

impl JobBranch {
    /// The worktree, if it is there and was ever complete.
    pub(super) fn find_linked(&self, path: &Path) -> Result<Option<JobCheckout>> {
        if !files::is_directory(path)? {
            return Ok(None);
        }
        let path = &real(path)?;
        Ok(match self.registered(path)? {
            WorktreeEntry::Whole(dir) => Some(self.worktree_at(path, Some(dir))),
            WorktreeEntry::Half(_) => None,
            WorktreeEntry::No if is_empty(path)? => None,
            // The agent pruned or destroyed what git knows of it; the files are still its work.
            WorktreeEntry::No => Some(self.worktree_at(path, None)),
        })
    }

    /// Removes a worktree's files and what git knows of it, and nothing of any other. The files
    /// lose their place first, all at once: a worktree of which some are gone, because this was
    /// killed, would be saved by the next call, and the branch would lose them.
    pub(super) fn discard_linked(&self, path: &Path) -> Result<()> {
        let path = &real(path)?;
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
            WorktreeEntry::Whole(dir) | WorktreeEntry::Half(dir) => remove(&dir),
            WorktreeEntry::No => Ok(()),
        }
    }

    /// Removes the worktree when `git worktree add` was killed before it was done.
    pub(super) fn discard_half_made(&self) -> Result<()> {
        let WorkIsolation::Own(place) = &self.isolation else { return Ok(()) };
        let path = &real(&place.linked)?;
        match self.registered(path)? {
            WorktreeEntry::Half(_) => self.discard_linked(path),
            WorktreeEntry::Whole(_) | WorktreeEntry::No => Ok(()),
        }
    }

    /// Looks at git's own notes, not at `.git` in the worktree, which an agent can change.
    fn registered(&self, path: &Path) -> Result<WorktreeEntry> {
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
            None => WorktreeEntry::No,
            Some(dir) => {
                let locked = read(&dir.join("locked")).ok().flatten().unwrap_or_default();
                // The index is written when all files are. An agent can set that lock as well.
                let half = locked.trim() == "initializing" && !dir.join("index").exists();
                if half { WorktreeEntry::Half(dir) } else { WorktreeEntry::Whole(dir) }
            }
        })
    }

    fn worktree_at(&self, path: &Path, git_dir: Option<PathBuf>) -> JobCheckout {
        let common_dir = self.repo.common_dir().to_owned();
        JobCheckout {
            git_dir,
            root: path.to_owned(),
            common_dir,
            exclude: None,
            own: None,
            objects: None,
        }
    }
}

/// The path without symbolic links, also where its last part is gone.
fn real(path: &Path) -> Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(dir), Some(name)) if files::is_directory(dir)? => {
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
