//! The parts of a disk that a power cut may leave: of its unsure parts nothing, all, each one
//! alone, all but each one, and files that have their length but not their bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::disk::{Disk, Node, ROOT};

/// The remains of a power cut: each file and directory by its path below the root.
pub(super) type Left = BTreeMap<PathBuf, Piece>;

/// A file or a directory that is left.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Piece {
    pub(super) node: Node,
    /// `None`: a directory.
    pub(super) bytes: Option<Vec<u8>>,
}

/// Which of the unsure parts of a disk are there after a power cut.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    Nothing,
    Everything,
    Alone(Unsure),
    AllBut(Unsure),
    /// All, but this file has its length and zeros in the place of new bytes.
    Zeros(Node),
}

/// A part of a disk that a power cut may undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsure {
    /// A change of a name, by its place in the list.
    Name(usize),
    /// The content of a file.
    Bytes(Node),
}

impl Disk {
    /// Every cut that is tried now.
    pub(super) fn cuts(&self) -> Vec<Cut> {
        let names = self.changes.iter().enumerate().filter(|(_, change)| !change.is_sure);
        let is_unsure = |node: &Node| self.nodes[*node].sure != self.nodes[*node].now;
        let files: Vec<Node> = (0..self.nodes.len()).filter(is_unsure).collect();
        let unsure: Vec<Unsure> = names
            .map(|(at, _)| Unsure::Name(at))
            .chain(files.iter().map(|&node| Unsure::Bytes(node)))
            .collect();
        let mut cuts = vec![Cut::Nothing, Cut::Everything];
        cuts.extend(unsure.iter().map(|&part| Cut::Alone(part)));
        cuts.extend(unsure.iter().map(|&part| Cut::AllBut(part)));
        cuts.extend(files.iter().map(|&node| Cut::Zeros(node)));
        cuts
    }

    /// Returns the remains of the cut.
    pub(super) fn left(&self, cut: Cut) -> Left {
        let happens = self.happens(cut);
        let mut names = self.first.clone();
        for (change, _) in self.changes.iter().zip(happens).filter(|(_, happens)| *happens) {
            let place = (change.dir, change.name.clone());
            if change.comes {
                names.insert(place, change.node);
            } else if names.get(&place) == Some(&change.node) {
                names.remove(&place);
            }
        }
        let mut left = Left::new();
        self.walk(&names, ROOT, Path::new(""), cut, &mut left);
        left
    }

    fn walk(
        &self,
        names: &BTreeMap<(Node, String), Node>,
        dir: Node,
        path: &Path,
        cut: Cut,
        left: &mut Left,
    ) {
        let inside = names.range((dir, String::new())..(dir + 1, String::new()));
        for ((_, name), &node) in inside {
            let path = path.join(name);
            let bytes = (!self.nodes[node].is_dir).then(|| self.bytes(node, cut));
            let is_dir = bytes.is_none();
            left.insert(path.clone(), Piece { node, bytes });
            if is_dir {
                self.walk(names, node, &path, cut, left);
            }
        }
    }

    /// Which of the changes have reached the disk.
    fn happens(&self, cut: Cut) -> Vec<bool> {
        let sure = self.changes.iter().map(|change| change.is_sure);
        let mut happens: Vec<bool> = match cut {
            Cut::Nothing | Cut::Alone(_) => sure.collect(),
            Cut::Everything | Cut::AllBut(_) | Cut::Zeros(_) => vec![true; self.changes.len()],
        };
        match cut {
            Cut::Alone(Unsure::Name(at)) => {
                let mut wanted = vec![at];
                while let Some(at) = wanted.pop() {
                    happens[at] = true;
                    wanted.extend(&self.changes[at].needs);
                }
            }
            Cut::AllBut(Unsure::Name(at)) => {
                happens[at] = false;
                // What an unsure change needs comes before it.
                for (at, change) in self.changes.iter().enumerate().skip(at + 1) {
                    if !change.is_sure && change.needs.iter().any(|&needed| !happens[needed]) {
                        happens[at] = false;
                    }
                }
            }
            _ => {}
        }
        happens
    }

    fn bytes(&self, node: Node, cut: Cut) -> Vec<u8> {
        let file = &self.nodes[node];
        let is_new = match cut {
            Cut::Nothing | Cut::Alone(Unsure::Name(_)) => false,
            Cut::Everything | Cut::AllBut(Unsure::Name(_)) => true,
            Cut::Alone(Unsure::Bytes(it)) => it == node,
            Cut::AllBut(Unsure::Bytes(it)) => it != node,
            Cut::Zeros(it) if it == node => {
                let kept = if file.now.starts_with(&file.sure) { &file.sure[..] } else { &[] };
                let mut bytes = kept.to_vec();
                bytes.resize(file.now.len(), 0);
                return bytes;
            }
            Cut::Zeros(_) => true,
        };
        if is_new { file.now.clone() } else { file.sure.clone() }
    }
}
