//! Where a job's own repository is, and what aq has written down about it.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::super::checkout::remove;
use super::super::error::{CheckpointError, HeadState, Result};
use super::super::files;
use super::super::repository::{CommitId, GitRepository};

/// Files of the control directory: the checkout's name, the commit that it was put at, the refs
/// that it was given and the commit that keeps them, that the branch cannot take the newest work,
/// and that the work of a linked worktree is being joined.
const NAME: &str = "name";
const GIVEN: &str = "given";
const GIVEN_REFS: &str = "given-refs";
const KEEPER: &str = "keeper";
const HELD: &str = "held";
const JOINING: &str = "joining";

/// Where a job's own repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPlace {
    /// The directory in which the checkout is, under the name of the user's repository.
    pub dir: PathBuf,
    /// aq's git directory for it, out of the agent's way.
    pub control: PathBuf,
    /// The linked worktree that version 0.1 made for the job. It is used as long as it is there.
    pub linked: PathBuf,
}

impl OwnPlace {
    /// Whether the job has a checkout, or had one.
    ///
    /// # Errors
    /// When it cannot be looked at now.
    pub fn is_made(&self) -> Result<bool> {
        Ok(self.is_whole()? || files::is_directory(&self.linked)?)
    }

    /// Whether the checkout was ever complete.
    pub(in super::super) fn is_whole(&self) -> Result<bool> {
        files::is_there(&self.control.join(GIVEN))
    }

    /// The checkout; `None` when it was never made, or nobody knows where.
    pub fn root(&self) -> Option<PathBuf> {
        self.named_root().ok()?
    }

    /// The checkout; `None` when it was never made.
    pub(super) fn named_root(&self) -> Result<Option<PathBuf>> {
        let path = self.control.join(NAME);
        let Some(name) = files::read_bytes(&path).at("read", &path)? else { return Ok(None) };
        let name = OsString::from_vec(name);
        // Another directory would be saved in its place, or nothing at all.
        match Path::new(&name).file_name() {
            Some(only) if only == name => Ok(Some(self.dir.join(name))),
            _ => Err(damaged(&path, &name.to_string_lossy(), "the name of the checkout")),
        }
    }

    /// The common directory of the user's repository; `None` when the checkout was never made.
    pub(in super::super) fn common_dir(&self) -> Result<Option<PathBuf>> {
        let path = self.control.join("commondir");
        let common_dir = files::read_bytes(&path).at("read", &path)?;
        Ok(common_dir.map(|bytes| PathBuf::from(OsString::from_vec(bytes))))
    }

    /// Records whose objects the checkout borrows: as git does in a linked worktree.
    pub(super) fn lend(&self, common_dir: &Path) -> Result<()> {
        let path = common_dir.as_os_str().as_bytes();
        files::put(&self.control.join("commondir"), &[path, b"\n"].concat())
    }

    /// aq's index of the files.
    pub(in super::super) fn index(&self) -> PathBuf {
        self.control.join("index")
    }

    /// The commit that the checkout was last put at.
    pub(in super::super) fn given(&self) -> Result<Option<CommitId>> {
        let path = self.control.join(GIVEN);
        let Some(text) = files::read(&path).at("read", &path)? else { return Ok(None) };
        // A power cut leaves such a file, and then it is as if this had never been written.
        if text.bytes().all(|byte| byte == 0) {
            return Ok(None);
        }
        let commit = CommitId::parse(&text);
        commit.map(Some).ok_or_else(|| damaged(&path, &text, "the name of a commit"))
    }

    /// Records the commit that the checkout is put at.
    pub(in super::super) fn give(&self, commit: &CommitId) -> Result<()> {
        files::put(&self.control.join(GIVEN), format!("{commit}\n").as_bytes())
    }

    /// The text of `packed-refs` as the checkout got it.
    pub(super) fn given_refs(&self) -> Result<Vec<u8>> {
        let path = self.control.join(GIVEN_REFS);
        match std::fs::read(&path) {
            Err(e) if files::is_absent(&e) => Ok(Vec::new()),
            read => read.at("read", &path),
        }
    }

