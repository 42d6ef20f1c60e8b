//! Removing a tree whatever state it was left in.
//!
//! Build tools make their caches read-only (Go, renv), and agents run `chmod -R a-w`: then an owner
//! who is not root cannot remove a file until its directory is writable again. So each directory of
//! this user's own is opened up on the way. Every step is relative to an open directory, so a
//! directory that somebody replaces by a link meanwhile leads nowhere, and a tree may be deeper
//! than a path can be long.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, open, statat, unlinkat};
use rustix::io::Errno;

use super::node::{DirectoryStat, open_directory, open_parent};
use super::remaining::{RemovalError, reason};
use super::user;

/// Directories that are kept open on the way down; the way back to one further up is `..`.
const OPEN: usize = 64;

/// Looks at a directory in which there is always something new, as while a process still writes.
const ROUNDS: u32 = 64;

/// Removes a file, a link or a directory with all that is in it. One that is not there is as good
/// as removed.
///
/// # Errors
/// [`RemovalError`] names what cannot be removed; everything else is gone then.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it ends in no name"));
    };
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    // Removing takes no right to list the directory around it.
    #[cfg(target_os = "linux")]
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match open(dir, flags, Mode::empty()) {
        Ok(parent) => remove_entry(&parent, &CString::new(name.as_bytes())?, path),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// As [`remove_tree`], for the entry `name` of an open directory; `path` is for words.
///
/// # Errors
/// As [`remove_tree`].
pub(crate) fn remove_entry(parent: &OwnedFd, name: &CStr, path: &Path) -> io::Result<()> {
    let mut removal = TreeRemoval::new(path);
    removal.enter(parent, name);
    removal.run(Some(parent));
    removal.remaining.into_result()
}

/// Removes everything in an open directory but the entry `keep`; `path` is for words.
///
/// # Errors
/// As [`remove_tree`].
pub(crate) fn empty_directory(dir: &OwnedFd, keep: Option<&CStr>, path: &Path) -> io::Result<()> {
    let mut removal = TreeRemoval::new(path);
    removal.keep = keep;
    removal.go_into(c".", dir.try_clone()?)?;
    removal.run(None);
    removal.remaining.into_result()
}

/// A directory on the way from the top of the tree to where the removal is.
struct WalkFrame {
    name: CString,
    identity: (u64, u64),
    /// `None` while too many others are open.
    dir: Option<Rc<OwnedFd>>,
    /// Directories in it that are still to be removed.
    below: Vec<CString>,
    /// Set when something in it cannot be removed.
    remains: bool,
    /// Number of listings so far.
    rounds: u32,
}

struct TreeRemoval<'a> {
    path: &'a Path,
    /// The tree's file system: no other is entered.
    device: Option<u64>,
    /// The entry of the topmost directory that stays.
    keep: Option<&'a CStr>,
    frames: Vec<WalkFrame>,
    remaining: RemovalError,
}

impl<'a> TreeRemoval<'a> {
    fn new(path: &'a Path) -> Self {
        let (frames, remaining) = (Vec::new(), RemovalError::default());
        Self { path, device: None, keep: None, frames, remaining }
    }

    /// Works until the topmost directory is left. `parent` is the directory that it is in; without
    /// one it stays.
    fn run(&mut self, parent: Option<&OwnedFd>) {
        while let Some(top) = self.frames.last_mut() {
            match (top.below.pop(), &top.dir) {
                (Some(name), Some(dir)) => {
                    let dir = Rc::clone(dir);
                    self.enter(&dir, &name);
                }
                _ => self.leave(parent),
            }
        }
    }

    /// Removes an entry that is no directory, or goes into the one that it is.
    fn enter(&mut self, parent: &OwnedFd, name: &CStr) {
        let entered = match open_directory(parent, name, user()) {
            Ok(dir) => self.go_into(name, dir),
            Err(Errno::NOENT) => Ok(()),
            Err(Errno::NOTDIR | Errno::LOOP) => unlink(parent, name),
            Err(e) => Err(e),
        };
        if let Err(e) = entered {
            self.stays(parent, name, e);
        }
    }

    fn go_into(&mut self, name: &CStr, dir: OwnedFd) -> Result<(), Errno> {
        let node = DirectoryStat::of(&dir)?;
        // The top may be a mount point itself: what is in it was asked for, and only it stays.
        let is_below = !self.frames.is_empty();
        if is_below && (node.is_mount || self.device != Some(node.identity.0)) {
            return Err(Errno::BUSY);
        }
        node.open_up(&dir, user())?;
        self.device = Some(node.identity.0);
        self.frames.push(WalkFrame {
            name: name.to_owned(),
            identity: node.identity,
            dir: Some(Rc::new(dir)),
            below: Vec::new(),
            remains: false,
            rounds: 0,
        });
        if let Some(far) = self.frames.len().checked_sub(OPEN + 1) {
            self.frames[far].dir = None;
        }
        self.list();
        Ok(())
    }

