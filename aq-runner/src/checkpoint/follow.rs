//! The files of a checkout follow the branch that it has checked out.
//!
//! Only what the merge touches moves; all else in the checkout is the user's, staged or not, and
//! stays. Where one of his own changes is in a file that the merge touches, nothing moves at all.
//! The files are moved in a copy of the index, under git's own lock on that: a kill leaves the old
//! index, a lock that aq knows as its own, and some files that are new already.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::checkout::{JobCheckout, remove};
use super::error::{CheckpointError, HeadState, Result};
use super::files;
use super::git::GitCommand;
use super::index_lock::{IndexCopy, IndexLock, clear_index_lock};
use super::raw_changes::{PathChange, parse_raw};
use super::repository::CommitId;
use super::wip::JobBranch;

/// The most of a file that is compared to see whether it was written to its end, in bytes.
const MAX_FILE: u64 = 1 << 30;

/// The move of a checkout's files from one commit to another.
#[derive(Debug)]
pub(super) struct FileMoves {
    pub(super) from: CommitId,
    pub(super) to: CommitId,
    pub(super) touched: Vec<PathChange>,
}

impl JobBranch {
    pub(super) fn file_moves(&self, from: &CommitId, to: &CommitId) -> Result<FileMoves> {
        let call = self.repo.call("diff-tree").args(["-r", "-z", "--raw", "--no-renames"]);
        let output = call.args([from.as_str(), to.as_str(), "--"]).slow().run()?;
        let touched = parse_raw(&output.stdout);
        Ok(FileMoves { from: from.clone(), to: to.clone(), touched })
    }

    /// Refuses a move that would touch a change of the user's own. Answers the copy of the index by
    /// which that was seen.
    pub(super) fn expect_clear(
        &self,
        checkout: &JobCheckout,
        moves: &FileMoves,
    ) -> Result<IndexCopy> {
        let copy = IndexCopy::make(checkout)?;
        moves.expect_writable(&checkout.root)?;
        let mut paths = moves.in_the_way(&checkout.root);
        let is_missing =
            |one: &&PathChange| !one.is_new() && !one.is_gone() && !is_there(&checkout.root, one);
        if paths.is_empty()
            && self.has_plain_index()
            && moves.are_clear(&checkout.root, copy.path())
        {
            return Ok(copy);
        }
        if paths.is_empty() && !moves.touched.iter().any(|one| is_missing(&one)) {
            let tried = self.read_tree(checkout, &copy, moves).arg("-n").slow().output()?;
            if tried.code() == Some(0) {
                return Ok(copy);
            }
        }
        // Times that differ are no changes.
        self.refresh(checkout, &copy)?;
        paths.extend(self.own_changes(checkout, &copy, moves, &moves.from)?);
        refuse(checkout, &paths)?;
        self.read_tree(checkout, &copy, moves).arg("-n").slow().run()?;
        Ok(copy)
    }

    /// Moves the files and the index, which is locked.
    pub(super) fn move_checkout(
        &self,
        checkout: &JobCheckout,
        copy: IndexCopy,
        moves: &FileMoves,
    ) -> Result<()> {
        self.read_tree(checkout, &copy, moves).arg("-u").slow().run()?;
        copy.install(checkout)
    }

    /// Brings a checkout to its branch's commit after a kill, wherever that has left it. Nothing is
    /// done where it is there already. Entries of the index that are neither here nor there are
    /// changes made since, unless `is_all` has to move.
    pub(super) fn finish_move(
        &self,
        checkout: &JobCheckout,
        from: &CommitId,
        to: &CommitId,
        is_all: bool,
    ) -> Result<()> {
        clear_index_lock(&checkout.index())?;
        let _lock = IndexLock::take(checkout)?;
        let mut moves = self.file_moves(from, to)?;
        let copy = IndexCopy::make(checkout)?;
        self.refresh(checkout, &copy)?;
        let staged = self.index_changes(checkout, &copy, to)?;
        let staged: BTreeMap<&[u8], &PathChange> =
            staged.iter().map(|one| (one.path.as_slice(), one)).collect();
        // What is not in this list is there already: what was changed in the file since is the
        // user's.
        moves.touched.retain(|one| staged.contains_key(one.path.as_slice()));
        let is_waiting = |one: &PathChange| staged[one.path.as_slice()].now == one.before;
        let (waiting, others): (Vec<_>, Vec<_>) = moves.touched.into_iter().partition(is_waiting);
        moves.touched = waiting;
        if moves.touched.is_empty() && (others.is_empty() || !is_all) {
            return Ok(());
        }
        let mut paths = moves.in_the_way(&checkout.root);
        paths.extend(others.into_iter().map(|one| one.path));
        paths.extend(self.own_changes(checkout, &copy, &moves, to)?);
        let paths = self.adopt(checkout, &copy, &moves, paths)?;
        refuse(checkout, &paths)?;
        self.move_checkout(checkout, copy, &moves)
    }

