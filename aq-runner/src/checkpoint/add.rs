//! Putting everything that is in a checkout into an index. What git cannot add does not keep the
//! rest from being added, and repositories inside are looked at without running git in them.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::{Duration, Instant};

use super::checkout::{JobCheckout, remove};
use super::error::{CheckpointError, Result};
use super::gitlinks::Gitlinks;
use super::left::LeftOut;
use super::nested::{IgnoreSetting, NestedOrigin, NestedRepository, has_files, place_in, shown};
use super::repository::CommitId;
use super::wip::JobBranch;

/// The reason to leave out files in the place of a repository.
const FILES_OF_NONE: &str = "files are where a submodule is to be that is not checked out";
/// So many files that cannot be added are looked for, one by one.
const MOST_BAD: usize = 20;
/// The time for that, where each may take its own.
const ADD_TIME: Duration = Duration::from_secs(10 * 60);

impl JobBranch {
    /// Adds all changes of the files to an index, and answers what it could not take.
    ///
    /// # Errors
    /// When git cannot use the index at all.
    pub(super) fn add_all(&self, checkout: &JobCheckout, index: &Path) -> Result<Vec<LeftOut>> {
        let known = self.gitlinks(checkout, index)?;
        let mut left = self.add_files(checkout, index, &known)?;
        self.update_gitlinks(checkout, index, &known)?;
        left.extend(self.look_inside(checkout, index)?);
        Ok(left)
    }

    fn add_files(
        &self,
        checkout: &JobCheckout,
        index: &Path,
        links: &Gitlinks,
    ) -> Result<Vec<LeftOut>> {
        let call = checkout.call(self.repo.git(), "add").env("GIT_INDEX_FILE", index);
        let call = call.args(["--all", "--sparse", "--ignore-errors"]).args(checkout.pathspec());
        // A file in the place of one is like any other file.
        let is_dir = |path: &&OsString| {
            checkout.root.join(path).symlink_metadata().is_ok_and(|about| about.is_dir())
        };
        let links = links.keys().filter(is_dir);
        let links = links.map(|path| pathspec(":(exclude,top,literal)", path));
        let added = match call.args(links).slow().output() {
            // A filter that does not end is that of one file, and not known which.
            Err(CheckpointError::TimedOut { .. }) => return self.add_each(checkout, index),
            other => other?,
        };
        match added.code() {
            Some(0) => Ok(Vec::new()),
            Some(1) => Ok(refused(&added.errors())),
            _ if added.errors().contains("index file") => Err(added.failure()),
            _ => self.add_each(checkout, index),
        }
    }

    /// Adds what can be added: half of the changed files, and half of those that do not go, and so
    /// on. What is in the index stays: files that are not looked at, or not found for a moment, are
    /// not deleted.
    fn add_each(&self, checkout: &JobCheckout, index: &Path) -> Result<Vec<LeftOut>> {
        unlock(index)?;
        let mut open = vec![self.changed_paths(checkout, index)?];
        let mut left = Vec::new();
        let give_up = Instant::now() + self.repo.git().limit(ADD_TIME);
        while let Some(paths) = open.pop() {
            let Some(first) = paths.first() else { continue };
            if left.len() >= MOST_BAD || Instant::now() >= give_up {
                let rest = paths.len() + open.iter().map(Vec::len).sum::<usize>();
                left.push(LeftOut::new("others", format!("{rest} more were not tried")));
                break;
            }
            let why = match self.add_some(checkout, index, &paths) {
                Ok(None) => continue,
                Ok(Some(why)) => why,
                Err(e @ CheckpointError::TimedOut { .. }) => {
                    unlock(index)?;
                    e.to_string()
                }
                Err(e) => return Err(e),
            };
            if paths.len() == 1 {
                let name = shown(first);
                let name = name.trim_end_matches('/');
                left.push(LeftOut::new(name, format!("it cannot be added: {why}")));
                continue;
            }
            let (one, other) = paths.split_at(paths.len() / 2);
            open.extend([other.to_vec(), one.to_vec()]);
        }
        Ok(left)
    }

    /// The words of git when it cannot add these.
    fn add_some(
        &self,
        checkout: &JobCheckout,
        index: &Path,
        paths: &[OsString],
    ) -> Result<Option<String>> {
        let list: Vec<u8> =
            paths.iter().flat_map(|path| [path.as_bytes(), b"\0"].concat()).collect();
        let call = checkout.call(self.repo.git(), "add").env("GIT_INDEX_FILE", index);
        let call = call.env("GIT_LITERAL_PATHSPECS", "1").args(["--all", "--sparse"]);
        let call = call.args(["--pathspec-from-file=-", "--pathspec-file-nul"]);
        let output = call.text(&list)?.output()?;
        Ok((output.code() != Some(0)).then(|| output.errors()))
    }

    /// Files that may have changed, by their times, and those that git does not know. Nothing of
    /// them is read.
    fn changed_paths(&self, checkout: &JobCheckout, index: &Path) -> Result<Vec<OsString>> {
        let call = |subcommand| {
            checkout.call(self.repo.git(), subcommand).env("GIT_INDEX_FILE", index).slow()
        };
        let changed = call("diff-files").args(["--name-only", "-z", "--ignore-submodules=all"]);
        let unknown = call("ls-files").args(["--others", "--exclude-standard", "-z"]);
        let mut paths = BTreeSet::new();
        for list in
            [changed.args(checkout.pathspec()).run()?, unknown.args(checkout.pathspec()).run()?]
        {
            let list = list.stdout.split(|&byte| byte == 0).filter(|path| !path.is_empty());
            paths.extend(list.map(|path| OsString::from_vec(path.to_vec())));
        }
        Ok(paths.into_iter().collect())
    }

