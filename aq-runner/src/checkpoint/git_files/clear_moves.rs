//! Files of a checkout that move and are nobody's change, seen without a run of git. What is
//! otherwise in any way is for git to judge.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::super::follow::FileMoves;
use super::super::raw_changes::PathChange;
use super::index_file::IndexFile;

impl FileMoves {
    /// Tests for files that are all as the index and the commit have them from which they move.
    /// Nothing is in the place of new ones, as far as the index says. `false` also where only git
    /// can tell.
    pub(in super::super) fn are_clear(&self, root: &Path, index: &Path) -> bool {
        let Some(index) = IndexFile::read(index) else { return false };
        let gone: BTreeSet<&[u8]> = self
            .touched
            .iter()
            .filter(|one| one.is_gone())
            .map(|one| one.path.as_slice())
            .collect();
        self.touched.iter().all(|one| match one.is_new() {
            _ if one.is_gitlink() => false,
            true => is_free(one, &index, &gone),
            false => is_as_before(one, &index, root),
        })
    }
}

fn is_as_before(one: &PathChange, index: &IndexFile, root: &Path) -> bool {
    let Ok(at) = index.find(&one.path) else { return false };
    let entry = &index.entries()[at];
    let object: String = entry.object.iter().map(|byte| format!("{byte:02x}")).collect();
    let (mode, before) = &one.before;
    if *mode != format!("{:06o}", entry.mode) || *before != object {
        return false;
    }
    let about = rustix::fs::lstat(root.join(OsStr::from_bytes(&one.path)));
    about.is_ok_and(|about| index.is_as_seen(entry, &about))
}

/// Tests for a path that the index does not have, nor has anything above or below it that stays.
fn is_free(one: &PathChange, index: &IndexFile, gone: &BTreeSet<&[u8]>) -> bool {
    let stays = |at: usize| !gone.contains(index.path(&index.entries()[at]));
    let Err(_) = index.find(&one.path) else { return false };
    let slashes = one.path.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
    let mut above = slashes.map(|(at, _)| index.find(&one.path[..at]));
    if above.any(|found| found.is_ok_and(stays)) {
        return false;
    }
    let folder = [one.path.as_slice(), b"/"].concat();
    let first = index.find(&folder).unwrap_or_else(|at| at);
    let below = index.entries()[first..].iter().take_while(|e| index.path(e).starts_with(&folder));
    below.enumerate().all(|(n, _)| !stays(first + n))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    use super::super::super::raw_changes::parse_raw;
    use super::super::super::repository::CommitId;
    use super::*;

    fn git(root: &Path, args: &[&str]) -> Vec<u8> {
        let who = ["-c", "user.name=a", "-c", "user.email=a@b"];
        let output = Command::new("git").args(who).args(args).current_dir(root).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        output.stdout
    }

    fn commit(root: &Path) -> CommitId {
        git(root, &["add", "-A"]);
        git(root, &["commit", "-q", "-m", "x"]);
        let name = String::from_utf8(git(root, &["rev-parse", "HEAD"])).unwrap();
        CommitId::parse(name.trim()).unwrap()
    }

    /// A checkout, and a move in which a file changes, one goes and two come.
    fn moves() -> (tempfile::TempDir, FileMoves) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        git(root, &["init", "-q"]);
        for name in ["changed", "gone", "other"] {
            fs::write(root.join(name), "1\n").unwrap();
        }
        let from = commit(root);
        fs::write(root.join("changed"), "2\n").unwrap();
        fs::remove_file(root.join("gone")).unwrap();
        fs::create_dir_all(root.join("new")).unwrap();
        fs::write(root.join("new/file"), "1\n").unwrap();
        fs::write(root.join("came"), "1\n").unwrap();
        let to = commit(root);
        git(root, &["reset", "-q", "--hard", from.as_str()]);
        let raw = git(root, &["diff-tree", "-r", "-z", "--raw", from.as_str(), to.as_str()]);
        let touched = parse_raw(&raw);
        assert_eq!(touched.len(), 4);
        (dir, FileMoves { from, to, touched })
    }

    fn are_clear(root: &Path, moves: &FileMoves) -> bool {
        let path = root.join(".git/index");
        // As if the files had been written long before.
        let index = fs::File::options().append(true).open(&path).unwrap();
        index.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
        moves.are_clear(root, &path)
    }

    #[test]
    fn changes_elsewhere_are_not_in_the_way() {
        let (dir, moves) = moves();
        assert!(are_clear(dir.path(), &moves));
        fs::write(dir.path().join("other"), "mine").unwrap();
        fs::write(dir.path().join("untracked"), "mine").unwrap();
        assert!(are_clear(dir.path(), &moves));
        git(dir.path(), &["add", "-A"]);
        assert!(are_clear(dir.path(), &moves), "staged");
    }

    #[test]
    fn own_changes_are_left_to_git() {
        let write = |root: &Path, name: &str| {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), "mine").unwrap();
        };
        for (name, is_staged) in [
            ("changed", false),
            ("changed", true),
            ("gone", false),
            ("gone", true),
            ("came", true),
            ("came/below", true),
            ("new", true),
            ("new/file", true),
            ("new/file/below", true),
        ] {
            let (dir, moves) = moves();
            write(dir.path(), name);
            if is_staged {
                git(dir.path(), &["add", "-A"]);
                // Only the index has it.
                if !matches!(name, "changed" | "gone") {
                    fs::remove_file(dir.path().join(name)).unwrap();
                }
            }
            assert!(!are_clear(dir.path(), &moves), "{name}, {is_staged}");
        }
        let (dir, moves) = moves();
        fs::remove_file(dir.path().join("changed")).unwrap();
        assert!(!are_clear(dir.path(), &moves), "removed");
        let (dir, moves) = self::moves();
        git(dir.path(), &["update-index", "--assume-unchanged", "changed"]);
        assert!(!are_clear(dir.path(), &moves), "assumed as unchanged");
    }
}
