//! A disk that forgets the most that a real one may.
//!
//! What a file holds is sure after a sync of the file, that a name is in a directory, or is no
//! longer, after a sync of the directory. Anything else may be there after a power cut or not. A
//! rename is two changes: the new name, and the old one gone; while the second is not sure the old
//! name may be there again, beside the new one or in place of it. Only when somebody syncs the old
//! directory and not the new one may both be gone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::calls::Call;

/// A file or a directory, by its place in [`Disk::nodes`].
pub(super) type Node = usize;

/// The root of what is modelled.
pub(super) const ROOT: Node = 0;

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) is_dir: bool,
    /// The bytes that are sure to be in the file.
    pub(super) sure: Vec<u8>,
    /// The bytes that processes read in it.
    pub(super) now: Vec<u8>,
}

/// A change of a directory.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) dir: Node,
    pub(super) name: String,
    pub(super) node: Node,
    /// The name comes, or goes.
    pub(super) comes: bool,
    pub(super) is_sure: bool,
    /// The change without which this one cannot be: that made the directory, or gave a renamed file
    /// its new name.
    pub(super) needs: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Disk {
    root: PathBuf,
    pub(super) nodes: Vec<Content>,
    /// The names at the beginning: all sure.
    pub(super) first: BTreeMap<(Node, String), Node>,
    /// The names as processes see them.
    now: BTreeMap<(Node, String), Node>,
    pub(super) changes: Vec<Change>,
    /// Where the next write of an open file goes. Of those that are not here, to the end.
    offsets: BTreeMap<(String, String), usize>,
}

impl Disk {
    /// The directory as it is, all of it sure.
    pub(super) fn of(root: &Path) -> Self {
        let content = Content { is_dir: true, ..Content::default() };
        let mut disk = Self {
            root: root.to_owned(),
            nodes: vec![content],
            first: BTreeMap::new(),
            now: BTreeMap::new(),
            changes: Vec::new(),
            offsets: BTreeMap::new(),
        };
        disk.take_in(root, ROOT);
        disk.first.clone_from(&disk.now);
        disk
    }

    fn take_in(&mut self, path: &Path, dir: Node) {
        for entry in fs::read_dir(path).unwrap().flatten() {
            let about = entry.metadata().unwrap();
            let is_dir = about.is_dir();
            let bytes = if about.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
            let node = self.node(is_dir, bytes);
            self.now.insert((dir, entry.file_name().into_string().unwrap()), node);
            if is_dir {
                self.take_in(&entry.path(), node);
            }
        }
    }

    fn node(&mut self, is_dir: bool, bytes: Vec<u8>) -> Node {
        self.nodes.push(Content { is_dir, sure: bytes.clone(), now: bytes });
        self.nodes.len() - 1
    }

    /// The directory and the name that a path below the root means.
    fn place(&self, path: &Path) -> Option<(Node, String)> {
        let inside = path.strip_prefix(&self.root).ok()?;
        let name = inside.file_name()?.to_str()?.to_owned();
        Some((self.find(&self.root.join(inside.parent()?))?, name))
    }

    /// The file or directory at a path, as processes see it.
    pub(super) fn find(&self, path: &Path) -> Option<Node> {
        let inside = path.strip_prefix(&self.root).ok()?;
        inside
            .iter()
            .try_fold(ROOT, |dir, name| self.now.get(&(dir, name.to_str()?.to_owned())).copied())
    }

    /// Tests for a path in the part that is modelled.
    pub(super) fn is_inside(&self, path: Option<&Path>) -> bool {
        path.is_some_and(|path| path.starts_with(&self.root))
    }

    /// Follows a call. Answers whether that changed anything, or made it sure.
    pub(super) fn follow(&mut self, call: &Call) -> bool {
        let path = |n: usize| call.paths.get(n).map(PathBuf::as_path);
        match call.name.as_str() {
            "openat" | "creat" => self.open(call),
            "write" | "writev" | "pwrite64" => self.write(call),
            "copy_file_range" => self.copy(call),
            "lseek" => {
                let offset = usize::try_from(call.result).unwrap();
                if let Some(at) = self.offsets.get_mut(&descriptor(call, 0)) {
                    *at = offset;
                }
                false
            }
            "ftruncate" => {
                let Some(node) = call.opened.as_deref().and_then(|path| self.find(path)) else {
                    return false;
                };
                self.nodes[node].now.resize(call.args[1].parse().unwrap(), 0);
                true
            }
            "mkdir" | "mkdirat" => {
                let Some(place) = path(0).and_then(|path| self.place(path)) else { return false };
                let node = self.node(true, Vec::new());
                self.comes(place, node);
                true
            }
            "rename" | "renameat" | "renameat2" => {
                let (from, to) = (self.place(path(0).unwrap()), self.place(path(1).unwrap()));
                let (Some(from), Some(to)) = (from.clone(), to) else {
                    assert!(from.is_none(), "{call:?}");
                    return false;
                };
                let node = self.now[&from];
                let new = self.comes(to, node);
                self.goes(from, vec![new]);
                true
            }
            "link" | "linkat" => {
                let Some(to) = self.place(path(1).unwrap()) else { return false };
                let node = self.find(path(0).unwrap()).unwrap();
                self.comes(to, node);
                true
            }
            "unlink" | "unlinkat" | "rmdir" => {
                let Some(place) = path(0).and_then(|path| self.place(path)) else { return false };
                self.goes(place, Vec::new());
                true
            }
            "fsync" | "fdatasync" => {
                let Some(node) = call.opened.as_deref().and_then(|path| self.find(path)) else {
                    return false;
                };
                self.sync(|it| it == node);
                true
            }
            "syncfs" => {
                // What is elsewhere may be on another file system.
                let is_here = self.is_inside(call.opened.as_deref());
                if is_here {
                    self.sync(|_| true);
                }
                is_here
            }
            other => panic!("{other}"),
        }
    }

