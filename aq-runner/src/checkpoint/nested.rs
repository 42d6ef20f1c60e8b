//! Repositories inside of a checkout, or beside it: submodules, clones, worktrees of sub-agents.
//! The work in them counts when it is nowhere else. Git is never run by their configuration: it
//! gets their files, index and objects, and the rules of the user's repository.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::checkout::JobCheckout;
use super::error::{HeadState, Result};
use super::files;
use super::git::GitCommand;
use super::own::{OwnHead, OwnRepository, borrowed_from};
use super::repository::CommitId;
use super::wip::{BRANCHES, JobBranch};

/// The most of an index that is looked at, in bytes.
const MAX_INDEX: u64 = 512 << 20;
/// So many paths of changes are named.
const NAMED: usize = 3;
/// Where a submodule of the user's has commits of a job's.
const OF_SUBMODULE: &str = "refs/aq/submodule/";

/// A repository, by the directory of its files.
#[derive(Clone, Debug)]
pub(super) struct NestedRepository {
    root: PathBuf,
    /// Where its `HEAD` and index are.
    git_dir: OwnRepository,
    /// Where its refs and objects are: elsewhere in a linked worktree.
    common_dir: OwnRepository,
}

impl NestedRepository {
    /// The repository whose files are there; `None` when there is none.
    pub(super) fn at(root: &Path) -> Option<Self> {
        let dot_git = root.join(".git");
        let git_dir = match dot_git.symlink_metadata().ok()? {
            about if about.is_dir() => dot_git,
            about if about.is_file() => {
                let text = files::read(&dot_git).ok()??;
                root.join(text.strip_prefix("gitdir: ")?).canonicalize().ok()?
            }
            _ => return None,
        };
        let common_dir = match files::read(&git_dir.join("commondir")).ok()? {
            Some(path) => git_dir.join(path).canonicalize().ok()?,
            None => git_dir.clone(),
        };
        let (git_dir, common_dir) = (OwnRepository::at(git_dir), OwnRepository::at(common_dir));
        Some(Self { root: root.to_owned(), git_dir, common_dir })
    }

    /// Its files.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where its `HEAD` and index are.
    pub(super) fn git_dir(&self) -> &Path {
        self.git_dir.dir()
    }

    /// The commit that is checked out.
    pub(super) fn head(&self) -> Option<CommitId> {
        let head = self.git_dir.head().ok()?;
        match head {
            OwnHead::Branch(_, commit) | OwnHead::Detached(commit) => Some(commit),
            // The branch of a linked worktree is in the common directory.
            OwnHead::Nowhere => self.common_dir.resolve(&self.git_dir.head_name()?).ok()?,
        }
    }

    /// The commits that it has, the checked out one first, and those that a remote of it has.
    fn commits(&self) -> Result<(Vec<CommitId>, Vec<CommitId>)> {
        let (mut own, mut remote) = (Vec::new(), Vec::new());
        own.extend(self.head());
        for (name, commit) in self.common_dir.refs()? {
            let is_remote = name.starts_with("refs/remotes/");
            if is_remote { &mut remote } else { &mut own }.push(commit);
        }
        Ok((own, remote))
    }

    fn objects(&self) -> PathBuf {
        self.common_dir.objects()
    }
}

/// Where a repository inside has come from.
#[derive(Clone, Debug, Default)]
pub(super) struct NestedOrigin {
    /// The commit that the job started with there.
    pub(super) commit: Option<CommitId>,
    /// The user's own repository of that submodule.
    pub(super) of_user: Option<PathBuf>,
}

impl JobBranch {
    /// The work in a repository that is nowhere else, in words.
    pub(super) fn left_in(
        &self,
        checkout: &JobCheckout,
        nested: &NestedRepository,
        known: &NestedOrigin,
        ignored: IgnoreSetting,
    ) -> Result<Option<String>> {
        let mut words = Vec::new();
        let taken_over = match self.commits_only_in(checkout, nested, known) {
            Ok(0) => None,
            count => {
                words.push(match count {
                    Ok(1) => "a commit that no remote has".to_owned(),
                    Ok(count) => format!("{count} commits that no remote has"),
                    Err(e) => format!("commits that git cannot read ({e})"),
                });
                self.take_over(nested, known)
            }
        };
        let changed = match self.changes_in(checkout, nested, ignored) {
            Ok(changed) => changed,
            Err(e) => vec![format!("git cannot tell which: {e}")],
        };
        if !changed.is_empty() {
            let named: Vec<&str> = changed.iter().take(NAMED).map(String::as_str).collect();
            let more = if changed.len() > NAMED { ", ..." } else { "" };
            words.push(format!("changes that are not committed ({}{more})", named.join(", ")));
        }
        if words.is_empty() {
            return Ok(None);
        }
        let taken_over = taken_over.map_or_else(String::new, |name| {
            format!(
                "; your repository of the submodule has them at {name}, to be pushed from there"
            )
        });
        Ok(Some(format!("a repository inside has {}{taken_over}", words.join(", and "))))
    }

    /// Puts the commit of a submodule into the user's own repository of it. Answers the ref that
    /// has it.
    fn take_over(&self, nested: &NestedRepository, known: &NestedOrigin) -> Option<String> {
        let (dir, head) = (known.of_user.as_ref()?, nested.head()?);
        let name = self.branch_ref().replacen(BRANCHES, OF_SUBMODULE, 1);
        let there: Vec<CommitId> =
            OwnRepository::at(dir.clone()).refs().ok()?.into_values().collect();
        self.bring_into(dir, &nested.objects(), &head, &there).ok()?;
        let call = self.repo.git().call(dir, "update-ref").env("GIT_DIR", dir);
        call.args([&name, head.as_str()]).run().ok()?;
        Some(name)
    }

