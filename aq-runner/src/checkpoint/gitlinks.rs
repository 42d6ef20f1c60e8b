//! Entries of an index that stand for repositories inside: their path, and the commit that is
//! checked out there. Git would look into each of them by running itself there, with the
//! configuration that an agent may have put there, so aq reads their `HEAD` by itself.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::checkout::JobCheckout;
use super::error::{HeadState, Result};
use super::files;
use super::nested::NestedRepository;
use super::repository::CommitId;
use super::wip::JobBranch;

/// The kind of a repository inside, as an index has it: `160000` in octal digits.
const GITLINK: [u8; 4] = 0o160_000_u32.to_be_bytes();
/// How much of an index is read at a time, in bytes.
const PIECE: usize = 64 << 10;

/// The repositories inside that an index knows, by their path.
pub(super) type Gitlinks = BTreeMap<OsString, CommitId>;

impl JobBranch {
    /// The repositories inside of an index. Git is asked only where there may be one.
    pub(super) fn gitlinks(&self, checkout: &JobCheckout, index: &Path) -> Result<Gitlinks> {
        // Aq's own index is never in two files.
        let may_have = match files::open(index) {
            Ok(file) => has_gitlink(file).at("read", index)?,
            Err(e) => !files::is_absent(&e),
        };
        if !may_have {
            return Ok(Gitlinks::new());
        }
        let call = checkout.call(self.repo.git(), "ls-files").env("GIT_INDEX_FILE", index);
        let list = call.args(["--stage", "-z"]).slow().run()?;
        Ok(list.stdout.split(|&byte| byte == 0).filter_map(gitlink).collect())
    }

    /// Brings the commits of known repositories inside up to date, and takes those out of the index
    /// that are gone. One without a checkout has not changed.
    pub(super) fn update_gitlinks(
        &self,
        checkout: &JobCheckout,
        index: &Path,
        known: &Gitlinks,
    ) -> Result<()> {
        let mut lines = Vec::new();
        for (path, commit) in known {
            let root = checkout.root.join(path);
            let line = match root.symlink_metadata() {
                Err(e) if files::is_absent(&e) => removal(path, commit),
                Ok(about) if !about.is_dir() => continue,
                _ => match NestedRepository::at(&root).and_then(|nested| nested.head()) {
                    Some(head) if head != *commit => entry(path, &head),
                    _ => continue,
                },
            };
            lines.extend(line);
        }
        self.change_index(checkout, index, &lines)
    }

    /// Takes repositories out of the index that nobody would find again by it.
    pub(super) fn forget_gitlinks(
        &self,
        checkout: &JobCheckout,
        index: &Path,
        unknown: &Gitlinks,
    ) -> Result<()> {
        let lines: Vec<u8> =
            unknown.iter().flat_map(|(path, commit)| removal(path, commit)).collect();
        self.change_index(checkout, index, &lines)
    }

    /// Changes entries of an index; the lines are those of `update-index --index-info -z`.
    pub(super) fn change_index(
        &self,
        checkout: &JobCheckout,
        index: &Path,
        lines: &[u8],
    ) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let call = checkout.call(self.repo.git(), "update-index").env("GIT_INDEX_FILE", index);
        call.args(["-z", "--index-info"]).text(lines)?.slow().run().map(drop)
    }

    /// The paths of submodules by their names, as the checkout's `.gitmodules` has them.
    pub(super) fn submodules(&self, checkout: &JobCheckout) -> Result<BTreeMap<PathBuf, String>> {
        let file = checkout.root.join(".gitmodules");
        if !file.symlink_metadata().is_ok_and(|about| about.is_file()) {
            return Ok(BTreeMap::new());
        }
        let call = checkout.call(self.repo.git(), "config").arg("--file").arg(&file);
        let output = call.args(["-z", "--get-regexp", r"^submodule\..*\.path$"]).output()?;
        let entries = output.stdout.split(|&byte| byte == 0).filter_map(|entry| {
            let at = entry.iter().position(|&byte| byte == b'\n')?;
            let name = str::from_utf8(&entry[..at]).ok()?;
            let name = name.strip_prefix("submodule.")?.strip_suffix(".path")?;
            Some((PathBuf::from(OsStr::from_bytes(&entry[at + 1..])), name.to_owned()))
        });
        Ok(entries.collect())
    }
}

/// A line of `ls-files --stage`, if it is that of a repository inside.
fn gitlink(line: &[u8]) -> Option<(OsString, CommitId)> {
    let at = line.iter().position(|&byte| byte == b'\t')?;
    let mut words = str::from_utf8(&line[..at]).ok()?.split(' ');
    let is_link = words.next() == Some("160000");
    let commit = words.next().and_then(CommitId::parse)?;
    is_link.then(|| (OsString::from_vec(line[at + 1..].to_vec()), commit))
}

fn entry(path: &OsStr, commit: &CommitId) -> Vec<u8> {
    [format!("160000 {commit}\t").as_bytes(), path.as_bytes(), b"\0"].concat()
}

fn removal(path: &OsStr, commit: &CommitId) -> Vec<u8> {
    [format!("0 {}\t", commit.nothing()).as_bytes(), path.as_bytes(), b"\0"].concat()
}

fn has_gitlink(mut index: impl Read) -> std::io::Result<bool> {
    let mut buffer = vec![0; PIECE];
    // The last bytes of the piece before come first.
    let mut filled = 0;
    loop {
        match index.read(&mut buffer[filled..])? {
            0 => return Ok(false),
            more => filled += more,
        }
        if buffer[..filled].windows(GITLINK.len()).any(|bytes| bytes == GITLINK) {
            return Ok(true);
        }
        let kept = filled.min(GITLINK.len() - 1);
        buffer.copy_within(filled - kept..filled, 0);
        filled = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gitlink_is_seen_wherever_a_piece_ends() {
        for before in PIECE - 5..PIECE + 2 {
            let mut index = vec![0x11; before];
            assert!(!has_gitlink(&index[..]).unwrap());
            index.extend(GITLINK);
            assert!(has_gitlink(&index[..]).unwrap(), "{before}");
            // However little comes at a time.
            let (one, other) = index.split_at(before + 2);
            assert!(has_gitlink(one.chain(other)).unwrap(), "{before}");
        }
    }

    #[test]
    fn lines_of_index_are_read() {
        let id = "1".repeat(40);
        let line = format!("160000 {id} 0\ta b");
        assert_eq!(gitlink(line.as_bytes()).unwrap().0, "a b");
        assert_eq!(gitlink(format!("100644 {id} 0\tx").as_bytes()), None);
    }
}
