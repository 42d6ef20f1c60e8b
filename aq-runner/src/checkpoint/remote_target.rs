//! A job's target at a remote, into which the fleet's jobs go: it is fetched, a merge is made with
//! what was fetched, and the merge is pushed. No branch of this repository and no checkout of one
//! follows.
//!
//! `refs/aq/target/<job>` keeps the target's newest commit that was fetched, or pushed. A push is
//! made from the very commit with which the merge was made (`--force-with-lease`), and never takes
//! anything away: it is an ancestor of what is pushed. Where a push does not say how it ended, the
//! remote does.
//!
//! All runs of git are in the user's repository, by the user's settings and credentials: none looks
//! at the job's, and no hook runs.

use super::error::{CheckpointError, Result};
use super::git::{GitCommand, GitOutput};
use super::lfs::fetch_contents;
use super::merge::LandingPlan;
use super::notes::WorkOrigin;
use super::repository::{CommitId, GitRepository};
use super::wip::{BRANCHES, CheckpointJob, JobBranch, branch_ref};

/// The target of each job as it was fetched.
const FETCHED: &str = "refs/aq/target/";

/// A remote as others may see it: an address may hold a password.
pub fn shown_remote(remote: &str) -> String {
    let Some((scheme, rest)) = remote.split_once("://") else { return remote.to_owned() };
    let host_ends = rest.find('/').unwrap_or(rest.len());
    let host = rest[..host_ends].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host..])
}

/// The host and path of a remote's address, however it is written. Of a path on this machine, that.
pub(super) fn repository_of(address: &str) -> String {
    let plain = match address.split_once("://") {
        Some((_, rest)) => {
            let host_ends = rest.find('/').unwrap_or(rest.len());
            rest[..host_ends].rfind('@').map_or(rest, |at| &rest[at + 1..]).to_owned()
        }
        // `me@host:path`
        None => match address.split_once(':') {
            Some((host, path)) if !host.contains('/') => {
                let host = host.rsplit('@').next().unwrap_or(host);
                format!("{host}/{}", path.trim_start_matches('/'))
            }
            _ => address.to_owned(),
        },
    };
    let plain = plain.trim_end_matches('/');
    plain.strip_suffix(".git").unwrap_or(plain).to_owned()
}

impl JobBranch {
    /// The host and path of the address of a remote, which tell its repository from others.
    ///
    /// # Errors
    /// When git fails.
    pub fn repository_at_remote(&self, remote: &str) -> Result<Option<String>> {
        let repository = self.remote_addresses(remote)?.last().map(|one| repository_of(one));
        // From elsewhere such a path leads to another place.
        Ok(repository.filter(|path| !path.starts_with('.')))
    }

    /// The same job, whose target is at this remote.
    #[must_use]
    pub fn with_target_at(mut self, target_at: Option<String>) -> Self {
        self.target_at = target_at;
        self
    }

    /// The remote at which its target is.
    pub fn target_at(&self) -> Option<&str> {
        self.target_at.as_deref()
    }

    /// The newest commit of the job's target: at the remote where it is there, which is fetched.
    pub(super) fn newest_of_target(&self, target: &str) -> Result<Option<CommitId>> {
        match &self.target_at {
            None => self.repo.branch_commit(target),
            Some(remote) => fetch_target(&self.repo, remote, target, &self.fetched_ref()),
        }
    }

    /// Refuses a merge with a target that somebody has moved at its remote since.
    pub(super) fn expect_unmoved(&self, landing: &LandingPlan) -> Result<()> {
        let Some(remote) = &self.target_at else { return Ok(()) };
        match tip_at(&self.repo, remote, &landing.target)? == landing.old {
            true => Ok(()),
            false => Err(CheckpointError::TargetMoved(landing.branch().to_owned())),
        }
    }

    /// Pushes a merge into the target at its remote. Done when the remote has it, whoever put it
    /// there.
    pub(super) fn push_target(&self, remote: &str, landing: &LandingPlan) -> Result<()> {
        let LandingPlan { target, old, commit } = landing;
        self.push_contents(remote, commit, old.as_ref())?;
        let before = old.as_ref().map_or("", CommitId::as_str);
        let output = self.push_to(remote, commit, target, Some(&format!("{target}:{before}")))?;
        if output.code() != Some(0) {
            match tip_at(&self.repo, remote, target)? {
                Some(now) if now == *commit => {}
                now if now != *old => {
                    return Err(CheckpointError::TargetMoved(landing.branch().to_owned()));
                }
                _ => return Err(unreached("push", remote, target, &refused(&output))),
            }
        }
        self.repo.call("update-ref").args([&self.fetched_ref(), commit.as_str()]).run().map(drop)
    }

    /// Pushes a commit to a branch of a remote. It runs no hook, and pushes no tag and no other
    /// branch. With a lease, `NAME:COMMIT`, only from there; without one only forward.
    pub(super) fn push_to(
        &self,
        remote: &str,
        commit: &CommitId,
        name: &str,
        lease: Option<&str>,
    ) -> Result<GitOutput> {
        let call = self.repo.call("push").args(["--porcelain", "--no-verify", "--no-signed"]);
        let call = call.args(["--no-follow-tags", "--recurse-submodules=no"]);
        let call = call.arg("--no-force-if-includes");
        let call = match lease {
            Some(lease) => call.arg(format!("--force-with-lease={lease}")),
            // Whatever the settings say.
            None => call.args(["--no-force", "--no-force-with-lease"]),
        };
        let call: GitCommand = call.args(["--", remote]);
        call.arg(format!("{commit}:{name}")).slow().output()
    }