    /// Looks into the repositories inside. The index keeps those that the job started with, and
    /// submodules; by what it says of another one nobody would find its commits again.
    fn look_inside(&self, checkout: &JobCheckout, index: &Path) -> Result<Vec<LeftOut>> {
        let links = self.gitlinks(checkout, index)?;
        let beside = checkout.own.as_ref().map(|own| self.worktrees_of(own)).unwrap_or_default();
        let passed_over = match &checkout.own {
            Some(_) => self.passed_over(checkout, &links)?,
            None => Vec::new(),
        };
        if links.is_empty() && beside.is_empty() && passed_over.is_empty() {
            return Ok(Vec::new());
        }
        let submodules = self.submodules(checkout)?;
        let started_with = self.gitlinks_of(self.base())?;
        let mut left = Vec::new();
        let mut unknown = Gitlinks::new();
        let mut seen = BTreeSet::new();
        for (path, commit) in &links {
            let name = submodules.get(Path::new(path));
            if name.is_none() && !started_with.contains_key(path) {
                unknown.insert(path.clone(), commit.clone());
            }
            let root = checkout.root.join(path);
            let Some(nested) = NestedRepository::at(&root) else {
                // Git looks into no directory that should be a repository.
                if has_files(&root) {
                    left.push(LeftOut::new(shown(path), FILES_OF_NONE));
                }
                continue;
            };
            seen.insert(nested.root().to_owned());
            let of_user = name.map(|name| self.repo.common_dir().join("modules").join(name));
            let of_user = of_user.filter(|dir| dir.is_dir());
            let commit = started_with.get(path).cloned();
            let ignored = self.ignored(name)?;
            let known = NestedOrigin { commit, of_user };
            if let Some(why) = self.left_in(checkout, &nested, &known, ignored)? {
                left.push(LeftOut::new(shown(path), why));
            }
        }
        // Commits on the branch of a worktree are reported as those of a branch.
        let beside = beside.into_iter().map(|nested| (nested.head(), nested));
        let passed_over = passed_over.into_iter().map(|nested| (None, nested));
        for (commit, nested) in beside.chain(passed_over) {
            if !seen.insert(nested.root().to_owned()) {
                continue;
            }
            let (nested, known) = (&nested, NestedOrigin { commit, of_user: None });
            if let Some(why) = self.left_in(checkout, nested, &known, IgnoreSetting::Nothing)? {
                left.push(LeftOut::new(shown(&place_in(checkout, nested.root())), why));
            }
        }
        self.forget_gitlinks(checkout, index, &unknown)?;
        Ok(left)
    }

    /// What the user, not the agent, says of a submodule.
    fn ignored(&self, name: Option<&String>) -> Result<IgnoreSetting> {
        let Some(name) = name else { return Ok(IgnoreSetting::Nothing) };
        let call = self.repo.call("config").arg(format!("submodule.{name}.ignore"));
        Ok(IgnoreSetting::parse(String::from_utf8_lossy(&call.output()?.stdout).trim()))
    }

    /// The repositories inside of a commit.
    fn gitlinks_of(&self, commit: &CommitId) -> Result<Gitlinks> {
        let call = self.repo.call("ls-tree").args(["-r", "-z", "--full-tree", commit.as_str()]);
        let list = call.slow().run()?.stdout;
        let links = list.split(|&byte| byte == 0).filter_map(|line| {
            let (kind, path) = line.split_at_checked(line.iter().position(|&b| b == b'\t')?)?;
            let commit = str::from_utf8(kind).ok()?.strip_prefix("160000 commit ")?;
            Some((OsString::from_vec(path[1..].to_vec()), CommitId::parse(commit)?))
        });
        Ok(links.collect())
    }
}

/// Removes the lock that a git which was ended has left on an index.
fn unlock(index: &Path) -> Result<()> {
    let mut lock = index.as_os_str().to_owned();
    lock.push(".lock");
    remove(Path::new(&lock))
}

fn pathspec(magic: &str, path: &OsStr) -> OsString {
    let mut spec = OsString::from(magic);
    spec.push(path);
    spec
}

/// What git said of files that it passed over, by file where it names them.
fn refused(errors: &str) -> Vec<LeftOut> {
    let named = errors.lines().filter_map(|line| {
        let line = line.strip_prefix("error: ")?;
        let quoted = line.split(['\'', '"']).nth(1)?;
        Some(LeftOut::new(quoted.trim_end_matches('/'), line))
    });
    let mut left: Vec<LeftOut> = named.collect();
    left.dedup_by(|one, before| one.what == before.what);
    if left.is_empty() && !errors.is_empty() {
        left.push(LeftOut::new("some files", errors));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_git_passed_over_are_named() {
        let said = "error: open(\"a b\"): Permission denied\nerror: unable to index file 'a b'\n\
                    error: 'inner/' does not have a commit checked out\nhint: x";
        let left = refused(said);
        assert_eq!(left.iter().map(|one| one.what.as_str()).collect::<Vec<_>>(), ["a b", "inner"]);
        assert_eq!(refused("something else")[0].what, "some files");
    }
}
