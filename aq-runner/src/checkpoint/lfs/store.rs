//! The directory of contents: `objects/2c/8b/2c8b08da...`.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::error::{HeadState, Result};
use super::pointer::LfsPointer;

/// The bytes that are copied at a time.
const PIECE: usize = 128 << 10;

/// A store of contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LfsStore {
    dir: PathBuf,
}

impl LfsStore {
    /// The store at this place.
    pub(super) fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Says that there ever was a content in it.
    pub(super) fn is_there(&self) -> bool {
        self.dir.join("objects").is_dir()
    }

    /// Says that the content is in it.
    pub(super) fn has(&self, pointer: &LfsPointer) -> bool {
        let about = self.path(pointer).metadata();
        // git-lfs keeps no file for an empty content.
        pointer.size() == 0 || about.is_ok_and(|at| at.is_file() && at.len() == pointer.size())
    }

    /// Copies a content from a store that an agent can change. `false`: there is none that is true
    /// to its name. It is no link to the other file, which the agent could still write to.
    ///
    /// # Errors
    /// When it cannot be written, as on a full disk; nothing of it is left.
    pub(super) fn take(&self, pointer: &LfsPointer, from: &Self) -> Result<bool> {
        let Some(mut file) = from.open(pointer) else { return Ok(false) };
        let scratch = self.dir.join("tmp");
        std::fs::create_dir_all(&scratch).at("create", &scratch)?;
        // git-lfs removes what a kill leaves under such a name.
        let prefix = format!("{}-aq", pointer.oid());
        let mut builder = tempfile::Builder::new();
        // With the user's umask, as git-lfs has it.
        builder.prefix(&prefix).permissions(Permissions::from_mode(0o666));
        let mut copy = builder.tempfile_in(&scratch).at("create a file in", &scratch)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; PIECE];
        let mut left = pointer.size();
        loop {
            let count = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return Ok(false),
            };
            // It may be growing.
            let Some(rest) = left.checked_sub(count as u64) else { return Ok(false) };
            left = rest;
            hash.update(&buffer[..count]);
            copy.write_all(&buffer[..count]).at("copy an LFS object to", copy.path())?;
        }
        let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if digits != pointer.oid() {
            return Ok(false);
        }
        copy.as_file().sync_all().at("copy an LFS object to", copy.path())?;
        let path = self.path(pointer);
        let dir = path.parent().unwrap_or(&self.dir);
        std::fs::create_dir_all(dir).at("create", dir)?;
        copy.persist(&path).map_err(|e| e.error).at("create", &path)?;
        Ok(true)
    }

    /// Opens a content where no link is on the way.
    fn open(&self, pointer: &LfsPointer) -> Option<File> {
        let path = self.path(pointer);
        let is_real = |dir: &Path| dir.symlink_metadata().is_ok_and(|about| about.is_dir());
        let mut dirs = path.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.dir));
        if !dirs.all(is_real) {
            return None;
        }
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&path).ok()?;
        let about = file.metadata().ok()?;
        (about.is_file() && about.len() == pointer.size()).then_some(file)
    }

    fn path(&self, pointer: &LfsPointer) -> PathBuf {
        let oid = pointer.oid();
        self.dir.join("objects").join(&oid[..2]).join(&oid[2..4]).join(oid)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn pointer(content: &str) -> LfsPointer {
        let digits: String =
            Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{digits}\nsize {}\n",
            content.len()
        );
        LfsPointer::parse(text.as_bytes()).unwrap()
    }

    fn put(store: &LfsStore, pointer: &LfsPointer, content: &str) -> PathBuf {
        let path = store.path(pointer);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn only_true_contents_are_copied() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (LfsStore::at(dir.path().join("a")), LfsStore::at(dir.path().join("b")));
        let (good, false_one, long) = (pointer("good"), pointer("true"), pointer("long"));
        let path = put(&from, &good, "good");
        put(&from, &false_one, "lies");
        put(&from, &long, "longer");
        assert!(to.take(&good, &from).unwrap() && to.has(&good));
        for other in [&false_one, &long, &pointer("missing")] {
            assert!(!to.take(other, &from).unwrap() && !to.has(other));
        }
        // Written to later, it is not the user's file.
        std::fs::write(path, "evil").unwrap();
        assert_eq!(std::fs::read_to_string(to.path(&good)).unwrap(), "good");
        assert_eq!(std::fs::read_dir(dir.path().join("b/tmp")).unwrap().count(), 0);
    }

    #[test]
    fn links_and_pipes_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let secret = pointer("secret");
        let elsewhere = LfsStore::at(dir.path().join("elsewhere"));
        let path = put(&elsewhere, &secret, "secret");
        let to = LfsStore::at(dir.path().join("to"));
        for (name, at) in [("a", "a"), ("b", "b/objects"), ("c", "c/objects/xx")] {
            let link = dir.path().join(at.replace("xx", &secret.oid()[..2]));
            let target = elsewhere.path(&secret);
            let depth = 4 - link.strip_prefix(dir.path()).unwrap().components().count();
            let target = target.ancestors().nth(depth + 1).unwrap();
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(target, &link).unwrap();
            let from = LfsStore::at(dir.path().join(name));
            assert!(from.has(&secret), "{name}");
            assert!(!to.take(&secret, &from).unwrap(), "{name}");
        }
        let from = LfsStore::at(dir.path().join("d"));
        let there = from.path(&secret);
        std::fs::create_dir_all(there.parent().unwrap()).unwrap();
        symlink(path, &there).unwrap();
        assert!(!to.take(&secret, &from).unwrap());
        std::fs::remove_file(&there).unwrap();
        nix::unistd::mkfifo(&there, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(!to.take(&secret, &from).unwrap());
    }
}
