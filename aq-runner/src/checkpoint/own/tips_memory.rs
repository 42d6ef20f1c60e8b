//! The last words of git on a repository's refs, for as long as their files are the same: most jobs
//! start with the refs of the one before, and a run of git is most of what that costs.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::files;
use super::super::repository::GitRepository;
use super::super::wip::BRANCHES;
use super::tips::LOOKED_AT;

/// No job id starts with a dot.
const FILE: &str = ".tips";
/// With more files of refs than these, git is as fast.
const MOST: usize = 1000;
/// The longest file of a ref, in bytes.
const MAX_REF: u64 = 64 << 10;

/// The memory of the repository that a queue last worked in.
#[derive(Debug)]
pub(super) struct TipsMemory<'a> {
    common_dir: &'a Path,
    file: PathBuf,
}

/// The state of the files that hold refs, as a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RefsState([u8; 32]);

impl<'a> TipsMemory<'a> {
    pub(super) fn of(repo: &'a GitRepository, notes: &Path) -> Self {
        Self { common_dir: repo.common_dir(), file: notes.join(FILE) }
    }

    /// The state of the refs now; `None` where files do not show it, or are too many.
    pub(super) fn state(&self) -> Option<RefsState> {
        if self.common_dir.join("reftable").exists() {
            return None;
        }
        let mut hash = Sha256::new();
        put(&mut hash, self.common_dir.as_os_str().as_bytes());
        let mut left = MOST;
        for name in LOOKED_AT {
            // Loose ones first, as git does: a ref that is being packed is in one of both.
            self.put_loose(&mut hash, name, &mut left).ok()?;
        }
        let packed = match fs::read(self.common_dir.join("packed-refs")) {
            Err(e) if files::is_absent(&e) => Vec::new(),
            packed => packed.ok()?,
        };
        put(&mut hash, &packed);
        Some(RefsState(hash.finalize().into()))
    }

    fn put_loose(&self, hash: &mut Sha256, name: &str, left: &mut usize) -> io::Result<()> {
        // Those of jobs are no part of what is remembered.
        if BRANCHES.trim_end_matches('/') == name {
            return Ok(());
        }
        *left = left.checked_sub(1).ok_or_else(|| io::Error::other("too many"))?;
        let path = self.common_dir.join(name);
        let about = match path.symlink_metadata() {
            Err(e) if files::is_absent(&e) => return Ok(()),
            about => about?,
        };
        if !about.is_dir() {
            if about.len() > MAX_REF {
                return Err(io::Error::other("no ref"));
            }
            put(hash, name.as_bytes());
            put(hash, &fs::read(&path)?);
            return Ok(());
        }
        let names = fs::read_dir(&path)?.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for entry in names {
            let entry = entry.to_str().ok_or_else(|| io::Error::other("no ref"))?;
            self.put_loose(hash, &format!("{name}/{entry}"), left)?;
        }
        Ok(())
    }

    /// The words of git in this state.
    pub(super) fn recall(&self, state: &RefsState) -> Option<String> {
        let text = fs::read_to_string(&self.file).ok()?;
        let (known, said) = text.split_once('\n')?;
        (known == state.digits()).then(|| said.to_owned())
    }

    /// Remembers what git said, when the refs have not changed meanwhile.
    pub(super) fn remember(&self, state: &RefsState, said: &str) {
        if self.state().as_ref() == Some(state) {
            // What is not remembered is asked again.
            let _ = files::put(&self.file, format!("{}\n{said}", state.digits()).as_bytes());
        }
    }
}

impl RefsState {
    fn digits(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Puts a text with its length, so that none can pass for two.
fn put(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_of_refs_is_another_state() {
        let dir = tempfile::tempdir().unwrap();
        let notes = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let memory = TipsMemory { common_dir: dir.path(), file: notes.path().join(FILE) };
        let mut seen = vec![memory.state().unwrap()];
        for (name, text) in [
            ("refs/heads/main", "1\n"),
            ("refs/heads/main", "2\n"),
            ("refs/remotes/origin/HEAD", "ref: refs/remotes/origin/main\n"),
            ("packed-refs", "1 refs/heads/main\n"),
            ("refs/tags/v1", "1\n"),
        ] {
            write(name, text);
            let state = memory.state().unwrap();
            assert!(!seen.contains(&state), "{name}");
            seen.push(state);
        }
        write("refs/heads/aq/wip/a", "1\n");
        write("refs/aq/base/a", "1\n");
        assert_eq!(memory.state().as_ref(), seen.last(), "of jobs");

        let state = memory.state().unwrap();
        memory.remember(&state, "a\nb\n");
        assert_eq!(memory.recall(&state).as_deref(), Some("a\nb\n"));
        assert_eq!(memory.recall(&seen[0]), None);
        memory.remember(&seen[0], "old\n");
        assert_eq!(memory.recall(&seen[0]), None, "it is the state no more");
        write("reftable/tables.list", "");
        assert_eq!(memory.state(), None);
    }
}
