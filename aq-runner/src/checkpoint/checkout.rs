//! A checkout: files, with the index and the `HEAD` that belong to them.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::remove_tree;

use super::error::{HeadState, Result};
use super::files;
use super::git::{GitCommand, GitProgram};
use super::own::{OwnRepository, borrowed_from};

/// The index in which a checkpoint is made. There is one in a checkout at a time, so what lies
/// there under this name is left from a process that was killed.
const INDEX: &str = "aq-index";

/// What git keeps beside `HEAD` while an operation is going on.
pub(super) const UNFINISHED: &[&str] = &[
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "BISECT_LOG",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
];

/// What belongs to those and means nothing without them. Git leaves some of it behind, such as
/// `REBASE_HEAD` after a rebase that was continued.
pub(super) const UNFINISHED_DETAILS: &[&str] = &[
    "REBASE_HEAD",
    "MERGE_MODE",
    "MERGE_MSG",
    "MERGE_RR",
    "MERGE_AUTOSTASH",
    "AUTO_MERGE",
    "SQUASH_MSG",
    "BISECT_ANCESTORS_OK",
    "BISECT_EXPECTED_REV",
    "BISECT_NAMES",
    "BISECT_RUN",
    "BISECT_START",
    "BISECT_TERMS",
];

/// What a killed checkpoint leaves.
const INDEX_FILES: [&str; 2] = [INDEX, "aq-index.lock"];

#[derive(Clone, Debug)]
pub(super) struct JobCheckout {
    /// Where `HEAD` and the index are; `None` when that is lost and only the files are there.
    pub(super) git_dir: Option<PathBuf>,
    pub(super) root: PathBuf,
    /// The directory of objects and branches.
    pub(super) common_dir: PathBuf,
    /// A directory in it that is none of its business: the queue.
    pub(super) exclude: Option<OsString>,
    /// The agent's own repository; `None` where it shares that of the user.
    pub(super) own: Option<OwnRepository>,
    /// Where new objects go, when that is not the user's repository.
    pub(super) objects: Option<PathBuf>,
}

impl JobCheckout {
    /// A call on the files. It does not look at `.git` in the directory, which an agent can change.
    pub(super) fn call(&self, git: &GitProgram, subcommand: &str) -> GitCommand {
        self.call_with(git, &[], subcommand)
    }

    /// The same with further options of git itself.
    pub(super) fn call_with(
        &self,
        git: &GitProgram,
        options: &[&str],
        subcommand: &str,
    ) -> GitCommand {
        let call = git
            .call_with(options, &self.root, subcommand)
            .env("GIT_DIR", self.git_dir.as_ref().unwrap_or(&self.common_dir))
            .env("GIT_WORK_TREE", &self.root);
        let Some(objects) = &self.objects else { return call };
        let lent = borrowed_from(&self.common_dir.join("objects"));
        call.env("GIT_OBJECT_DIRECTORY", objects).env("GIT_ALTERNATE_OBJECT_DIRECTORIES", lent)
    }

    /// What makes a call look at everything except the queue.
    pub(super) fn pathspec(&self) -> Vec<OsString> {
        let mut spec = vec!["--".into(), ".".into()];
        if let Some(dir) = &self.exclude {
            let mut except = OsString::from(":(exclude,literal)");
            except.push(dir);
            spec.push(except);
        }
        spec
    }

    /// The operation that is going on, by the file that says so.
    pub(super) fn unfinished(&self) -> Option<&'static str> {
        if let Some(own) = &self.own {
            return own.unfinished();
        }
        let dir = self.git_dir.as_ref()?;
        UNFINISHED.iter().find(|name| dir.join(name).symlink_metadata().is_ok()).copied()
    }

    /// Removes the locks that a killed git left in this checkout, and none of those that belong to
    /// the whole repository.
    pub(super) fn clear_locks(&self) -> Result<()> {
        if let Some(own) = &self.own {
            own.clear_locks()?;
        }
        let dir = self.git_dir.as_ref().unwrap_or(&self.common_dir);
        INDEX_FILES.iter().try_for_each(|name| remove(&dir.join(name)))?;
        let Some(dir) = &self.git_dir else { return Ok(()) };
        for entry in std::fs::read_dir(dir).at("list", dir)? {
            let entry = entry.at("list", dir)?;
            if entry.file_name().to_str().is_some_and(is_lock_of_checkout) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Forgets a merge, rebase or bisection that was going on.
    pub(super) fn clear_unfinished(&self) -> Result<()> {
        let (Some(dir), Some(_)) = (&self.git_dir, self.unfinished()) else { return Ok(()) };
        UNFINISHED.iter().chain(UNFINISHED_DETAILS).try_for_each(|name| remove(&dir.join(name)))
    }

    /// The index that belongs to the files.
    pub(super) fn index(&self) -> PathBuf {
        self.git_dir.as_ref().unwrap_or(&self.common_dir).join("index")
    }

    pub(super) fn temporary_index(&self) -> PathBuf {
        self.git_dir.as_ref().unwrap_or(&self.common_dir).join(INDEX)
    }

    /// Copies the index, so that only what changed since is read. `false` when there is none that
    /// can be read.
    pub(super) fn copy_index(&self, to: &Path) -> Result<bool> {
        let Some(dir) = &self.git_dir else { return Ok(false) };
        let Ok(index) = files::open(&dir.join("index")) else { return Ok(false) };
        let copy = File::create(to).at("create", to)?;
        copy_index(&index, &copy).at("copy the index to", to)?;
        Ok(true)
    }

    /// Whether `HEAD` is this branch, by its full name. Where git keeps that elsewhere than in a
    /// file of its own, nobody knows.
    pub(super) fn is_on(&self, branch: &str) -> Result<bool> {
        let Some(dir) = &self.git_dir else { return Ok(false) };
        let head = dir.join("HEAD");
        let text = files::read(&head).at("read", &head)?;
        Ok(text.is_some_and(|text| text.strip_prefix("ref: ") == Some(branch)))
    }

    /// Puts the temporary index in the place of the checkout's own.
    pub(super) fn install_index(&self) -> Result<()> {
        let Some(dir) = &self.git_dir else { return Ok(()) };
        let index = dir.join("index");
        std::fs::rename(self.temporary_index(), &index).at("replace", &index)
    }
}

/// Copies an index with its time: git reads files again that changed in the moment in which the
/// index was written, and a copy with a time of its own would hide that moment.
pub(super) fn copy_index(mut index: &File, mut copy: &File) -> io::Result<()> {
    io::copy(&mut index, &mut copy)?;
    copy.set_modified(index.metadata()?.modified()?)
}

/// Whether a file locks the index, `HEAD`, or another of the refs in capitals that each checkout
/// has for itself: `ORIG_HEAD`, `AUTO_MERGE`, ...
fn is_lock_of_checkout(name: &str) -> bool {
    name.strip_suffix(".lock").is_some_and(|locked| {
        let is_ref = |b: u8| b.is_ascii_uppercase() || b == b'_';
        locked == "index" || (!locked.is_empty() && locked.bytes().all(is_ref))
    })
}

pub(super) fn remove(path: &Path) -> Result<()> {
    remove_tree(path).at("remove", path)
}
