//! A checkout in which nothing has happened since git last looked, seen without a run of git: it
//! has the files of an index, each as it was, and no others.
//!
//! Most checkouts are so whenever they are looked at again, and the look costs half of what git
//! takes for it. Everything else is for git to say: it knows what is ignored, and what a file's
//! contents are.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};

use super::index_file::{IndexEntry, IndexFile};

/// The deepest directory that is looked into.
const DEEPEST: usize = 100;
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Tests for a checkout with the files of an index and no others. `false` also where only git can
/// tell. What is in `.git` at the top does not count, nor do directories without a file.
pub(in super::super) fn is_untouched(root: &Path, index: &Path) -> bool {
    let Some(index) = IndexFile::read(index) else { return false };
    let Ok(top) = openat(CWD, root, DIRECTORY, Mode::empty()) else { return false };
    let look = DirectoryLook { index: &index, depth: 0, prefix: 0 };
    look.is_same(&top, index.entries()).unwrap_or(false)
}

/// A look at one directory.
#[derive(Clone, Copy)]
struct DirectoryLook<'a> {
    index: &'a IndexFile,
    depth: usize,
    /// The length of its path, with the slash.
    prefix: usize,
}

/// The part of a directory that an index knows, by its name: a file, or a directory with entries.
type KnownName<'a> = (&'a [u8], &'a [IndexEntry], bool);

impl<'a> DirectoryLook<'a> {
    /// Tests for a directory that has these entries of the index; `None` where that cannot be told.
    fn is_same(self, dir: &OwnedFd, entries: &'a [IndexEntry]) -> Option<bool> {
        let known = self.known(entries)?;
        let mut seen = 0;
        for entry in Dir::read_from(dir).ok()? {
            let entry = entry.ok()?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || (self.depth == 0 && name == b".git") {
                continue;
            }
            let found = known.binary_search_by(|(known, ..)| (*known).cmp(name));
            let Some((name, entries, is_dir)) = found.ok().map(|at| known[at]) else {
                if entry.file_type() == FileType::Directory
                    && has_no_file(dir, entry.file_name(), self.depth)?
                {
                    continue;
                }
                return Some(false);
            };
            seen += 1;
            let is_same = match is_dir {
                true => {
                    let inner = openat(dir, entry.file_name(), DIRECTORY, Mode::empty()).ok()?;
                    let prefix = self.prefix + name.len() + 1;
                    let look = DirectoryLook { depth: self.depth + 1, prefix, ..self };
                    look.is_same(&inner, entries)?
                }
                false => {
                    let about = statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
                    self.index.is_as_seen(entries.first()?, &about)
                }
            };
            if !is_same {
                return Some(false);
            }
        }
        Some(seen == known.len())
    }

    /// What the index knows here, by name.
    fn known(self, mut entries: &'a [IndexEntry]) -> Option<Vec<KnownName<'a>>> {
        if self.depth > DEEPEST {
            return None;
        }
        let mut known: Vec<KnownName<'_>> = Vec::new();
        while let Some(first) = entries.first() {
            let rest = self.index.path(first).get(self.prefix..)?;
            let (name, is_dir) = match rest.iter().position(|&byte| byte == b'/') {
                Some(at) => (&rest[..at], true),
                None => (rest, false),
            };
            let is_here = |entry: &IndexEntry| {
                let path = self.index.path(entry).get(self.prefix..).unwrap_or_default();
                path.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&b'/'))
            };
            let count = if is_dir { entries.partition_point(is_here) } else { 1 };
            let (here, others) = entries.split_at(count.max(1));
            known.push((name, here, is_dir));
            entries = others;
        }
        known.sort_unstable_by(|one, other| one.0.cmp(other.0));
        Some(known)
    }
}

/// Tests for a directory without a file in it, however deep.
fn has_no_file(above: impl AsFd, name: &std::ffi::CStr, depth: usize) -> Option<bool> {
    if depth > DEEPEST {
        return None;
    }
    let dir = openat(above, name, DIRECTORY, Mode::empty()).ok()?;
    for entry in Dir::read_from(&dir).ok()? {
        let entry = entry.ok()?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        // One of that name may be a repository some day.
        let is_dir = entry.file_type() == FileType::Directory && entry.file_name() != c".git";
        if !is_dir || !has_no_file(&dir, entry.file_name(), depth + 1)? {
            return Some(false);
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn repository() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a", "a-b", "a.d/x", "a.d/y/z", "a0", "b/c"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "1").unwrap();
        }
        for args in [&["init", "-q"][..], &["add", "-A"]] {
            let status = Command::new("git").args(args).current_dir(dir.path()).status().unwrap();
            assert!(status.success());
        }
        // As if the files had been written long before.
        let index = fs::File::options().append(true).open(dir.path().join(".git/index")).unwrap();
        index.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
        dir
    }

    #[test]
    fn every_touch_of_a_checkout_is_seen() {
        let touches: [fn(&Path); 9] = [
            |root| fs::write(root.join("a"), "2").unwrap(),
            |root| fs::write(root.join("b/new"), "").unwrap(),
            |root| fs::remove_file(root.join("a.d/y/z")).unwrap(),
            |root| fs::remove_dir_all(root.join("a.d")).unwrap(),
            |root| fs::create_dir_all(root.join("empty/.git")).unwrap(),
            |root| fs::write(root.join("empty/inner"), "").unwrap(),
            |root| fs::set_permissions(root.join("a0"), PermissionsExt::from_mode(0o755)).unwrap(),
            |root| {
                fs::rename(root.join("b"), root.join("elsewhere")).unwrap();
                symlink("elsewhere", root.join("b")).unwrap();
            },
            |root| {
                fs::remove_file(root.join("a-b")).unwrap();
                symlink("a", root.join("a-b")).unwrap();
            },
        ];
        for (n, touch) in touches.into_iter().enumerate() {
            let dir = repository();
            let index = dir.path().join(".git/index");
            fs::create_dir_all(dir.path().join("empty/below")).unwrap();
            assert!(is_untouched(dir.path(), &index), "before {n}");
            touch(dir.path());
            assert!(!is_untouched(dir.path(), &index), "after {n}");
        }
    }
}
