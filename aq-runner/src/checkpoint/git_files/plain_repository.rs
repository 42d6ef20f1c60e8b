//! The repository of a directory, read from its files, where it is as nearly all are: `.git` is a
//! directory of the caller's own at the top of the files, and refs are in files.
//!
//! That saves a run of git at each start of a job. Everything else, and whatever may be wrong with
//! a repository, is for git to say.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::files;
use super::super::repository::{CheckoutHead, CommitId};

/// The most that is read of `config` and of `packed-refs`, in bytes.
const MAX_CONFIG: u64 = 1 << 20;
const MAX_PACKED: u64 = 64 << 20;
/// Variables by which git looks elsewhere, or not so far up.
const LOOKS_ELSEWHERE: [&str; 2] = ["GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM"];

/// A repository as nearly all are.
#[derive(Debug)]
pub(in super::super) struct PlainRepository {
    pub(in super::super) root: PathBuf,
    pub(in super::super) git_dir: PathBuf,
    /// The directory that was asked for, relative to the root.
    pub(in super::super) prefix: PathBuf,
    pub(in super::super) head: CheckoutHead,
    pub(in super::super) has_branch: bool,
}

impl PlainRepository {
    /// Reads the repository of a directory without links in its path, and whether a branch, by its
    /// full name, is there. `None`: git has to say.
    pub(in super::super) fn read(dir: &Path, branch: &str) -> Option<Self> {
        if LOOKS_ELSEWHERE.iter().any(|name| std::env::var_os(name).is_some()) {
            return None;
        }
        let (root, git_dir) = dir.ancestors().find_map(|root| {
            let inside = root.join(".git");
            let is_there = inside.symlink_metadata().is_ok() || is_git_dir(root);
            is_there.then_some((root, inside))
        })?;
        if !is_git_dir(&git_dir) || !is_own(dir, root, &git_dir)? || !has_plain_files(&git_dir)? {
            return None;
        }
        let head = read_head(&git_dir)?;
        let has_branch = branch != "HEAD" && read_ref(&git_dir, branch)?.is_some();
        let prefix = dir.strip_prefix(root).ok()?.to_owned();
        Some(Self { root: root.to_owned(), git_dir, prefix, head, has_branch })
    }
}

fn is_git_dir(dir: &Path) -> bool {
    let is_dir = |dir: &Path| dir.symlink_metadata().is_ok_and(|about| about.is_dir());
    is_dir(dir)
        && dir.join("HEAD").symlink_metadata().is_ok_and(|about| about.is_file())
        && ["objects", "refs", "refs/heads"].iter().all(|name| is_dir(&dir.join(name)))
}

/// Tests for a repository that git uses without a setting that it is safe, and that is on one file
/// system.
fn is_own(dir: &Path, root: &Path, git_dir: &Path) -> Option<bool> {
    let user = nix::unistd::geteuid().as_raw();
    let device = dir.metadata().ok()?.dev();
    let parts = [root.metadata().ok()?, git_dir.metadata().ok()?];
    Some(parts.iter().all(|about| about.uid() == user && about.dev() == device))
}

/// Tests for a format and for settings that do not put files elsewhere.
fn has_plain_files(git_dir: &Path) -> Option<bool> {
    let is_there = |name: &str| git_dir.join(name).symlink_metadata().is_ok();
    Some(!is_there("commondir") && !is_there("reftable") && is_plain_config(git_dir)?)
}

/// Tests for a configuration of a repository that is all in its one file, and says nothing of where
/// files are or how refs and objects are kept.
pub(in super::super) fn is_plain_config(git_dir: &Path) -> Option<bool> {
    let config = files::read_up_to(&git_dir.join("config"), MAX_CONFIG).ok()??;
    let config = String::from_utf8(config).ok()?.to_ascii_lowercase();
    let is_known = |line: &str| {
        let value = line.split('=').nth(1).map(str::trim);
        match line {
            _ if line.contains("bare") => value == Some("false"),
            _ if line.contains("repositoryformatversion") => matches!(value, Some("0" | "1")),
            _ => true,
        }
    };
    let is_elsewhere =
        ["include", "worktree", "extensions"].iter().any(|word| config.contains(word));
    Some(config.len() < MAX_CONFIG as usize && !is_elsewhere && config.lines().all(is_known))
}

fn read_head(git_dir: &Path) -> Option<CheckoutHead> {
    let text = files::read(&git_dir.join("HEAD")).ok()??;
    match text.strip_prefix("ref: ") {
        Some(name) if is_branch_name(name) => {
            read_ref(git_dir, name)?.map(|commit| CheckoutHead::Branch(name.to_owned(), commit))
        }
        Some(_) => None,
        None => CommitId::parse(&text).map(CheckoutHead::Detached),
    }
}