    /// The job's target as it was fetched last.
    pub(super) fn fetched_ref(&self) -> String {
        fetched_ref(&self.branch_ref())
    }

    /// Forgets what was fetched of the target.
    pub(super) fn forget_fetched(&self) -> Result<()> {
        self.repo.call("update-ref").args(["-d", &self.fetched_ref()]).run().map(drop)
    }
}

/// The ref that keeps the target of the job with this branch.
fn fetched_ref(branch: &str) -> String {
    branch.replacen(BRANCHES, FETCHED, 1)
}

/// The commit of a job's target at its remote; `None` where it is at none, or not there.
pub(super) fn first_base_at(
    repo: &GitRepository,
    job: &CheckpointJob,
    from: &WorkOrigin,
) -> Result<Option<CommitId>> {
    match (&job.target_at, from) {
        (Some(remote), WorkOrigin::Branch(target)) => {
            fetch_target(repo, remote, target, &fetched_ref(&branch_ref(&job.name)))
        }
        _ => Ok(None),
    }
}

/// Fetches a branch of a remote into `kept`, with the contents of Git LFS that are new in it.
/// `None`: the remote has no such branch.
fn fetch_target(
    repo: &GitRepository,
    remote: &str,
    target: &str,
    kept: &str,
) -> Result<Option<CommitId>> {
    let Some(there) = tip_at(repo, remote, target)? else { return Ok(None) };
    let known = repo.commit(kept)?;
    if known.as_ref() == Some(&there) {
        return Ok(known);
    }
    let fetch = repo.call("fetch").args(["--quiet", "--no-tags", "--no-write-fetch-head"]);
    let fetch = fetch.args(["--no-recurse-submodules", "--refmap=", "--force", "--", remote]);
    let fetched = fetch.arg(format!("{target}:{kept}")).slow().output()?;
    if fetched.code() != Some(0) {
        return Err(unreached("fetch", remote, target, &fetched.errors()));
    }
    let now = repo.commit(kept)?;
    if let Some(now) = &now {
        // What cannot be fetched is missed by a checkout, which says what it is.
        let _ = fetch_contents(repo, remote, now, known.as_ref());
    }
    Ok(now)
}

/// Fetches the commits of a branch, and makes no ref.
pub(super) fn fetch_objects(repo: &GitRepository, remote: &str, branch: &str) -> Result<()> {
    let fetch = repo.call("fetch").args(["--quiet", "--no-tags", "--no-write-fetch-head"]);
    let fetch = fetch.args(["--no-recurse-submodules", "--refmap=", "--", remote, branch]);
    let fetched = fetch.slow().output()?;
    match fetched.code() {
        Some(0) => Ok(()),
        _ => Err(unreached("fetch", remote, branch, &fetched.errors())),
    }
}

/// Tests for a commit that is here, and that another one has all of.
pub(super) fn ancestry(repo: &GitRepository, one: &CommitId, other: &CommitId) -> Result<bool> {
    let call = repo.call("merge-base").args(["--is-ancestor", one.as_str(), other.as_str()]);
    // 128: one is not here.
    Ok(call.output()?.code() == Some(0))
}

/// The commit of a branch at a remote; `None` where it is not there.
pub(super) fn tip_at(repo: &GitRepository, remote: &str, branch: &str) -> Result<Option<CommitId>> {
    let output = repo.call("ls-remote").args(["--", remote, branch]).slow().output()?;
    if output.code() != Some(0) {
        return Err(unreached("fetch", remote, branch, &output.errors()));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines.find(|(_, name)| *name == branch).and_then(|(commit, _)| CommitId::parse(commit)))
}

fn unreached(verb: &'static str, remote: &str, target: &str, words: &str) -> CheckpointError {
    CheckpointError::TargetRemote {
        verb,
        branch: target.strip_prefix("refs/heads/").unwrap_or(target).to_owned(),
        remote: shown_remote(remote),
        message: words.trim().replace(remote, &shown_remote(remote)),
    }
}

/// The words of a push that failed: the remote's own are on the line of the branch.
pub(super) fn refused(output: &GitOutput) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("!\t"));
    match line.and_then(|line| line.rsplit('\t').next()) {
        Some(reason) => format!("{reason}: {}", output.errors().trim()),
        None => output.errors(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_are_shown_without_passwords() {
        for (remote, want) in [
            ("origin", "origin"),
            ("git@git.example:team/app.git", "git@git.example:team/app.git"),
            ("https://git.example/app.git", "https://git.example/app.git"),
            ("https://me:secret@git.example/app@2.git", "https://git.example/app@2.git"),
            ("https://token@git.example", "https://git.example"),
            ("/srv/git/app.git", "/srv/git/app.git"),
        ] {
            assert_eq!(shown_remote(remote), want);
        }
    }

    #[test]
    fn addresses_name_one_repository() {
        for address in [
            "git@git.example:team/app.git",
            "ssh://git@git.example/team/app",
            "https://me:secret@git.example/team/app.git/",
            "git.example:/team/app",
        ] {
            assert_eq!(repository_of(address), "git.example/team/app", "{address}");
        }
        assert_eq!(repository_of("/srv/git/app.git"), "/srv/git/app");
        assert_eq!(repository_of("../hub.git"), "../hub");
    }
}
