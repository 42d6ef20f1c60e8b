//! What aq reads and writes in the job's own `.git`, without git: that would read the agent's
//! configuration. No link is followed to a place where something is written.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::super::checkout::{UNFINISHED, UNFINISHED_DETAILS, copy_index, remove};
use super::super::error::{HeadState, Result};
use super::super::files;
use super::super::repository::CommitId;

/// How many symbolic refs may lead from one to the next, as git has it.
const MAX_LINKS: u32 = 5;
/// The most that is read of `packed-refs`, in bytes: a million refs.
const MAX_PACKED: u64 = 128 << 20;
/// The most directories and files of refs that are looked at.
const MAX_ENTRIES: usize = 100_000;

/// The `.git` of a job's checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct OwnRepository {
    dir: PathBuf,
}

/// The `HEAD` of a job's own repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum OwnHead {
    /// A branch by its full name, with its commit.
    Branch(String, CommitId),
    /// A commit and no branch.
    Detached(CommitId),
    /// A branch without a commit, or nothing that can be read.
    Nowhere,
}

impl OwnRepository {
    /// The repository of the checkout at `root`.
    pub(in super::super) fn of(root: &Path) -> Self {
        Self { dir: root.join(".git") }
    }

    /// A repository by its own directory.
    pub(in super::super) fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The full name of the branch that `HEAD` says is checked out.
    pub(in super::super) fn head_name(&self) -> Option<String> {
        let text = files::read(&self.dir.join("HEAD")).ok()??;
        text.strip_prefix("ref:").map(|name| name.trim().to_owned())
    }

    pub(in super::super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(in super::super) fn objects(&self) -> PathBuf {
        self.dir.join("objects")
    }

    /// Whether the agent has left it what it was: one that borrows objects.
    pub(in super::super) fn is_whole(&self) -> Result<bool> {
        let alternates = self.dir.join("objects/info/alternates");
        let kind = |path: &Path| match path.symlink_metadata() {
            Ok(about) => Ok(Some(about.file_type())),
            // The agent has put a loop of links there, or locked it.
            Err(e) if files::is_absent(&e) || is_barred(&e) => Ok(None),
            Err(e) => Err(e).at("look at", path),
        };
        Ok(kind(&self.dir)?.is_some_and(|kind| kind.is_dir())
            && kind(&alternates)?.is_some_and(|kind| kind.is_file()))
    }

    pub(in super::super) fn head(&self) -> Result<OwnHead> {
        let path = self.dir.join("HEAD");
        let Ok(Some(text)) = files::read(&path) else { return Ok(OwnHead::Nowhere) };
        if let Some(commit) = CommitId::parse(text.trim()) {
            return Ok(OwnHead::Detached(commit));
        }
        let Some(name) = text.strip_prefix("ref:").map(str::trim) else {
            return Ok(OwnHead::Nowhere);
        };
        Ok(match self.resolve(name)? {
            Some(commit) => OwnHead::Branch(name.to_owned(), commit),
            None => OwnHead::Nowhere,
        })
    }

    /// The commit of a ref; `None` when there is none that can be read.
    pub(in super::super) fn resolve(&self, name: &str) -> Result<Option<CommitId>> {
        let mut name = name.to_owned();
        for _ in 0..MAX_LINKS {
            if !is_ref_name(&name) {
                return Ok(None);
            }
            // What is no text is no ref, as git has it.
            let text = match files::read(&self.dir.join(&name)) {
                Ok(Some(text)) => text,
                Ok(None) | Err(_) => return self.packed(&name),
            };
            if let Some(commit) = CommitId::parse(text.trim()) {
                return Ok(Some(commit));
            }
            match text.strip_prefix("ref:") {
                Some(next) => next.trim().clone_into(&mut name),
                None => return self.packed(&name),
            }
        }
        Ok(None)
    }

    fn packed(&self, name: &str) -> Result<Option<CommitId>> {
        let mut found = None;
        self.each_packed(&mut |commit, packed| {
            if packed == name {
                found = Some(commit);
            }
        })?;
        Ok(found)
    }

    fn each_packed(&self, tell: &mut dyn FnMut(CommitId, &str)) -> Result<()> {
        let path = self.dir.join("packed-refs");
        let Ok(file) = files::open(&path) else { return Ok(()) };
        let mut lines = BufReader::new(file.take(MAX_PACKED));
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).at("read", &path)? > 0 {
            if let Some((commit, name)) = packed_ref(&line) {
                tell(commit, name);
            }
            line.clear();
        }
        Ok(())
    }

