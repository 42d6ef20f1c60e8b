//! Git's index, read as a file: the paths in it, and the state of their files when git last looked.
//!
//! `gitformat-index` promises the format. Whatever in it is not as it is nearly everywhere is for
//! git itself to read.

use std::ops::Range;
use std::path::Path;

use rustix::fs::{FileType, Stat};

use super::super::files;

/// The longest index that is read, in bytes: a million files.
const MAX_LEN: u64 = 128 << 20;
const SIGNATURE: &[u8] = b"DIRC";
const HEADER: usize = 12;
/// The digits that a name of an object and the end of the file have, in bytes: those of SHA-1.
const DIGITS: usize = 20;
/// The part of an entry before its path, without the second flags.
const FIXED: usize = 40 + DIGITS + 2;
const HAS_MORE_FLAGS: u16 = 0x4000;
/// Bits of the flags: assumed as unchanged, and the side of a conflict.
const ODD_FLAGS: u16 = 0x8000 | 0x3000;
/// Bits of the second flags: not to be in the checkout, and only intended to be added.
const ODD_MORE_FLAGS: u16 = 0x4000 | 0x2000;

/// Seconds and nanoseconds of a time, as far as an index has room for them.
type FileTime = (u32, u32);

/// The entries of an index in the order of their paths.
#[derive(Debug)]
pub(in super::super) struct IndexFile {
    /// The paths of all, one after the other.
    names: Vec<u8>,
    entries: Vec<IndexEntry>,
    /// The time at which it was written.
    written: FileTime,
}

/// A path of an index. No entry is one side of a conflict, nor hides its file.
#[derive(Debug)]
pub(in super::super) struct IndexEntry {
    name: Range<usize>,
    /// Kind and permissions.
    pub(in super::super) mode: u32,
    /// The name of the contents.
    pub(in super::super) object: [u8; DIGITS],
    changed: FileTime,
    modified: FileTime,
    inode: u32,
    owner: (u32, u32),
    size: u32,
}

impl IndexFile {
    /// Reads an index with names of SHA-1. `None`: there is none, or git itself has to read it.
    pub(in super::super) fn read(path: &Path) -> Option<Self> {
        let file = files::open(path).ok()?;
        let about = rustix::fs::fstat(&file).ok()?;
        let size = u64::try_from(about.st_size).ok().filter(|size| *size <= MAX_LEN)?;
        let bytes = files::read_open(file, size).ok()?;
        Self::parse(&bytes, modified(&about))
    }

    fn parse(bytes: &[u8], written: FileTime) -> Option<Self> {
        let end = bytes.len().checked_sub(DIGITS)?;
        let version = number(bytes, 4).filter(|_| bytes.starts_with(SIGNATURE))?;
        let count = number(bytes, 8).filter(|_| matches!(version, 2..=4))?;
        let body = bytes.get(..end)?;
        let most = body.len() / FIXED;
        let entries = Vec::with_capacity(usize::try_from(count).ok()?.min(most));
        let mut index = Self { names: Vec::with_capacity(body.len() / 2), entries, written };
        let mut at = HEADER;
        for _ in 0..count {
            at = index.take_entry(body, at, version)?;
        }
        // An extension that git must know changes the meaning of all of it.
        while at < end {
            body.get(at).filter(|letter| letter.is_ascii_uppercase())?;
            at = at.checked_add(8)?.checked_add(usize::try_from(number(body, at + 4)?).ok()?)?;
        }
        (at == end).then_some(index)
    }

    /// Reads an entry, and answers where the next one starts.
    fn take_entry(&mut self, body: &[u8], start: usize, version: u32) -> Option<usize> {
        let fixed = body.get(start..start + FIXED)?;
        let word = |n: usize| number(fixed, n * 4);
        let flags = u16::from_be_bytes(fixed.last_chunk().copied()?);
        let mut at = start + FIXED;
        let mut odd = flags & ODD_FLAGS;
        if flags & HAS_MORE_FLAGS != 0 {
            odd |= u16::from_be_bytes(body.get(at..)?.first_chunk().copied()?) & ODD_MORE_FLAGS;
            at += 2;
        }
        if odd != 0 {
            return None;
        }
        let before = self.entries.last().map_or(0..0, |entry| entry.name.clone());
        let kept = match version {
            4 => {
                let (dropped, next) = distance(body, at)?;
                at = next;
                before.len().checked_sub(dropped)?
            }
            _ => 0,
        };
        let length = body.get(at..)?.iter().position(|&byte| byte == 0)?;
        let name = self.names.len();
        self.names.extend_from_within(before.start..before.start + kept);
        self.names.extend_from_slice(&body[at..at + length]);
        let name = name..self.names.len();
        at += length;
        // Entries of the older versions are filled up to eight bytes, with one at least.
        at += if version == 4 { 1 } else { 8 - (at - start) % 8 };
        self.entries.push(IndexEntry {
            name,
            mode: word(6)?,
            object: fixed[40..].first_chunk().copied()?,
            changed: (word(0)?, word(1)?),
            modified: (word(2)?, word(3)?),
            inode: word(5)?,
            owner: (word(7)?, word(8)?),
            size: word(9)?,
        });
        Some(at)
    }

    pub(in super::super) fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    pub(in super::super) fn path(&self, entry: &IndexEntry) -> &[u8] {
        &self.names[entry.name.clone()]
    }

