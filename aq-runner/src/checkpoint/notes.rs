//! The small files beside a job's branch.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::base::WorkBase;
use super::error::{CheckpointError, HeadState, Result};
use super::files::{is_there, read, read_up_to};
use super::repository::{CheckoutHead, CommitId};

/// The most that is read of the note of a rebase, in bytes: the paths of conflicts are in it.
const MAX_REBASE: u64 = 16 << 20;

/// The start of a job, or the place to which an in-place job goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkOrigin {
    /// A branch, by its full name.
    Branch(String),
    /// A commit that was checked out without a branch.
    Detached(CommitId),
}

impl WorkOrigin {
    pub(super) fn of(head: &CheckoutHead) -> Self {
        match head {
            CheckoutHead::Branch(name, _) | CheckoutHead::Unborn(name) => {
                Self::Branch(name.clone())
            }
            CheckoutHead::Detached(commit) => Self::Detached(commit.clone()),
        }
    }

    /// A name for people and for `git checkout`: `main`, or the digits of a commit.
    pub fn short(&self) -> &str {
        match self {
            Self::Branch(name) => name.strip_prefix("refs/heads/").unwrap_or(name),
            Self::Detached(commit) => commit.as_str(),
        }
    }

    /// The branch's name as people know it; `None` for a commit without a branch.
    pub(super) fn branch(&self) -> Option<&str> {
        match self {
            Self::Branch(_) => Some(self.short()),
            Self::Detached(_) => None,
        }
    }

    /// The full name of the branch, or the digits of the commit.
    pub(super) fn full(&self) -> &str {
        match self {
            Self::Branch(name) => name,
            Self::Detached(commit) => commit.as_str(),
        }
    }
}

/// `<job>.base`: the commit from which the job started, written once. `<job>.from`: the branch of
/// that commit, as old as the base. `<job>.ground`: the present base and what it is made of, as old
/// as the base or newer. `<job>.rebase`: the latest rebase, while it is made or leaves conflicts.
/// `<job>.back`: while an in-place job has the checkout, what was checked out before.
#[derive(Clone, Debug)]
pub(super) struct JobRefs {
    base: PathBuf,
    from: PathBuf,
    ground: PathBuf,
    rebase: PathBuf,
    pub(super) back: PathBuf,
}

impl JobRefs {
    pub(super) fn beside(base: &Path) -> Self {
        Self {
            base: base.to_owned(),
            from: base.with_extension("from"),
            ground: base.with_extension("ground"),
            rebase: base.with_extension("rebase"),
            back: base.with_extension("back"),
        }
    }

    /// The directory in which they are.
    pub(super) fn dir(&self) -> &Path {
        parent(&self.base)
    }

    pub(super) fn base(&self) -> Result<Option<CommitId>> {
        let Some(text) = read(&self.base).at("read", &self.base)? else { return Ok(None) };
        CommitId::parse(&text).map(Some).ok_or_else(|| CheckpointError::Nonsense {
            source_name: self.base.display().to_string(),
            answer: text,
            expected: "the name of a commit",
        })
    }

    /// The ground of a job that has started. Jobs of earlier versions have no such file: their base
    /// was the target.
    pub(super) fn ground(&self) -> Result<Option<WorkBase>> {
        let Some(base) = self.base()? else { return Ok(None) };
        Ok(Some(WorkBase::read(&self.ground)?.unwrap_or_else(|| WorkBase::bare(base))))
    }

    /// Tests for a job that was put on a base of more than its target, or on another one later.
    pub(super) fn has_ground(&self) -> Result<bool> {
        is_there(&self.ground)
    }

    pub(super) fn from(&self) -> Result<Option<WorkOrigin>> {
        origin(&self.from)
    }

    pub(super) fn back(&self) -> Result<Option<WorkOrigin>> {
        origin(&self.back)
    }

    /// Writes what a job starts from. All survive power loss when this returns; the base is last,
    /// so where it is, the others are too.
    pub(super) fn begin(&self, ground: &WorkBase, from: &WorkOrigin) -> Result<()> {
        let dir = parent(&self.base);
        std::fs::create_dir_all(dir).at("create", dir)?;
        replace(&self.from, from.full())?;
        // It says no more than the base where nothing else is in that.
        match *ground == WorkBase::bare(ground.base.clone()) {
            true => remove(&self.ground)?,
            false => replace(&self.ground, &ground.text())?,
        }
        let base_file = synced(dir, ground.base.as_str())?;
        base_file.persist_noclobber(&self.base).map_err(|e| e.error).at("create", &self.base)?;
        sync(dir)
    }

    /// Forgets what a job was about to start from.
    pub(super) fn forget(&self) -> Result<()> {
        remove(&self.base)?;
        remove(&self.ground)?;
        remove(&self.from)
    }

    /// Writes what the job's own work is on top of by now. Durable when this returns.
    pub(super) fn set_ground(&self, ground: &WorkBase) -> Result<()> {
        replace(&self.ground, &ground.text())?;
        sync(parent(&self.ground))
    }

    /// The text about the latest rebase; `None` when there is none.
    pub(super) fn rebase(&self) -> Result<Option<Vec<u8>>> {
        read_up_to(&self.rebase, MAX_REBASE).at("read", &self.rebase)
    }

    /// Writes it. Durable when this returns.
    pub(super) fn set_rebase(&self, text: &str) -> Result<()> {
        replace(&self.rebase, text)?;
        sync(parent(&self.rebase))
    }

    pub(super) fn clear_rebase(&self) -> Result<()> {
        remove(&self.rebase)
    }

    pub(super) fn set_back(&self, back: &WorkOrigin) -> Result<()> {
        replace(&self.back, back.full())?;
        sync(parent(&self.back))
    }

    pub(super) fn clear_back(&self) -> Result<()> {
        remove(&self.back)
    }
}

/// The text of such a file; `None` when there is none.
pub(super) fn origin(path: &Path) -> Result<Option<WorkOrigin>> {
    let Some(text) = read(path).at("read", path)? else { return Ok(None) };
    match CommitId::parse(&text) {
        Some(commit) => Ok(Some(WorkOrigin::Detached(commit))),
        None if text.starts_with("refs/") => Ok(Some(WorkOrigin::Branch(text))),
        None => Err(CheckpointError::Nonsense {
            source_name: path.display().to_string(),
            answer: text,
            expected: "the full name of a branch, or that of a commit",
        }),
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e).at("remove", path),
        _ => Ok(()),
    }
}

fn replace(path: &Path, text: &str) -> Result<()> {
    synced(parent(path), text)?.persist(path).map_err(|e| e.error).at("replace", path)?;
    Ok(())
}

/// A file without its name yet, its content on disk.
fn synced(dir: &Path, text: &str) -> Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new_in(dir).at("create a file in", dir)?;
    writeln!(file, "{text}").at("write", file.path())?;
    file.as_file().sync_all().at("sync", file.path())?;
    Ok(file)
}

fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).at("sync the directory", dir)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}