    pub(super) fn give_refs(&self, packed: &str) -> Result<()> {
        files::put(&self.control.join(GIVEN_REFS), packed.as_bytes())
    }

    /// The commit that keeps what the checkout borrows.
    pub(super) fn keeper(&self) -> Option<CommitId> {
        files::read(&self.control.join(KEEPER)).ok()?.and_then(|text| CommitId::parse(&text))
    }

    pub(super) fn keep(&self, keeper: &CommitId) -> Result<()> {
        files::put(&self.control.join(KEEPER), format!("{keeper}\n").as_bytes())
    }

    pub(super) fn is_held(&self) -> Result<bool> {
        files::is_there(&self.control.join(HELD))
    }

    /// Notes that the branch cannot take the work, or that it can again.
    pub(in super::super) fn hold(&self, is_held: bool) -> Result<()> {
        let path = self.control.join(HELD);
        if is_held { files::put(&path, b"") } else { remove(&path) }
    }

    /// True while the work of a linked worktree is saved, and not joined with this checkout's yet.
    pub(super) fn is_joining(&self) -> Result<bool> {
        files::is_there(&self.control.join(JOINING))
    }

    pub(super) fn join(&self, is_joining: bool) -> Result<()> {
        let path = self.control.join(JOINING);
        if is_joining { files::put(&path, b"") } else { remove(&path) }
    }

    /// Names the checkout after the user's repository.
    pub(super) fn name(&self, root: &Path) -> Result<()> {
        let name = root.file_name().unwrap_or_default();
        files::put(&self.control.join(NAME), &[name.as_bytes(), b"\n"].concat())
    }

    /// Takes the checkout and aq's directory for it away. The files lose their place first, all
    /// at once: a checkout of which some are gone, because this was killed, would be saved by the
    /// next call, and the branch would lose them.
    pub(in super::super) fn discard(&self) -> Result<()> {
        let Some(name) = self.dir.file_name() else { return Ok(()) };
        // No job id starts with a dot, so this is nobody's.
        let mut gone = OsString::from(".gone-");
        gone.push(name);
        let gone = self.dir.with_file_name(gone);
        remove(&gone)?;
        match std::fs::rename(&self.dir, &gone) {
            Err(e) if files::is_absent(&e) => {}
            moved => moved.at("move away", &self.dir)?,
        }
        remove(&self.control)?;
        remove(&gone)
    }
}

fn damaged(path: &Path, text: &str, expected: &'static str) -> CheckpointError {
    let (source_name, answer) = (path.display().to_string(), text.to_owned());
    CheckpointError::Nonsense { source_name, answer, expected }
}

/// A name for a checkout: that of the user's, without what is awkward in a path. Tools skip
/// directories that begin with a dot.
pub(super) fn repository_name(repo: &GitRepository) -> OsString {
    let top = repo.root().unwrap_or(repo.common_dir());
    let name = top.file_name().unwrap_or_default().as_bytes();
    let name = name.strip_suffix(b".git").unwrap_or(name);
    let start = name.iter().position(|&byte| byte != b'.').unwrap_or(name.len());
    let kept: Vec<u8> =
        name[start..].iter().copied().filter(|&byte| byte >= b' ' && byte != 0x7f).collect();
    if kept.is_empty() { "repository".into() } else { OsString::from_vec(kept) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_checkout_is_not_gone() {
        // As with a failing disk, and also for root: no file can have such a name.
        let dir = Path::new("/").join("x".repeat(300));
        let control = dir.join("control");
        let place = OwnPlace { dir: dir.clone(), control, linked: dir.join("linked") };
        for answer in [place.is_made(), place.is_whole(), place.is_held(), place.is_joining()] {
            assert!(answer.unwrap_err().to_string().contains("look at"));
        }
        assert!(place.common_dir().is_err() && place.named_root().is_err());
    }
}