    /// The number of its commits that are in no remote, in no repository of the user's, and were
    /// not there when the job started.
    fn commits_only_in(
        &self,
        checkout: &JobCheckout,
        nested: &NestedRepository,
        known: &NestedOrigin,
    ) -> Result<u64> {
        let (mut own, mut remote) = nested.commits()?;
        if checkout.own.as_ref() == Some(&nested.common_dir) {
            // Branches of the agent's own repository are looked at as such.
            remote.extend(own.split_off(1.min(own.len())));
        }
        let of_user = known.of_user.as_ref().map(|dir| OwnRepository::at(dir.clone()));
        let mut users = match &of_user {
            Some(user) => user.refs()?,
            None => BTreeMap::new(),
        };
        // What aq has put there is still in no branch and at no remote.
        users.retain(|name, _| !name.starts_with("refs/aq/"));
        let mut paths = borrowed_from(&nested.objects());
        if let Some(user) = &of_user {
            paths.push(":");
            paths.push(borrowed_from(&user.objects()));
        }
        let have = remote.iter().chain(&known.commit).chain(users.values());
        let have: Vec<String> = have.map(|commit| format!("^{commit}")).collect();
        let call = self.repo.call("rev-list").env("GIT_ALTERNATE_OBJECT_DIRECTORIES", paths);
        let call = call.args(["--count", "--ignore-missing"]);
        let call = call.args(own.iter().map(CommitId::as_str)).args(have);
        if own.is_empty() {
            return Ok(0);
        }
        Ok(call.args(["--not", "--all"]).slow().line()?.parse().unwrap_or(1))
    }

    /// Paths that differ from what is checked out, or are in no commit.
    fn changes_in(
        &self,
        checkout: &JobCheckout,
        nested: &NestedRepository,
        ignored: IgnoreSetting,
    ) -> Result<Vec<String>> {
        let mut changed = Vec::new();
        if ignored == IgnoreSetting::All {
            return Ok(changed);
        }
        let dir = tempfile::tempdir_in(self.notes.dir()).at("create in", self.notes.dir())?;
        let index = dir.path().join("index");
        copy_index_of(nested, &index).at("copy the index of", &nested.root)?;
        let call = |subcommand: &str| {
            let call = self.call_in(checkout, nested, subcommand);
            call.env("GIT_INDEX_FILE", &index).slow()
        };
        // It says so when files differ.
        call("update-index").args(["-q", "--refresh", "--ignore-submodules"]).output()?;
        let names = ["--name-only", "-z", "--ignore-submodules=all"];
        changed.extend(call("diff-files").args(names).run()?.fields());
        if let Some(head) = nested.head() {
            let staged = call("diff-index").args(names).args(["--cached", head.as_str(), "--"]);
            changed.extend(staged.run()?.fields());
        }
        if ignored == IgnoreSetting::Nothing {
            let unknown = call("ls-files").args(["--others", "--exclude-standard", "-z"]);
            changed.extend(unknown.args(["--directory", "--no-empty-directory"]).run()?.fields());
        }
        changed.sort();
        changed.dedup();
        Ok(changed)
    }

    /// A call on the files of a repository inside, by the rules of the user's repository.
    fn call_in(
        &self,
        checkout: &JobCheckout,
        nested: &NestedRepository,
        subcommand: &str,
    ) -> GitCommand {
        let dir = checkout.git_dir.as_ref().unwrap_or(&checkout.common_dir);
        let call = self.repo.git().call(&nested.root, subcommand).env("GIT_DIR", dir);
        let call = call.env("GIT_WORK_TREE", &nested.root);
        call.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", borrowed_from(&nested.objects()))
    }

    /// Worktrees that the agent has made of its own repository, wherever they are.
    pub(super) fn worktrees_of(&self, own: &OwnRepository) -> Vec<NestedRepository> {
        let entries =
            std::fs::read_dir(own.dir().join("worktrees")).into_iter().flatten().flatten();
        let root = |dir: PathBuf| {
            let dot_git = dir.join(files::read(&dir.join("gitdir")).ok()??);
            NestedRepository::at(dot_git.parent()?)
        };
        entries.filter_map(|entry| root(entry.path())).collect()
    }
}

/// What of a submodule the user has said to be of no interest: `submodule.<name>.ignore`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum IgnoreSetting {
    #[default]
    Nothing,
    Untracked,
    All,
}

impl IgnoreSetting {
    pub(super) fn parse(word: &str) -> Self {
        match word {
            "untracked" => Self::Untracked,
            "dirty" | "all" => Self::All,
            _ => Self::Nothing,
        }
    }
}

/// Copies the index with its time; one that is missing has no entries.
fn copy_index_of(nested: &NestedRepository, to: &Path) -> io::Result<()> {
    let path = nested.git_dir.dir().join("index");
    let file = match files::open(&path) {
        Err(e) if files::is_absent(&e) => return Ok(()),
        file => file?,
    };
    let written = file.metadata()?.modified()?;
    let mut copy = File::create(to)?;
    io::copy(&mut io::Read::take(file, MAX_INDEX), &mut copy)?;
    copy.set_modified(written)
}

/// Tests for a directory with anything but directories in it.
pub(super) fn has_files(dir: &Path) -> bool {
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                return true;
            }
            open.push(entry.path());
        }
    }
    false
}

/// A path as people read it.
pub(super) fn shown(path: &OsStr) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}

/// A path relative to the checkout, where it is inside.
pub(super) fn place_in(checkout: &JobCheckout, path: &Path) -> OsString {
    path.strip_prefix(&checkout.root).unwrap_or(path).as_os_str().to_owned()
}