    /// All refs with their commits, but symbolic ones. What cannot be read is left out.
    pub(in super::super) fn refs(&self) -> Result<BTreeMap<String, CommitId>> {
        let mut refs = BTreeMap::new();
        self.each_packed(&mut |commit, name| {
            refs.insert(name.to_owned(), commit);
        })?;
        let mut open = vec!["refs".to_owned()];
        let mut seen = 0;
        while let Some(name) = open.pop() {
            let path = self.dir.join(&name);
            seen += 1;
            if seen > MAX_ENTRIES {
                break;
            }
            if is_directory(&path) {
                let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
                let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
                open.extend(names.map(|entry| format!("{name}/{entry}")));
            } else if let Ok(Some(text)) = files::read(&path)
                && let Some(commit) = CommitId::parse(text.trim())
                && is_ref_name(&name)
            {
                refs.insert(name, commit);
            }
        }
        Ok(refs)
    }

    /// Checks the branch out at a commit, as far as refs go.
    pub(in super::super) fn put_on(&self, branch: &str, commit: &CommitId) -> Result<()> {
        self.write(branch, &format!("{commit}\n"))?;
        self.write("HEAD", &format!("ref: {branch}\n"))
    }

    /// Replaces a file below `.git`, and what stands in the way of its directories.
    pub(in super::super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.dir.join(name);
        let mut dir = self.dir.clone();
        let parts: Vec<&str> = name.split('/').collect();
        for part in &parts[..parts.len() - 1] {
            dir.push(part);
            make_directory(&dir)?;
        }
        // A directory of branches that begin with this one's name.
        if is_directory(&path) {
            remove(&path)?;
        }
        let mut file = tempfile::NamedTempFile::new_in(&dir).at("create a file in", &dir)?;
        io::Write::write_all(&mut file, text.as_bytes()).at("write", file.path())?;
        file.persist(&path).map_err(|e| e.error).at("replace", &path)?;
        Ok(())
    }

    /// Puts a copy of aq's index in the place of the agent's.
    pub(in super::super) fn install_index(&self, index: &Path) -> Result<()> {
        let file = tempfile::NamedTempFile::new_in(&self.dir).at("create in", &self.dir)?;
        let there = File::open(index).at("open", index)?;
        copy_index(&there, file.as_file()).at("copy the index to", file.path())?;
        let path = self.dir.join("index");
        if is_directory(&path) {
            remove(&path)?;
        }
        file.persist(&path).map_err(|e| e.error).at("replace", &path)?;
        Ok(())
    }

    /// The operation that is going on, by the file that says so.
    pub(in super::super) fn unfinished(&self) -> Option<&'static str> {
        let is_there = |name: &&&str| self.dir.join(name).symlink_metadata().is_ok();
        UNFINISHED.iter().find(is_there).copied()
    }

    /// Forgets a merge, rebase or bisection that was going on.
    pub(in super::super) fn clear_unfinished(&self) -> Result<()> {
        let names = UNFINISHED.iter().chain(UNFINISHED_DETAILS);
        names.into_iter().try_for_each(|name| remove(&self.dir.join(name)))
    }

    /// Removes the locks that killed processes of the agent left.
    pub(in super::super) fn clear_locks(&self) -> Result<()> {
        let mut open = vec![(self.dir.clone(), 0)];
        let mut seen = 0;
        while let Some((dir, depth)) = open.pop() {
            for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
                seen += 1;
                if seen > MAX_ENTRIES {
                    return Ok(());
                }
                let path = entry.path();
                let name = entry.file_name();
                if Path::new(&name).extension().is_some_and(|end| end == "lock") {
                    remove(&path)?;
                } else if (depth > 0 || name == "refs") && is_directory(&path) {
                    open.push((path, depth + 1));
                }
            }
        }
        Ok(())
    }
}

/// The refs of a text of `packed-refs`.
pub(super) fn parse_packed(text: &[u8]) -> BTreeMap<String, CommitId> {
    let refs = text.split(|&byte| byte == b'\n').filter_map(packed_ref);
    refs.map(|(commit, name)| (name.to_owned(), commit)).collect()
}

/// A line of `packed-refs`, unless it is a comment or the target of a tag.
fn packed_ref(line: &[u8]) -> Option<(CommitId, &str)> {
    let line = str::from_utf8(line).ok()?;
    let (commit, name) = line.trim_end().split_once(' ')?;
    CommitId::parse(commit).filter(|_| is_ref_name(name)).map(|commit| (commit, name))
}

