//! A job's branch at a remote where people look at it, and what becomes of it there.
//!
//! Commits of others stay: the remote's branch goes forward, or it is moved from the very commit
//! that was put there last, which `refs/aq/public/<job>` remembers. When a push is killed before
//! that is written down, the next one finds the remote as it wants it.
//!
//! All runs of git are in the user's repository, by the user's settings and credentials: none looks
//! at the job's.

use super::error::{CheckpointError, Result};
use super::git::GitOutput;
use super::notes::WorkOrigin;
use super::remote_target::refused;
use super::repository::CommitId;
use super::wip::{BRANCHES, JobBranch};

/// The fate of a branch that was to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    /// The remote's branch is this commit.
    Done,
    /// Somebody else has moved the remote's branch; it was left alone.
    Overtaken,
}

impl JobBranch {
    /// The addresses of a remote to which git would push: as git has them, and as they are
    /// configured. A text that is no remote's name is an address itself.
    ///
    /// # Errors
    /// When git fails.
    pub fn remote_addresses(&self, remote: &str) -> Result<Vec<String>> {
        let call = self.repo.call("remote").args(["get-url", "--push", "--", remote]);
        let output = call.read_only().output()?;
        if output.code() != Some(0) {
            return Ok(vec![remote.to_owned()]);
        }
        let mut addresses = lines(&output);
        for key in ["pushurl", "url"] {
            let call = self.repo.call("config").args(["--get-all"]);
            let configured = call.arg(format!("remote.{remote}.{key}")).read_only().output()?;
            addresses.extend(lines(&configured));
        }
        Ok(addresses)
    }

    /// The branch from which the job started, as people name it.
    ///
    /// # Errors
    /// When the job started from no branch, or that is forgotten.
    pub fn target_name(&self) -> Result<String> {
        match self.origin()? {
            Some(WorkOrigin::Branch(target)) => {
                Ok(target.strip_prefix("refs/heads/").unwrap_or(&target).to_owned())
            }
            origin => Err(CheckpointError::NoTarget {
                branch: self.branch().to_owned(),
                origin: origin
                    .map_or_else(|| "a forgotten place".to_owned(), |one| one.full().to_owned()),
            }),
        }
    }

    /// Puts a commit of this job into its branch at a remote, unless somebody else has moved that.
    /// It runs no hook, pushes no tag and no other branch.
    ///
    /// # Errors
    /// When git fails, the remote cannot be reached or refuses the branch, or contents of Git LFS
    /// cannot be uploaded.
    pub fn publish(&self, remote: &str, commit: &CommitId) -> Result<PublishOutcome> {
        let known = self.public_ref();
        let last = self.repo.commit(&known)?;
        self.push_contents(remote, commit, last.as_ref())?;
        let name = self.branch_ref();
        // First without force: others may have gone on from what was put there, and so has the job.
        let mut output = self.push_to(remote, commit, &name, None)?;
        if was_not_forward(&output) {
            let Some(last) = &last else { return Ok(PublishOutcome::Overtaken) };
            output = self.push_to(remote, commit, &name, Some(&format!("{name}:{last}")))?;
            if is_rejected(&output, "(stale info)") {
                return Ok(PublishOutcome::Overtaken);
            }
        }
        if output.code() != Some(0) {
            let (command, message) = ("push".to_owned(), refused(&output));
            return Err(CheckpointError::Git { command, message });
        }
        let old = last.as_ref().map_or_else(|| commit.nothing(), ToString::to_string);
        self.repo.update_ref(&known, commit, &old)?;
        Ok(PublishOutcome::Done)
    }

    /// Tests whether the newest commit of the job is in a branch: of the remote, as it is now, or
    /// of this repository. It is in it also when merging it would change no file.
    ///
    /// # Errors
    /// When git fails. A remote that cannot be reached, or does not have the branch, is none that
    /// has it.
    pub fn is_in(&self, remote: &str, branch: &str) -> Result<bool> {
        let Some(tip) = self.tip()? else { return Ok(false) };
        let there = self.branch_ref().replacen(BRANCHES, "refs/aq/landed/", 1);
        let name = format!("refs/heads/{branch}");
        let fetch = self.repo.call("fetch").args(["--quiet", "--no-tags", "--no-write-fetch-head"]);
        let fetch = fetch.args(["--no-recurse-submodules", "--refmap=", "--force", "--", remote]);
        let fetched = fetch.arg(format!("{name}:{there}")).slow().output()?;
        let theirs = if fetched.code() == Some(0) { self.repo.commit(&there)? } else { None };
        let found = [theirs, self.repo.commit(&name)?];
        let mut is_in = false;
        for target in found.iter().flatten() {
            is_in = is_in || self.fork(target, &tip)?.as_ref() == Some(&tip);
            is_in = is_in || self.adds_nothing(target, &tip)?;
        }
        self.repo.call("update-ref").args(["-d", &there]).run()?;
        Ok(is_in)
    }

    /// Tests whether merging a commit into the target would change no file.
    fn adds_nothing(&self, target: &CommitId, tip: &CommitId) -> Result<bool> {
        let Ok(merged) = self.merge_trees(target, target, tip)? else { return Ok(false) };
        let tree = self.repo.call("rev-parse").args(["--verify", &format!("{target}^{{tree}}")]);
        Ok(tree.line()? == merged)
    }

    /// Forgets what was published; the remote keeps it.
    pub(super) fn forget_published(&self) -> Result<()> {
        self.repo.call("update-ref").args(["-d", &self.public_ref()]).run().map(drop)
    }

    fn public_ref(&self) -> String {
        self.branch_ref().replacen(BRANCHES, "refs/aq/public/", 1)
    }
}

fn lines(output: &GitOutput) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Tests whether the remote's branch has commits that the pushed one has not.
fn was_not_forward(output: &GitOutput) -> bool {
    is_rejected(output, "(non-fast-forward)") || is_rejected(output, "(fetch first)")
}

/// Tests for a line of `--porcelain`: `!`, the two names, and `[rejected]` with this reason.
fn is_rejected(output: &GitOutput, reason: &str) -> bool {
    output.code() == Some(1)
        && lines(output).iter().any(|line| {
            line.starts_with("!\t") && line.ends_with(&format!("\t[rejected] {reason}"))
        })
}