    /// Removes what is no directory in the topmost frame's, and notes the directories in it.
    fn list(&mut self) {
        let keep = self.keep.filter(|_| self.frames.len() == 1);
        let Some(top) = self.frames.last_mut() else { return };
        let Some(dir) = top.dir.clone() else { return };
        top.rounds += 1;
        let mut refused = Vec::new();
        match Dir::read_from(&dir) {
            Err(e) => refused.push((c".".to_owned(), e)),
            Ok(entries) => {
                for entry in entries {
                    let entry = match entry {
                        Ok(entry) => entry,
                        Err(e) => {
                            refused.push((c".".to_owned(), e));
                            break;
                        }
                    };
                    let name = entry.file_name();
                    if name == c"." || name == c".." || keep == Some(name) {
                        continue;
                    }
                    match remove_leaf(&dir, name, entry.file_type()) {
                        Ok(true) => {}
                        Ok(false) => top.below.push(name.to_owned()),
                        Err(e) => refused.push((name.to_owned(), e)),
                    }
                }
            }
        }
        for (name, error) in refused {
            self.stays(&dir, &name, error);
        }
    }

    /// Goes up from a directory with nothing left to do in it, and removes it.
    fn leave(&mut self, outside: Option<&OwnedFd>) {
        let Some(frame) = self.frames.pop() else { return };
        let Some(above) = self.frames.last() else {
            return outside.map_or((), |outside| self.remove_left(outside, frame));
        };
        let parent = match &above.dir {
            Some(dir) => Ok(Rc::clone(dir)),
            None => go_back(&frame, above.identity),
        };
        match parent {
            Ok(parent) => {
                if let Some(above) = self.frames.last_mut() {
                    above.dir = Some(Rc::clone(&parent));
                }
                self.remove_left(&parent, frame);
            }
            Err(e) => {
                // Somebody has moved it, so that the way back leads elsewhere.
                let path = self.path_of(&frame.name);
                self.remaining.add(e, || (path, "was moved while it was removed".to_owned()));
                self.frames.clear();
            }
        }
    }

    /// Removes a directory that is empty by now, unless something in it remains.
    fn remove_left(&mut self, parent: &OwnedFd, frame: WalkFrame) {
        if !frame.remains {
            let removed = match unlinkat(parent, &frame.name, AtFlags::REMOVEDIR) {
                // Not all entries were seen, or somebody has made new ones.
                Err(Errno::NOTEMPTY | Errno::EXIST) if frame.rounds < ROUNDS => {
                    self.frames.push(frame);
                    return self.list();
                }
                // A link or a file has taken its place.
                Err(Errno::NOTDIR) => unlink(parent, &frame.name),
                Err(Errno::NOENT) => Ok(()),
                other => other,
            };
            match removed {
                Ok(()) => return,
                Err(e) => self.stays(parent, &frame.name, e),
            }
        }
        if let Some(above) = self.frames.last_mut() {
            above.remains = true;
        }
    }

    /// Notes that an entry of the topmost frame's directory stays.
    fn stays(&mut self, dir: &OwnedFd, name: &CStr, error: Errno) {
        let mut remaining = std::mem::take(&mut self.remaining);
        remaining.add(error, || (self.path_of(name), reason(dir, name, user(), error)));
        self.remaining = remaining;
        if let Some(top) = self.frames.last_mut() {
            top.remains = true;
        }
    }

    /// The path of an entry of the topmost frame's directory.
    fn path_of(&self, name: &CStr) -> PathBuf {
        let mut path = self.path.to_owned();
        let above = self.frames.iter().skip(1).map(|frame| frame.name.as_c_str());
        let entry = (!self.frames.is_empty()).then_some(name);
        for part in above.chain(entry).filter(|part| *part != c".") {
            path.push(OsStr::from_bytes(part.to_bytes()));
        }
        path
    }
}

/// The directory above `frame`'s, if it is still the one that it was.
fn go_back(frame: &WalkFrame, identity: (u64, u64)) -> Result<Rc<OwnedFd>, Errno> {
    let dir = open_parent(frame.dir.as_ref().ok_or(Errno::BADF)?)?;
    match DirectoryStat::of(&dir)?.identity == identity {
        true => Ok(Rc::new(dir)),
        false => Err(Errno::STALE),
    }
}

fn unlink(dir: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// Removes an entry, unless it is a directory: then the answer is `false`.
fn remove_leaf(dir: &OwnedFd, name: &CStr, kind: FileType) -> Result<bool, Errno> {
    if kind == FileType::Directory {
        return Ok(false);
    }
    match unlink(dir, name) {
        Ok(()) => Ok(true),
        // What a system says of a directory, where the listing does not show it to be one.
        Err(e @ (Errno::ISDIR | Errno::PERM)) => {
            let found = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(found.st_mode).is_dir() { Ok(false) } else { Err(e) }
        }
        Err(e) => Err(e),
    }
}