    fn open(&mut self, call: &Call) -> bool {
        let flags = &call.args[2];
        let Some(place) = self.place(&call.paths[0]) else { return false };
        let is_new = !self.now.contains_key(&place);
        if is_new {
            if !flags.contains("O_CREAT") {
                return false;
            }
            let node = self.node(false, Vec::new());
            self.comes(place.clone(), node);
        }
        let node = self.now[&place];
        if !flags.contains("O_APPEND") {
            self.offsets.insert((call.process.clone(), call.result.to_string()), 0);
        } else {
            self.offsets.remove(&(call.process.clone(), call.result.to_string()));
        }
        if flags.contains("O_TRUNC") {
            self.nodes[node].now.clear();
        }
        is_new || flags.contains("O_TRUNC")
    }

    fn write(&mut self, call: &Call) -> bool {
        let Some(node) = call.opened.as_deref().and_then(|path| self.find(path)) else {
            return false;
        };
        let file = &mut self.nodes[node].now;
        let bytes = &call.bytes[..usize::try_from(call.result).unwrap()];
        let mut end = file.len();
        let at = match call.name.as_str() {
            "pwrite64" => {
                end = call.args.last().unwrap().parse().unwrap();
                &mut end
            }
            _ => self.offsets.get_mut(&descriptor(call, 0)).unwrap_or(&mut end),
        };
        put(file, at, bytes);
        true
    }

    /// Follows a copy from where the one file is read to where the other is written, both of the
    /// model.
    fn copy(&mut self, call: &Call) -> bool {
        let Some(to) = call.paths.first().and_then(|path| self.find(path)) else { return false };
        let from = call.opened.as_deref().and_then(|path| self.find(path));
        let from = from.unwrap_or_else(|| panic!("copied from outside: {call:?}"));
        let length = usize::try_from(call.result).unwrap();
        let read = self.offsets.get_mut(&descriptor(call, 0)).unwrap();
        let bytes = self.nodes[from].now[*read..*read + length].to_vec();
        *read += length;
        let written = self.offsets.get_mut(&descriptor(call, 2)).unwrap();
        put(&mut self.nodes[to].now, written, &bytes);
        length > 0
    }

    fn comes(&mut self, place: (Node, String), node: Node) -> usize {
        self.now.insert(place.clone(), node);
        let (dir, name) = place;
        let needs = self.made_by(dir);
        self.changes.push(Change { dir, name, node, comes: true, is_sure: false, needs });
        self.changes.len() - 1
    }

    fn goes(&mut self, place: (Node, String), needs: Vec<usize>) {
        let node = self.now.remove(&place).unwrap();
        let (dir, name) = place;
        self.changes.push(Change { dir, name, node, comes: false, is_sure: false, needs });
    }

    /// The change that made a directory, when it was made here.
    fn made_by(&self, dir: Node) -> Vec<usize> {
        self.changes.iter().rposition(|it| it.comes && it.node == dir).into_iter().collect()
    }

    fn sync(&mut self, which: impl Fn(Node) -> bool) {
        for (_, content) in self.nodes.iter_mut().enumerate().filter(|(node, _)| which(*node)) {
            content.sure.clone_from(&content.now);
        }
        for change in self.changes.iter_mut().filter(|change| which(change.dir)) {
            change.is_sure = true;
        }
    }
}

/// Writes into a file, and moves on by that.
fn put(file: &mut Vec<u8>, at: &mut usize, bytes: &[u8]) {
    let end = *at + bytes.len();
    file.resize(file.len().max(end), 0);
    file[*at..end].copy_from_slice(bytes);
    *at = end;
}

/// The process and the number of the open file that an argument means.
fn descriptor(call: &Call, arg: usize) -> (String, String) {
    let number = call.args[arg].split('<').next().unwrap_or_default();
    (call.process.clone(), number.to_owned())
}
