//! Finding the pointers that commits add, and the stores where their contents are.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::super::error::{CheckpointError, Result};
use super::super::git::{GitCommand, failure};
use super::super::repository::GitRepository;
use super::pointer::{LfsPointer, MAX_POINTER};
use super::store::LfsStore;

/// Only small files, and only those that are here: of a partial clone nothing is fetched.
const SMALL_FILES: [&str; 3] =
    ["--objects", "--missing=allow-any", "--filter=combine:blob:limit=1024+object:type=blob"];

/// A pointer in new commits, by what git calls the file.
#[derive(Clone, Debug)]
pub(super) struct FoundPointer {
    pub(super) pointer: LfsPointer,
    /// The name of the file's content in git: what the pointer's text is stored as.
    pub(super) blob: String,
    /// A path at which it is in one of the commits.
    pub(super) path: OsString,
}

impl FoundPointer {
    /// The path as people read it.
    pub(super) fn shown(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

/// The stores of the user's repository and of one that has only his own settings.
#[derive(Debug)]
pub(super) struct LfsPlaces {
    pub(super) user: LfsStore,
    /// Below a git directory, or anywhere.
    pub(super) usual: PathBuf,
}

impl GitRepository {
    /// Reads where contents are kept by the user's settings.
    pub(super) fn lfs_places(&self) -> Result<LfsPlaces> {
        let call = self.call("config").args(["--show-scope", "-z", "--get-all", "lfs.storage"]);
        let output = call.output()?;
        let fields: Vec<&[u8]> = output.stdout.split(|&byte| byte == 0).collect();
        let (mut of_repository, mut usual) = (PathBuf::from("lfs"), PathBuf::from("lfs"));
        for [scope, value] in fields.as_chunks::<2>().0 {
            let dir = PathBuf::from(OsString::from_vec(value.to_vec()));
            if !matches!(*scope, b"local" | b"worktree") {
                usual.clone_from(&dir);
            }
            of_repository = dir;
        }
        Ok(LfsPlaces { user: LfsStore::at(self.common_dir().join(of_repository)), usual })
    }

    /// The pointers that a commit has, or one before it, and none of the known revisions.
    pub(super) fn new_pointers(&self, commit: &str, known: &[String]) -> Result<Vec<FoundPointer>> {
        let list = self.small_files(commit, known)?.run()?.stdout;
        let mut paths: BTreeMap<&[u8], OsString> = BTreeMap::new();
        for line in list.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
            let path = line.get(end + 1..).unwrap_or_default();
            paths.insert(&line[..end], OsString::from_vec(path.to_vec()));
        }
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let blobs: Vec<u8> = paths.keys().flat_map(|blob| [blob, &b"\n"[..]].concat()).collect();
        let mut found = Vec::new();
        let mut contents = BlobReader::default();
        let mut call = self.call("cat-file").arg("--batch").text(&blobs)?.slow();
        let (status, errors) = call.stream(&mut |piece| {
            contents.read(piece, &mut |blob, text| {
                let Some(pointer) = LfsPointer::parse(text) else { return };
                let Some(path) = paths.get(blob).cloned() else { return };
                let blob = String::from_utf8_lossy(blob).into_owned();
                found.push(FoundPointer { pointer, blob, path });
            });
            Ok(())
        })?;
        if !status.success() {
            return Err(failure("cat-file", status, &errors));
        }
        Ok(found)
    }

    /// Takes those blobs out that are in the history of one of the revisions.
    pub(super) fn without_known_blobs(
        &self,
        blobs: &mut BTreeSet<String>,
        known: &[String],
    ) -> Result<()> {
        let Some((first, others)) = known.split_first() else { return Ok(()) };
        let mut rest: Vec<u8> = Vec::new();
        let others: String = others.iter().map(|other| format!("{other}\n")).collect();
        let mut call = self.revisions(first, &others)?.arg("--no-object-names");
        let (status, errors) = call.stream(&mut |piece| {
            rest.extend_from_slice(piece);
            let whole = rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            for line in rest[..whole].split(|&byte| byte == b'\n') {
                blobs.remove(String::from_utf8_lossy(line).as_ref());
            }
            rest.drain(..whole);
            Ok(())
        })?;
        if status.success() { Ok(()) } else { Err(failure("rev-list", status, &errors)) }
    }

    fn small_files(&self, commit: &str, known: &[String]) -> Result<GitCommand> {
        let known: String = known.iter().map(|known| format!("^{known}\n")).collect();
        self.revisions(commit, &known)
    }

    fn revisions(&self, first: &str, others: &str) -> Result<GitCommand> {
        let call = self.call("rev-list").args(["--stdin", "--ignore-missing"]).args(SMALL_FILES);
        Ok(call.text(format!("{first}\n{others}").as_bytes())?.slow())
    }

    /// The first of the files that the attributes of a commit give to git-lfs.
    pub(super) fn first_of_lfs<'a>(
        &self,
        commit: &str,
        files: &[&'a FoundPointer],
    ) -> Result<Option<&'a FoundPointer>> {
        let made = tempfile::tempdir().map_err(|source| CheckpointError::Io {
            action: "create a directory in",
            path: std::env::temp_dir(),
            source,
        })?;
        let index = made.path().join("index");
        let call = |subcommand: &str| self.call(subcommand).env("GIT_INDEX_FILE", &index).slow();
        call("read-tree").arg(commit).run()?;
        let paths: Vec<u8> =
            files.iter().flat_map(|file| [file.path.as_bytes(), b"\0"].concat()).collect();
        let asked = call("check-attr").args(["--cached", "-z", "--stdin", "filter"]);
        let answer = asked.text(&paths)?.run()?.stdout;
        let fields: Vec<&[u8]> = answer.split(|&byte| byte == 0).collect();
        let is_of_lfs = |[_, _, value]: &[&[u8]; 3]| *value == b"lfs";
        let at = fields.as_chunks::<3>().0.iter().position(is_of_lfs);
        Ok(at.and_then(|at| files.get(at).copied()))
    }
}