/// Whether a name can be that of a ref, and of a file below the repository.
fn is_ref_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && !part.bytes().any(|b| b.is_ascii_control())
    };
    name.starts_with("refs/") && !name.contains("..") && name.split('/').all(is_part)
}

/// Tests for an error of the agent's own making, which is no fault that passes.
fn is_barred(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
        || error.raw_os_error() == Some(nix::libc::ELOOP)
}

fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|about| about.is_dir())
}

/// Makes a directory; a link or a file in its place goes.
fn make_directory(dir: &Path) -> Result<()> {
    if is_directory(dir) {
        return Ok(());
    }
    remove(dir)?;
    DirBuilder::new().create(dir).at("create", dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const B: &str = "2222222222222222222222222222222222222222";

    fn repository() -> (tempfile::TempDir, OwnRepository) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join(".git/refs/heads/aq")).unwrap();
        let own = OwnRepository::of(dir.path());
        (dir, own)
    }

    fn put(own: &OwnRepository, name: &str, text: &str) {
        std::fs::write(own.dir().join(name), text).unwrap();
    }

    #[test]
    fn head_is_read_in_every_form() {
        let (_dir, own) = repository();
        let id = |text| CommitId::parse(text).unwrap();
        assert_eq!(own.head().unwrap(), OwnHead::Nowhere);
        put(&own, "HEAD", &format!("{A}\n"));
        assert_eq!(own.head().unwrap(), OwnHead::Detached(id(A)));
        put(&own, "HEAD", "ref: refs/heads/x\n");
        assert_eq!(own.head().unwrap(), OwnHead::Nowhere, "it has no commit");
        put(&own, "packed-refs", &format!("# pack-refs with: peeled\n{A} refs/heads/x\n^{B}\n"));
        assert_eq!(own.head().unwrap(), OwnHead::Branch("refs/heads/x".into(), id(A)));
        put(&own, "refs/heads/x", &format!("{B}\n"));
        assert_eq!(own.head().unwrap(), OwnHead::Branch("refs/heads/x".into(), id(B)));
        put(&own, "refs/heads/x", "ref: refs/heads/y\n");
        put(&own, "refs/heads/y", "ref: refs/heads/x\n");
        assert_eq!(own.head().unwrap(), OwnHead::Nowhere, "a circle");
        for text in ["", "nonsense", "ref: ../../x", "ref: refs/../../../etc/passwd", "ref: HEAD"] {
            put(&own, "HEAD", text);
            assert_eq!(own.head().unwrap(), OwnHead::Nowhere, "{text:?}");
        }
    }

    #[test]
    fn loose_refs_come_before_packed_ones() {
        let (_dir, own) = repository();
        put(&own, "packed-refs", &format!("{A} refs/heads/x\n{A} refs/tags/t\nnonsense\n"));
        put(&own, "refs/heads/x", &format!("{B}\n"));
        put(&own, "refs/stash", &format!("{A}\n"));
        let refs = own.refs().unwrap();
        let names: Vec<_> = refs.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
        assert_eq!(names, [("refs/heads/x", B), ("refs/stash", A), ("refs/tags/t", A)]);
    }

    #[test]
    fn nothing_is_written_through_link() {
        let (dir, own) = repository();
        let outside = dir.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::remove_dir(own.dir().join("refs/heads/aq")).unwrap();
        std::os::unix::fs::symlink(&outside, own.dir().join("refs/heads/aq")).unwrap();
        std::os::unix::fs::symlink(outside.join("head"), own.dir().join("HEAD")).unwrap();
        own.put_on("refs/heads/aq/wip/x", &CommitId::parse(A).unwrap()).unwrap();
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        assert!(matches!(own.head().unwrap(), OwnHead::Branch(name, _) if name.ends_with("/x")));
    }

    #[test]
    fn locks_of_dead_processes_go() {
        let (_dir, own) = repository();
        for name in ["index.lock", "config.lock", "refs/heads/aq/x.lock", "packed-refs.lock"] {
            put(&own, name, "");
        }
        put(&own, "refs/heads/aq/x", "");
        own.clear_locks().unwrap();
        assert!(own.dir().join("refs/heads/aq/x").exists());
        for name in ["index.lock", "config.lock", "refs/heads/aq/x.lock", "packed-refs.lock"] {
            assert!(!own.dir().join(name).exists(), "{name}");
        }
    }
}
