//! Contents on their way between hosts. They go before the branch: what the remote has of the
//! branch can be checked out, and `git lfs prune` may remove here what it believes to be there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::super::error::{CheckpointError, Result};
use super::super::repository::{CommitId, GitRepository};
use super::super::wip::{BRANCHES, JobBranch};
use super::scan::FoundPointer;

/// So many contents are named to git-lfs at a time: their names are arguments.
const AT_A_TIME: usize = 500;

impl JobBranch {
    /// Uploads the contents of a commit that the remote may not have. `last` is the commit that the
    /// remote got last.
    ///
    /// # Errors
    /// When git-lfs is not there, or cannot upload; and when a content is nowhere.
    pub(in super::super) fn push_contents(
        &self,
        remote: &str,
        commit: &CommitId,
        last: Option<&CommitId>,
    ) -> Result<()> {
        let store = self.repo.lfs_places()?.user;
        if !store.is_there() {
            return Ok(());
        }
        let known = match last {
            Some(last) => vec![last.to_string()],
            None => heads_of(&self.repo, remote)?,
        };
        let found = self.repo.new_pointers(commit.as_str(), &known)?;
        let (here, missing): (Vec<_>, Vec<_>) =
            found.iter().partition(|one| store.has(&one.pointer));
        self.expect_at_remote(commit, &missing, &known)?;
        let oids: BTreeSet<&str> =
            here.iter().filter(|one| one.pointer.size() > 0).map(|one| one.pointer.oid()).collect();
        let oids: Vec<&str> = oids.into_iter().collect();
        let remote = lfs_remote(remote, self.repo.common_dir());
        for some in oids.chunks(AT_A_TIME) {
            let call = self.repo.call("lfs").args(["push", "--object-id", &remote]);
            run_lfs(&self.repo, call.args(some).slow())?;
        }
        Ok(())
    }

    /// A content that is not here must be at the remote already: an older commit there has the same
    /// pointer. A text that only looks like a pointer has none.
    fn expect_at_remote(
        &self,
        commit: &CommitId,
        missing: &[&FoundPointer],
        known: &[String],
    ) -> Result<()> {
        let mut blobs: BTreeSet<String> = missing.iter().map(|one| one.blob.clone()).collect();
        if blobs.is_empty() {
            return Ok(());
        }
        self.repo.without_known_blobs(&mut blobs, known)?;
        let nowhere: Vec<&FoundPointer> =
            missing.iter().copied().filter(|one| blobs.contains(&one.blob)).collect();
        if nowhere.is_empty() {
            return Ok(());
        }
        match self.repo.first_of_lfs(commit.as_str(), &nowhere)? {
            None => Ok(()),
            Some(one) => Err(CheckpointError::NoContent {
                path: one.shown(),
                oid: one.pointer.oid().to_owned(),
            }),
        }
    }
}

/// Downloads the contents of a commit from a remote into the user's store: a checkout would look
/// for them at the remote that it takes for the usual one.
///
/// # Errors
/// When git fails. Whether something is missing then, the checkout shows.
pub(in super::super) fn fetch_contents(
    repo: &GitRepository,
    remote: &str,
    commit: &CommitId,
    here: Option<&CommitId>,
) -> Result<()> {
    let known: Vec<String> = here.iter().map(ToString::to_string).collect();
    let store = repo.lfs_places()?.user;
    let found = repo.new_pointers(commit.as_str(), &known)?;
    if found.iter().all(|one| store.has(&one.pointer)) {
        return Ok(());
    }
    let remote = lfs_remote(remote, repo.common_dir());
    run_lfs(repo, repo.call("lfs").args(["fetch", &remote, commit.as_str()]).slow())
}

fn run_lfs(repo: &GitRepository, call: super::super::git::GitCommand) -> Result<()> {
    let output = call.output()?;
    if output.code() == Some(1) && output.errors().contains("'lfs' is not a git command") {
        return Err(CheckpointError::NoLfs(repo.common_dir().to_owned()));
    }
    output.success().map(drop)
}

/// The commits that the branches of a remote are at, but for those of jobs: somebody may have
/// pushed such a branch without its contents.
fn heads_of(repo: &GitRepository, remote: &str) -> Result<Vec<String>> {
    let list = repo.call("ls-remote").args(["--heads", "--", remote]).slow().run()?;
    let lines = String::from_utf8_lossy(&list.stdout).into_owned();
    let refs = lines.lines().filter_map(|line| line.split_once('\t'));
    let commits = refs.filter(|(_, name)| !name.starts_with(BRANCHES)).map(|(commit, _)| commit);
    Ok(commits.filter_map(CommitId::parse).map(|commit| commit.to_string()).collect())
}

/// The remote as git-lfs knows it: given a path, it would use another remote.
fn lfs_remote(remote: &str, from: &Path) -> String {
    let path = from.join(remote);
    // A name wins over a directory of that name, as in git.
    let is_path = remote.starts_with('/') || (remote.contains('/') && path.is_dir());
    if !is_path {
        return remote.to_owned();
    }
    let path = path.canonicalize().unwrap_or(path);
    let mut url = "file://".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_addresses_and_names_stay() {
        let from = Path::new("/");
        for (remote, want) in [
            ("origin", "origin"),
            ("https://git.example/x.git", "https://git.example/x.git"),
            ("git@git.example:team/x.git", "git@git.example:team/x.git"),
            ("/nowhere/a b/é.git", "file:///nowhere/a%20b/%C3%A9.git"),
            ("./dev", "file:///dev"),
        ] {
            assert_eq!(lfs_remote(remote, from), want);
        }
    }
}