/// Output of `cat-file --batch`, in pieces that end anywhere.
#[derive(Debug, Default)]
struct BlobReader {
    rest: Vec<u8>,
}

impl BlobReader {
    fn read(&mut self, piece: &[u8], tell: &mut dyn FnMut(&[u8], &[u8])) {
        self.rest.extend_from_slice(piece);
        let mut done = 0;
        while let Some(taken) = entry(&self.rest[done..], tell) {
            done += taken;
        }
        self.rest.drain(..done);
    }
}

/// Reads one whole entry and answers its length: `ID blob SIZE`, a line break, the content, a line
/// break; or `ID missing`.
fn entry(text: &[u8], tell: &mut dyn FnMut(&[u8], &[u8])) -> Option<usize> {
    let end = text.iter().position(|&byte| byte == b'\n')?;
    let words: Vec<&[u8]> = text[..end].split(|&byte| byte == b' ').collect();
    let [id, kind, size] = words.as_slice() else { return Some(end + 1) };
    let size: usize = str::from_utf8(size).ok()?.parse().ok()?;
    let content = text.get(end + 1..end + 1 + size)?;
    text.get(end + 1 + size)?;
    if *kind == b"blob" && size < MAX_POINTER {
        tell(id, content);
    }
    Some(end + size + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_read_wherever_pieces_end() {
        let text = b"11 blob 3\na\nb\n22 missing\n33 blob 0\n\n44 tree 2\nxx\n55 blob 1\nz\n";
        for length in 1..=text.len() {
            let mut found = Vec::new();
            let mut contents = BlobReader::default();
            for piece in text.chunks(length) {
                contents.read(piece, &mut |id, content| {
                    found.push((id.to_vec(), content.to_vec()));
                });
            }
            let want = [("11", "a\nb"), ("33", ""), ("55", "z")];
            let want: Vec<_> = want
                .iter()
                .map(|(id, text)| (id.as_bytes().to_vec(), text.as_bytes().to_vec()))
                .collect();
            assert_eq!(found, want, "{length}");
        }
    }
}