fn is_branch_name(name: &str) -> bool {
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.');
    name.strip_prefix("refs/heads/").is_some_and(|name| name.split('/').all(is_plain))
}

/// The commit of a ref, or that there is none; the outer `None` where its file is odd.
#[expect(clippy::option_option, reason = "what is not there is known, too")]
fn read_ref(git_dir: &Path, name: &str) -> Option<Option<CommitId>> {
    if !is_branch_name(name) {
        return None;
    }
    // As git does: a ref that is being packed is in one of both.
    if let Some(text) = files::read(&git_dir.join(name)).ok()? {
        return CommitId::parse(&text).map(Some);
    }
    let path = git_dir.join("packed-refs");
    let Some(packed) = files::read_up_to(&path, MAX_PACKED).ok()? else { return Some(None) };
    if packed.len() as u64 >= MAX_PACKED {
        return None;
    }
    let lines = packed.split(|&byte| byte == b'\n');
    let mut of_name =
        lines.filter_map(|line| line.strip_suffix(name.as_bytes())?.strip_suffix(b" "));
    match of_name.next() {
        Some(commit) => Some(Some(CommitId::parse(str::from_utf8(commit).ok()?)?)),
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    fn git(dir: &Path, args: &[&str]) -> String {
        let who = ["-c", "user.name=a", "-c", "user.email=a@b"];
        let output = Command::new("git").args(who).args(args).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn repository() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        git(&root, &["init", "-q", "-b", "main"]);
        git(&root, &["commit", "-q", "--allow-empty", "-m", "first"]);
        fs::create_dir_all(root.join("sub/dir")).unwrap();
        (dir, root)
    }

    #[test]
    fn files_say_what_git_says() {
        let (_dir, root) = repository();
        let commit = CommitId::parse(&git(&root, &["rev-parse", "HEAD"])).unwrap();
        let main = || CheckoutHead::Branch("refs/heads/main".to_owned(), commit.clone());
        let read = |branch: &str| PlainRepository::read(&root.join("sub/dir"), branch).unwrap();
        let found = read("refs/heads/aq/wip/a");
        assert_eq!((&found.root, &found.head, found.has_branch), (&root, &main(), false));
        assert_eq!((found.prefix, found.git_dir), (PathBuf::from("sub/dir"), root.join(".git")));
        git(&root, &["branch", "aq/wip/a"]);
        assert!(read("refs/heads/aq/wip/a").has_branch);
        git(&root, &["pack-refs", "--all"]);
        let found = read("refs/heads/aq/wip/a");
        assert!(found.has_branch && !read("refs/heads/aq/wip").has_branch);
        assert_eq!(found.head, main());
        git(&root, &["checkout", "-q", "--detach"]);
        assert_eq!(read("HEAD").head, CheckoutHead::Detached(commit.clone()));
    }

    #[test]
    fn odd_repositories_are_left_to_git() {
        let write = |path: PathBuf, text: &str| fs::write(path, text).unwrap();
        let odd: [fn(&Path); 7] = [
            |root| drop(git(root, &["config", "core.worktree", "/elsewhere"])),
            |root| drop(git(root, &["config", "extensions.worktreeConfig", "true"])),
            |root| drop(git(root, &["config", "core.bare", "true"])),
            |root| drop(git(root, &["config", "core.repositoryFormatVersion", "7"])),
            |root| drop(git(root, &["config", "include.path", "other"])),
            |root| drop(git(root, &["checkout", "-q", "--orphan", "unborn"])),
            |root| drop(git(root, &["symbolic-ref", "refs/heads/main", "refs/heads/other"])),
        ];
        for (n, make_odd) in odd.into_iter().enumerate() {
            let (_dir, root) = repository();
            make_odd(&root);
            assert!(PlainRepository::read(&root, "HEAD").is_none(), "{n}");
        }
        let (_dir, root) = repository();
        let read = || PlainRepository::read(&root, "HEAD");
        assert!(read().is_some());
        assert!(PlainRepository::read(&root.join(".git/objects"), "HEAD").is_none());
        write(root.join(".git/refs/heads/main"), "\0\0\0");
        assert!(read().is_none(), "torn");
        write(root.join("sub/.git"), "gitdir: elsewhere");
        assert!(PlainRepository::read(&root.join("sub"), "HEAD").is_none(), "linked");
    }
}
