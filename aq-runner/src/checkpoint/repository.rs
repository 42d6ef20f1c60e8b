//! Which repository a directory belongs to.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{CheckpointError, HeadState, Result};
use super::files;
use super::git::{GitCommand, GitOutput, GitProgram};
use super::git_files::PlainRepository;
use super::turn::borrowed_branch;
use super::watch::GitWatch;
use super::wip::BRANCHES;

/// The full name of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitId(String);

impl CommitId {
    /// Takes 40 (SHA-1) or 64 (SHA-256) hexadecimal digits, without white space around them.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.bytes().all(|b| b.is_ascii_hexdigit());
        (hex && matches!(text.len(), 40 | 64)).then(|| Self(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What `git update-ref` understands as "it must not exist".
    pub(super) fn nothing(&self) -> String {
        "0".repeat(self.0.len())
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What `HEAD` of a checkout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckoutHead {
    /// A branch, by its full name (`refs/heads/main`), and its commit.
    Branch(String, CommitId),
    /// A commit and no branch.
    Detached(CommitId),
    /// A branch that has no commit yet.
    Unborn(String),
}

/// A repository, seen from a directory in it.
#[derive(Clone, Debug)]
pub struct GitRepository {
    git: GitProgram,
    common_dir: PathBuf,
    git_dir: PathBuf,
    root: Option<PathBuf>,
    prefix: PathBuf,
    head: CheckoutHead,
}

impl GitRepository {
    /// Finds the repository of a directory; `None` outside git. Also in a bare repository, a
    /// linked worktree and a submodule, on a detached `HEAD` and before the first commit.
    ///
    /// Outside git no process is started. `marks` are environment entries for every run of git,
    /// by which one that outlives the caller can be found.
    ///
    /// # Errors
    /// When the directory is gone, or git will not use this repository.
    pub fn discover(dir: &Path, marks: &[(OsString, OsString)]) -> Result<Option<Self>> {
        let git = GitProgram::new(marks, &GitWatch::default());
        Ok(Self::discover_with(git, dir, "HEAD")?.map(|(repo, _)| repo))
    }

    /// Also returns whether a branch, by its full name, is there, without a further run of git.
    pub(super) fn discover_with(
        git: GitProgram,
        dir: &Path,
        branch: &str,
    ) -> Result<Option<(Self, bool)>> {
        let dir = dir.canonicalize().at("open", dir)?;
        let mut found = false;
        for above in dir.ancestors() {
            found = found || looks_like_repository(above)?;
        }
        if !found {
            return Ok(None);
        }
        if dir.as_os_str().as_encoded_bytes().contains(&b'\n') {
            return Err(CheckpointError::LineBreak(dir));
        }
        if let Some(plain) = PlainRepository::read(&dir, branch) {
            let PlainRepository { root, git_dir, prefix, head, has_branch } = plain;
            let (common_dir, root) = (git_dir.clone(), Some(root));
            return Ok(Some((Self { git, common_dir, git_dir, root, prefix, head }, has_branch)));
        }
        let output = git
            .call(&dir, "rev-parse")
            .args(["--path-format=absolute", "--is-inside-work-tree", "--git-dir"])
            .args(["--git-common-dir", "--show-prefix", "--revs-only"])
            .args(["HEAD^{commit}", "--symbolic-full-name", "HEAD", branch])
            .read_only()
            .output()?;
        if output.code() == Some(128) && output.errors().contains("not a git repository (or any") {
            // Git says so of one that it cannot read, too. To take that for none would be to work
            // among the user's own files.
            return match dir.ancestors().find_map(whole_repository) {
                Some(damaged) if !is_told_to_stop(&output, &dir, &damaged) => {
                    Err(CheckpointError::Unreadable(damaged))
                }
                _ => Ok(None),
            };
        }
        let output = output.success()?;
        // Unlike the others, the branch's name is last: without a commit its line is missing.
        let lines: Vec<&[u8]> = output.stdout.split(|&byte| byte == b'\n').collect();
        let [inside, git_dir, common_dir, prefix, rest @ ..] = lines.as_slice() else {
            return Err(nonsense(&output.stdout));
        };
        let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
        let (git_dir, common_dir, prefix) = (path(git_dir), path(common_dir), path(prefix));
        let head = match rest {
            [commit, name, ..] => {
                let commit = str::from_utf8(commit).ok().and_then(CommitId::parse);
                match (commit, str::from_utf8(name)) {
                    // It has a commit, and a moment later its name could not be read.
                    (Some(_), Ok("")) => return Err(CheckpointError::Unreadable(git_dir)),
                    (Some(commit), Ok("HEAD")) => CheckoutHead::Detached(commit),
                    (Some(commit), Ok(name)) => CheckoutHead::Branch(name.to_owned(), commit),
                    _ => return Err(nonsense(&output.stdout)),
                }
            }
            _ => without_commit(&git, &dir, &common_dir)?,
        };
        let root = (*inside == b"true")
            .then(|| dir.ancestors().nth(prefix.components().count()).unwrap_or(&dir).to_owned());
        let repo = Self { git, common_dir, git_dir, root, prefix, head };
        let has_branch = match (rest, &repo.head) {
            (_, CheckoutHead::Unborn(_)) => repo.commit(branch)?.is_some(),
            (rest, _) => rest.get(2) == Some(&branch.as_bytes()),
        };
        Ok(Some((repo, has_branch)))
    }

    /// Where its objects and branches are.
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Where the checkout's own `HEAD` and index are.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The top of the checkout; `None` in a bare repository.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// The directory, relative to [`root`](Self::root).
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// What `HEAD` was when the repository was found.
    pub fn head(&self) -> &CheckoutHead {
        &self.head
    }

    /// The same whose objects survive power loss.
    pub(super) fn synced(&self) -> Self {
        Self { git: self.git.synced(), ..self.clone() }
    }

    pub(super) fn git(&self) -> &GitProgram {
        &self.git
    }

    /// A call that works on objects and refs only.
    pub(super) fn call(&self, subcommand: &str) -> GitCommand {
        self.call_with(&[], subcommand)
    }

    /// The same with further options of git itself.
    pub(super) fn call_with(&self, options: &[&str], subcommand: &str) -> GitCommand {
        let dir = &self.common_dir;
        self.git.call_with(options, dir, subcommand).env("GIT_DIR", dir)
    }

    /// The commit of a revision; `None` when there is none.
    pub(super) fn commit(&self, revision: &str) -> Result<Option<CommitId>> {
        let text = self
            .call("rev-parse")
            .args(["--verify", "--quiet", &format!("{revision}^{{commit}}")])
            .output()?;
        match text.code() {
            Some(0) => CommitId::parse(String::from_utf8_lossy(&text.stdout).trim())
                .map(Some)
                .ok_or_else(|| nonsense(&text.stdout)),
            Some(1) => Ok(None),
            _ => Err(text.failure()),
        }
    }

    /// The commit of a branch or other ref of aq's, by its full name; `None` when there is none.
    /// Git is asked where the ref is in no file of its own: it says of a file that it cannot read
    /// that there is none.
    pub(super) fn branch_commit(&self, name: &str) -> Result<Option<CommitId>> {
        let path = self.common_dir.join(name);
        let loose = match files::read(&path) {
            Err(e) if e.raw_os_error().is_some() => return Err(e).at("read", &path),
            loose => loose.ok().flatten(),
        };
        match loose.and_then(|text| CommitId::parse(&text)) {
            Some(commit) => Ok(Some(commit)),
            None => self.commit(name),
        }
    }

    /// Makes a commit. Git's own idea of who commits is used; when it has none, `aq`.
    pub(super) fn commit_tree(
        &self,
        tree: &str,
        parents: &[CommitId],
        message: &str,
    ) -> Result<CommitId> {
        self.commit_tree_by(|| self.call("commit-tree"), tree, parents, message)
    }

    /// The same by calls that find the tree.
    pub(super) fn commit_tree_by(
        &self,
        commit_tree: impl Fn() -> GitCommand,
        tree: &str,
        parents: &[CommitId],
        message: &str,
    ) -> Result<CommitId> {
        let call = |call: GitCommand| {
            let parents = parents.iter().flat_map(|parent| ["-p", parent.as_str()]);
            call.args(parents).args(["-m", message, tree]).output()
        };
        let mut output = call(commit_tree())?;
        if output.errors().contains("Please tell me who you are")
            || output.errors().contains("empty ident name")
        {
            let mut anonymous = commit_tree();
            for role in ["AUTHOR", "COMMITTER"] {
                anonymous = anonymous
                    .env(&format!("GIT_{role}_NAME"), "aq")
                    .env(&format!("GIT_{role}_EMAIL"), "aq@localhost");
            }
            output = call(anonymous)?;
        }
        let output = output.success()?;
        CommitId::parse(String::from_utf8_lossy(&output.stdout).trim())
            .ok_or_else(|| nonsense(&output.stdout))
    }

    /// Moves a branch, if it is still where it was.
    pub(super) fn update_ref(&self, name: &str, new: &CommitId, old: &str) -> Result<()> {
        self.update_ref_for("aq: checkpoint", name, new, old)
    }

    /// The same with a reason for the branch's log.
    pub(super) fn update_ref_for(
        &self,
        reason: &str,
        name: &str,
        new: &CommitId,
        old: &str,
    ) -> Result<()> {
        let call = self.call("update-ref").args(["-m", reason, name, new.as_str(), old]);
        call.run().map(drop)
    }

    /// The branch because of which git refuses to make this one, by their full names: `aq` and
    /// `aq/wip/fix/more` are both in the way of `aq/wip/fix`.
    fn in_the_way(&self, name: &str) -> Result<Option<String>> {
        let folders = name.match_indices('/').map(|(at, _)| &name[..at]).skip(2);
        for folder in folders {
            if self.commit(folder)?.is_some() {
                return Ok(Some(folder.to_owned()));
            }
        }
        let call = self.call("for-each-ref").args(["--count=1", "--format=%(refname)"]);
        Ok(Some(call.arg(format!("{name}/")).line()?).filter(|other| !other.is_empty()))
    }

    /// Says what is in the way of a branch that could not be made, where something is.
    pub(super) fn why_not_made(&self, name: &str, error: CheckpointError) -> CheckpointError {
        match self.in_the_way(name) {
            Ok(Some(other)) => CheckpointError::NameInTheWay {
                branch: name.replacen("refs/heads/", "", 1),
                other: other.replacen("refs/heads/", "", 1),
            },
            _ => error,
        }
    }
}

pub(super) fn nonsense(answer: &[u8]) -> CheckpointError {
    CheckpointError::Nonsense {
        source_name: "git".to_owned(),
        answer: String::from_utf8_lossy(answer).into_owned(),
        expected: "an answer of git 2.38 or newer",
    }
}

/// What `HEAD` is when git printed no commit of it: there is none, or it could not be read.
fn without_commit(git: &GitProgram, dir: &Path, common_dir: &Path) -> Result<CheckoutHead> {
    let name = git.call(dir, "symbolic-ref").arg("HEAD").line()?;
    let file = common_dir.join(&name);
    // Where branches are in tables it is nobody's; branches below this name make a directory of it.
    if files::is_there(&file)? && !files::is_directory(&file)? {
        return Err(CheckpointError::Unreadable(file));
    }
    Ok(CheckoutHead::Unborn(name))
}

/// The branch that a directory has checked out, by its full name, without a run of git: where an
/// in-place job has the checkout, the one that it gives back. `None` on no branch, outside git, and
/// where refs are in tables.
pub fn branch_at(dir: &Path) -> Option<String> {
    let git_dir = git_dir_at(dir)?;
    let head = files::read(&git_dir.join("HEAD")).ok()??;
    let name = head.strip_prefix("ref: ")?;
    let name = match name.starts_with(BRANCHES).then(|| common_dir_of(&git_dir)).flatten() {
        Some(common_dir) => borrowed_branch(&common_dir).unwrap_or_else(|| name.to_owned()),
        None => name.to_owned(),
    };
    (name.starts_with("refs/heads/") && name != "refs/heads/.invalid").then_some(name)
}

/// The repository that a directory is in, by its common git directory, without a run of git. `None`
/// outside git.
pub fn repository_at(dir: &Path) -> Option<PathBuf> {
    common_dir_of(&git_dir_at(dir)?)
}

pub(super) fn git_dir_at(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find_map(|dir| {
        let inside = dir.join(".git");
        match inside.symlink_metadata() {
            Ok(about) if about.is_file() => {
                Some(dir.join(files::read(&inside).ok()??.strip_prefix("gitdir: ")?))
            }
            Ok(_) => Some(inside),
            Err(_) => is_whole(dir).then(|| dir.to_owned()),
        }
    })
}

fn common_dir_of(git_dir: &Path) -> Option<PathBuf> {
    let shared = files::read(&git_dir.join("commondir")).ok()?;
    let common_dir = shared.map_or_else(|| git_dir.to_owned(), |path| git_dir.join(path));
    common_dir.canonicalize().ok()
}

fn looks_like_repository(dir: &Path) -> Result<bool> {
    Ok(files::is_there(&dir.join(".git"))? || is_whole(dir))
}

/// The git directory at this place, when nothing of it is missing.
fn whole_repository(dir: &Path) -> Option<PathBuf> {
    let inside = dir.join(".git");
    if is_whole(&inside) {
        return Some(inside);
    }
    // Anybody's directory may have such names in it.
    let head = std::fs::read_to_string(dir.join("HEAD")).unwrap_or_default();
    let is_head = head.starts_with("ref: ") || CommitId::parse(head.trim()).is_some();
    (is_head && is_whole(dir)).then(|| dir.to_owned())
}

fn is_whole(git_dir: &Path) -> bool {
    let is_dir = |name: &str| git_dir.join(name).is_dir();
    git_dir.join("HEAD").is_file() && is_dir("objects") && is_dir("refs")
}

/// Whether git did not go up as far as to what was found there: to another file system, or beyond
/// what the user allows.
fn is_told_to_stop(output: &GitOutput, dir: &Path, found: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|about| about.dev()).ok();
    let is_beyond = output.errors().contains("mount point") && device(dir) != device(found);
    is_beyond || std::env::var_os("GIT_CEILING_DIRECTORIES").is_some_and(|dirs| !dirs.is_empty())
}