    fn read_tree(&self, checkout: &JobCheckout, copy: &IndexCopy, moves: &FileMoves) -> GitCommand {
        let call = checkout.call(self.repo.git(), "read-tree").env("GIT_INDEX_FILE", copy.path());
        call.args(["-m", moves.from.as_str(), moves.to.as_str()])
    }

    /// Takes note of files whose times have changed and nothing else.
    fn refresh(&self, checkout: &JobCheckout, copy: &IndexCopy) -> Result<()> {
        let call = checkout.call(self.repo.git(), "update-index").slow();
        let call = call.env("GIT_INDEX_FILE", copy.path());
        // It says so when files differ.
        call.args(["-q", "--refresh", "--ignore-submodules"]).output().map(drop)
    }

    /// The differences of an index from a commit.
    fn index_changes(
        &self,
        checkout: &JobCheckout,
        copy: &IndexCopy,
        commit: &CommitId,
    ) -> Result<Vec<PathChange>> {
        let call = checkout.call(self.repo.git(), "diff-index").slow();
        let call = call.env("GIT_INDEX_FILE", copy.path());
        let call = call.args(["--cached", "--raw", "-z", "--no-renames", "--no-abbrev"]);
        let output = call.args(["--ignore-submodules=none", commit.as_str(), "--"]).run()?;
        Ok(parse_raw(&output.stdout))
    }

    /// Paths that have changes beside the move: by the index, compared with the commit that it is
    /// to be at, and by the files.
    fn own_changes(
        &self,
        checkout: &JobCheckout,
        copy: &IndexCopy,
        moves: &FileMoves,
        commit: &CommitId,
    ) -> Result<BTreeSet<Vec<u8>>> {
        let touched: BTreeMap<&[u8], &PathChange> =
            moves.touched.iter().map(|one| (one.path.as_slice(), one)).collect();
        let mut changed = BTreeSet::new();
        for staged in self.index_changes(checkout, copy, commit)? {
            let is_moved = touched
                .get(staged.path.as_slice())
                .is_some_and(|one| staged.now == one.before || staged.now == one.now);
            if !is_moved {
                changed.insert(staged.path);
            }
        }
        let call = checkout.call(self.repo.git(), "diff-files").slow();
        let call = call.env("GIT_INDEX_FILE", copy.path());
        let files = call.args(["--name-only", "-z", "--ignore-submodules=all"]).run()?;
        for path in files.stdout.split(|&byte| byte == 0).filter(|path| !path.is_empty()) {
            let is_moved = touched
                .get(path)
                .is_some_and(|one| one.is_gone() && !is_there(&checkout.root, one));
            if !is_moved {
                changed.insert(path.to_vec());
            }
        }
        changed.retain(|path| meets(path, &touched));
        Ok(changed)
    }

    /// Enters files into the index that are as they are to be, and removes those that were not
    /// written to their end. Answers the others.
    fn adopt(
        &self,
        checkout: &JobCheckout,
        copy: &IndexCopy,
        moves: &FileMoves,
        paths: BTreeSet<Vec<u8>>,
    ) -> Result<BTreeSet<Vec<u8>>> {
        let gone = moves.touched.iter().filter(|one| one.is_gone());
        let gone = gone.filter(|one| !is_there(&checkout.root, one));
        let mut lines: Vec<u8> = gone.flat_map(PathChange::line).collect();
        let mut others = BTreeSet::new();
        for path in paths {
            let moved = moves.touched.iter().find(|one| one.path == path && !one.is_gone());
            let moved = moved.filter(|one| !one.is_gitlink());
            match moved.map(|one| Ok((one, self.written(checkout, &moves.to, one)?))) {
                None => drop(others.insert(path)),
                Some(Err(e)) => return Err(e),
                Some(Ok((_, WrittenPart::Otherwise))) => drop(others.insert(path)),
                Some(Ok((one, WrittenPart::InPart))) => remove(&one.place(&checkout.root))?,
                Some(Ok((one, WrittenPart::Whole))) => lines.extend(one.line()),
            }
        }
        if !lines.is_empty() && others.is_empty() {
            let call = checkout.call(self.repo.git(), "update-index").slow();
            let call = call.env("GIT_INDEX_FILE", copy.path());
            call.args(["-z", "--index-info"]).text(&lines)?.run()?;
            self.refresh(checkout, copy)?;
        }
        Ok(others)
    }