    /// The place of a path among the entries, or that at which it would be.
    pub(in super::super) fn find(&self, path: &[u8]) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| self.path(entry).cmp(path))
    }

    /// Tests for a file that is as git has last seen it. One that was written when the index was
    /// may have changed in the same moment, so of that nobody knows without reading it.
    pub(in super::super) fn is_as_seen(&self, entry: &IndexEntry, about: &Stat) -> bool {
        let is_of_kind = match entry.mode {
            0o100_644 => is_file(about) && about.st_mode & 0o100 == 0,
            0o100_755 => is_file(about) && about.st_mode & 0o100 != 0,
            0o120_000 => FileType::from_raw_mode(about.st_mode) == FileType::Symlink,
            _ => false,
        };
        is_of_kind
            && entry.modified.max(entry.changed) < self.written
            && entry.modified == modified(about)
            && entry.changed == (about.st_ctime as u32, about.st_ctime_nsec as u32)
            && entry.inode == about.st_ino as u32
            && entry.owner == (about.st_uid, about.st_gid)
            && entry.size == about.st_size as u32
    }
}

impl IndexEntry {
    /// Tests for the same contents and kind.
    pub(in super::super) fn is_same(&self, other: &Self) -> bool {
        (self.mode, self.object) == (other.mode, other.object)
    }

    /// Tests for a repository inside.
    pub(in super::super) fn is_gitlink(&self) -> bool {
        self.mode == 0o160_000
    }
}

fn is_file(about: &Stat) -> bool {
    FileType::from_raw_mode(about.st_mode) == FileType::RegularFile
}

fn modified(about: &Stat) -> FileTime {
    (about.st_mtime as u32, about.st_mtime_nsec as u32)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// A number of as many bytes as it needs, and where the next thing starts.
fn distance(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut byte = *bytes.get(at)?;
    let mut value = usize::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        at += 1;
        byte = *bytes.get(at)?;
        value = value.checked_add(1)?.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
    }
    Some((value, at + 1))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A repository with some files, whose index has this version.
    fn repository(version: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..40 {
            let path = dir.path().join(format!("dir-{}/{}-{n}", n % 3, "x".repeat(n)));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{n}")).unwrap();
        }
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        git(&dir, &["init", "-q"]);
        git(&dir, &["update-index", "--index-version", version]);
        git(&dir, &["add", "-A"]);
        dir
    }

    fn git(dir: &tempfile::TempDir, args: &[&str]) -> Vec<u8> {
        let output = Command::new("git").args(args).current_dir(dir.path()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        output.stdout
    }

    fn listed(index: &IndexFile) -> String {
        let line = |entry: &IndexEntry| {
            let object: String = entry.object.iter().map(|byte| format!("{byte:02x}")).collect();
            let path = String::from_utf8_lossy(index.path(entry)).into_owned();
            format!("{:o} {object} 0\t{path}\0", entry.mode)
        };
        index.entries().iter().map(line).collect()
    }

    #[test]
    fn indexes_are_read_as_git_does() {
        for version in ["2", "3", "4"] {
            let dir = repository(version);
            let index = IndexFile::read(&dir.path().join(".git/index")).unwrap();
            let said = git(&dir, &["ls-files", "--stage", "-z"]);
            assert_eq!(listed(&index), String::from_utf8(said).unwrap(), "version {version}");
            for (n, entry) in index.entries().iter().enumerate() {
                assert_eq!(index.find(index.path(entry)), Ok(n));
            }
        }
    }

    #[test]
    fn odd_indexes_are_left_to_git() {
        let dir = repository("2");
        let path = dir.path().join(".git/index");
        assert!(IndexFile::read(&path).is_some());
        git(&dir, &["update-index", "--assume-unchanged", "link"]);
        assert!(IndexFile::read(&path).is_none(), "assumed as unchanged");
        git(&dir, &["update-index", "--no-assume-unchanged", "link"]);
        git(&dir, &["update-index", "--skip-worktree", "link"]);
        assert!(IndexFile::read(&path).is_none(), "not to be in the checkout");
        git(&dir, &["update-index", "--no-skip-worktree", "link"]);
        git(&dir, &["update-index", "--split-index"]);
        assert!(IndexFile::read(&path).is_none(), "in two files");
        assert!(IndexFile::read(&dir.path().join("none")).is_none());
    }

    #[test]
    fn torn_indexes_are_left_to_git() {
        let dir = repository("4");
        let whole = std::fs::read(dir.path().join(".git/index")).unwrap();
        for len in 0..whole.len() {
            let mut torn = whole[..len].to_vec();
            assert!(IndexFile::parse(&torn, (0, 0)).is_none(), "{len}");
            torn.resize(whole.len(), 0xff);
            // Whatever it says, it ends.
            let _ = IndexFile::parse(&torn, (0, 0));
        }
    }

    #[test]
    fn only_files_as_seen_count() {
        let dir = repository("2");
        let path = dir.path().join("dir-0/-0");
        let about = |path: &Path| rustix::fs::lstat(path).unwrap();
        let seen = |index: &IndexFile| {
            let at = index.find(b"dir-0/-0").unwrap();
            index.is_as_seen(&index.entries()[at], &about(&path))
        };
        let bytes = std::fs::read(dir.path().join(".git/index")).unwrap();
        let (seconds, _) = modified(&about(&path));
        let later = IndexFile::parse(&bytes, (seconds + 10, 0)).unwrap();
        assert!(seen(&later));
        let same = IndexFile::parse(&bytes, modified(&about(&path))).unwrap();
        assert!(!seen(&same), "written in the same moment");
        std::fs::write(&path, "other").unwrap();
        assert!(!seen(&later));
    }
}