    /// The part of a file that is there of the one in a commit.
    fn written(
        &self,
        checkout: &JobCheckout,
        commit: &CommitId,
        one: &PathChange,
    ) -> Result<WrittenPart> {
        let place = one.place(&checkout.root);
        let about = match place.symlink_metadata() {
            // Git removes a file before it writes the new one.
            Err(e) if files::is_absent(&e) => return Ok(WrittenPart::InPart),
            about => about.at("look at", &place)?,
        };
        let is_link = one.now.0 == "120000";
        if is_link != about.is_symlink() || !(about.is_symlink() || about.is_file()) {
            return Ok(WrittenPart::Otherwise);
        }
        let here = match is_link {
            true => {
                std::fs::read_link(&place).at("read", &place)?.into_os_string().into_encoded_bytes()
            }
            false => {
                let mut bytes = Vec::new();
                let file = files::open(&place).at("open", &place)?;
                file.take(MAX_FILE).read_to_end(&mut bytes).at("read", &place)?;
                bytes
            }
        };
        let mut object = std::ffi::OsString::from(format!("{commit}:"));
        object.push(OsStr::from_bytes(&one.path));
        let call = checkout.call(self.repo.git(), "cat-file").slow();
        let kind = if is_link { "-p" } else { "--filters" };
        let there = call.arg(kind).arg(object).run()?.stdout;
        Ok(match there.strip_prefix(here.as_slice()) {
            Some([]) => WrittenPart::Whole,
            Some(_) => WrittenPart::InPart,
            None => WrittenPart::Otherwise,
        })
    }
}

/// The part of a file that is there.
enum WrittenPart {
    Whole,
    InPart,
    Otherwise,
}

impl PathChange {
    fn place(&self, root: &Path) -> PathBuf {
        root.join(OsStr::from_bytes(&self.path))
    }

    /// A line of `update-index --index-info -z` for the new state.
    fn line(&self) -> Vec<u8> {
        let (mode, object) = &self.now;
        [format!("{mode} {object}\t").as_bytes(), &self.path, b"\0"].concat()
    }
}

impl FileMoves {
    /// Refuses a move in directories that cannot be written: git would move some of the files.
    fn expect_writable(&self, root: &Path) -> Result<()> {
        let mut known: BTreeMap<PathBuf, bool> = BTreeMap::new();
        let is_writable = |dir: &Path| access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok();
        let files = self.touched.iter().filter(|one| !one.is_gitlink());
        let is_protected = |one: &&PathChange| {
            let place = one.place(root);
            let mut above = place.ancestors().skip(1).take_while(|dir| dir.starts_with(root));
            let there = above.find(|dir| dir.is_dir()).unwrap_or(root);
            !*known.entry(there.to_owned()).or_insert_with(|| is_writable(there))
        };
        let paths: BTreeSet<&[u8]> = files.filter(is_protected).map(|one| &one.path[..]).collect();
        if paths.is_empty() {
            return Ok(());
        }
        let paths = paths.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
        Err(CheckpointError::Protected { root: root.to_owned(), paths })
    }

    /// New paths at which something is already that git does not know, or on the way to which.
    /// `read-tree` thinks nothing of files that it ignores.
    fn in_the_way(&self, root: &Path) -> BTreeSet<Vec<u8>> {
        let gone = self.touched.iter().filter(|one| one.is_gone());
        let gone: BTreeSet<PathBuf> = gone.map(|one| one.place(root)).collect();
        let mut paths = BTreeSet::new();
        for one in self.touched.iter().filter(|one| one.is_new()) {
            let place = one.place(root);
            let above = place.ancestors().take_while(|dir| *dir != root);
            let Some(there) = above.into_iter().find(|part| part.symlink_metadata().is_ok()) else {
                continue;
            };
            let is_dir = there.symlink_metadata().is_ok_and(|about| about.is_dir());
            let is_free = match is_dir {
                // A directory is no obstacle for what goes into it.
                true if there != place => true,
                true => one.is_gitlink() || files_in(there).iter().all(|file| gone.contains(file)),
                false => gone.contains(there),
            };
            if !is_free {
                paths.insert(one.path.clone());
            }
        }
        paths
    }
}

/// Tests for a file. A directory in its place is that of others.
fn is_there(root: &Path, one: &PathChange) -> bool {
    one.is_gitlink() || one.place(root).symlink_metadata().is_ok_and(|about| !about.is_dir())
}

/// Tests for a path that is one of these, in the place of a directory of theirs, or below one.
fn meets(path: &[u8], touched: &BTreeMap<&[u8], &PathChange>) -> bool {
    if touched.contains_key(path) {
        return true;
    }
    let folder = [path, b"/"].concat();
    let below = touched.range(folder.as_slice()..).next();
    let is_below = below.is_some_and(|(name, _)| name.starts_with(&folder));
    let mut above = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
    is_below || above.any(|(at, _)| touched.contains_key(&path[..at]))
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_dir { &mut open } else { &mut found }.push(entry.path());
        }
    }
    found
}

fn refuse(checkout: &JobCheckout, paths: &BTreeSet<Vec<u8>>) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let paths = paths.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
    Err(CheckpointError::Overlap { root: checkout.root.clone(), paths })
}
