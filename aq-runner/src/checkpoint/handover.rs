//! A job's work on its way to another host: pushed from the one that had it, taken up by the next.
//!
//! What is pushed is the branch or, while the agent is at work, a snapshot of its files that no
//! branch of this repository knows. The remote's branch is overwritten only while it is what this
//! repository put there or took from there last, which `refs/aq/pushed/<job>` remembers: a host
//! that lost its job does not undo the work of the one that has it.

use super::base::{WorkBase, first_base};
use super::checkout::remove;
use super::error::{CheckpointError, Result};
use super::lfs::fetch_contents;
use super::notes::{JobRefs, WorkOrigin};
use super::remote_target::first_base_at;
use super::repository::{CheckoutHead, CommitId, GitRepository};
use super::wip::{BRANCHES, CheckpointJob, JobBranch, WorkIsolation, branch_ref};

/// The place of work of which no checkout can be made.
const UNUSABLE: &str = "refs/aq/unusable/";

/// The index of a snapshot. One loop makes them, one after the other.
const INDEX: &str = "aq-snapshot-index";

/// Work of a job that another host has pushed. All of it comes from that host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignWork {
    /// Its branch at the remote: `aq/wip/<name>`.
    pub branch: String,
    /// The newest commit that was reported.
    pub commit: String,
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// The remote's branch is this commit.
    Done,
    /// It was already.
    Unchanged,
    /// The remote's branch is neither what was put there nor what was found there last.
    Overtaken,
}

impl JobBranch {
    /// The files as they are at this moment, as a commit on top of the branch. For an agent that is
    /// at work: neither its index nor any branch is touched. A file that is being written may be
    /// caught half way. `None` when the files are not there, and when they are those that were
    /// pushed last.
    ///
    /// # Errors
    /// When git fails.
    pub fn snapshot(&self, message: &str) -> Result<Option<CommitId>> {
        let Some(checkout) = self.checkout()? else { return Ok(None) };
        let checkout = self.aside(&checkout);
        let index = checkout.git_dir.as_ref().unwrap_or(&checkout.common_dir).join(INDEX);
        // Left by a loop that was killed.
        remove(&index)?;
        remove(&index.with_extension("lock"))?;
        checkout.copy_index(&index)?;
        let base = self.given()?.unwrap_or_else(|| self.base().clone());
        // Some files may be gone by now, or cannot be read at this moment.
        self.add_all(&checkout, &index)?;
        let staged = self.index_of_work(&checkout, &index, &base)?;
        let tree = self.tree_of(&checkout, &staged)?;
        remove(&staged)?;
        remove(&index)?;
        let pushed = format!("{}^{{tree}}", pushed_ref(&self.branch_ref()));
        let pushed = self.repo.call("rev-parse").args(["--verify", "--quiet", &pushed]).output()?;
        if pushed.stdout.trim_ascii() == tree.as_bytes() {
            return Ok(None);
        }
        self.commit_on_top(&checkout, &tree, message).map(Some)
    }

    /// Puts a commit of this job into a branch `aq/wip/...` at a remote. `overwrite` is for the
    /// host that has just got the job: whatever lies there is older.
    ///
    /// # Errors
    /// When git fails, the remote cannot be reached, or contents of Git LFS cannot be uploaded: a
    /// branch without them could not be checked out.
    pub fn push(
        &self,
        remote: &str,
        branch: &str,
        commit: &CommitId,
        overwrite: bool,
    ) -> Result<PushOutcome> {
        let pushed = pushed_ref(&self.branch_ref());
        let last = self.repo.commit(&pushed)?;
        if last.as_ref() == Some(commit) {
            return Ok(PushOutcome::Unchanged);
        }
        self.push_contents(remote, commit, last.as_ref())?;
        let name = format!("refs/heads/{branch}");
        let guard = match (&last, overwrite) {
            (_, true) => "--force".to_owned(),
            (Some(last), false) => format!("--force-with-lease={name}:{last}"),
            // Nothing may be there.
            (None, false) => format!("--force-with-lease={name}:"),
        };
        let call = self.repo.call("push").args(["--quiet", "--no-verify", &guard, "--", remote]);
        let output = call.arg(format!("{commit}:{name}")).output()?;
        if output.code() == Some(1) && output.errors().contains("stale info") {
            return Ok(PushOutcome::Overtaken);
        }
        output.success()?;
        let old = last.as_ref().map_or_else(|| commit.nothing(), ToString::to_string);
        self.repo.update_ref(&pushed, commit, &old)?;
        Ok(PushOutcome::Done)
    }

    /// Forgets what was pushed; the remote keeps it.
    pub(super) fn forget_pushed(&self) -> Result<()> {
        let pushed = pushed_ref(&self.branch_ref());
        self.repo.call("update-ref").args(["-d", &pushed]).run().map(drop)
    }
}

/// Fetches what another host has pushed, and makes it the branch of a job that has not started
/// here: its next start goes on from there. Answers the commit; `None` outside git, and when the
/// job has a branch here already.
///
/// The base is the commit at which the work left the history of the target here.
///
/// # Errors
/// When the handover names no branch of jobs or no commit, git fails, or the remote does not have
/// the branch.
pub fn take_up(
    job: &CheckpointJob,
    remote: &str,
    handover: &ForeignWork,
) -> Result<Option<CommitId>> {
    let nonsense = |answer: &str, expected| CheckpointError::Nonsense {
        source_name: "the host that had the job".to_owned(),
        answer: answer.to_owned(),
        expected,
    };
    let theirs = format!("refs/heads/{}", handover.branch);
    let name = theirs.strip_prefix(BRANCHES).unwrap_or_default();
    if name.parse::<aq_manifest::JobId>().is_err() {
        return Err(nonsense(&handover.branch, "a branch `aq/wip/<job>`"));
    }
    let told = CommitId::parse(&handover.commit)
        .ok_or_else(|| nonsense(&handover.commit, "the name of a commit"))?;
    let Some(repo) = job.repository()? else { return Ok(None) };
    let notes = JobRefs::beside(&job.base_file);
    if notes.base()?.is_some() {
        return Ok(None);
    }
    let pushed = pushed_ref(&branch_ref(&job.name));
    let fetch = repo.call("fetch").args(["--quiet", "--no-tags", "--no-write-fetch-head"]);
    let fetch = fetch.args(["--no-recurse-submodules", "--force", "--", remote]);
    fetch.arg(format!("{theirs}:{pushed}")).slow().run()?;
    // The branch may have moved since, and its newest commit is the newest work.
    let commit = repo.commit(&pushed)?.unwrap_or(told);
    let (here, from) = match repo.head() {
        CheckoutHead::Unborn(_) => (None, WorkOrigin::of(repo.head())),
        _ => {
            let (here, from) = first_base(&repo, &job.target, &job.branch())?;
            (Some(first_base_at(&repo, job, &from)?.unwrap_or(here)), from)
        }
    };
    // What cannot be fetched is missed by the checkout, which says what it is.
    let _ = fetch_contents(&repo, remote, &commit, here.as_ref());
    let base = match &here {
        Some(here) => merge_base(&repo, here, &commit)?,
        None => None,
    };
    let branch = branch_ref(&job.name);
    let old = repo.commit(&branch)?;
    if old.as_ref().is_some_and(|old| *old != commit) {
        return Err(CheckpointError::BranchTaken(branch.replacen("refs/heads/", "", 1)));
    }
    // The branch first: with it and without a base all of this is done again, after a kill.
    let old = old.map_or_else(|| commit.nothing(), |old| old.to_string());
    repo.update_ref(&branch, &commit, &old).map_err(|e| repo.why_not_made(&branch, e))?;
    notes.begin(&WorkBase::bare(base.unwrap_or_else(|| commit.clone())), &from)?;
    Ok(Some(commit))
}

/// Puts work of another host aside of which no checkout can be made, so that the job starts afresh.
/// Answers the ref that keeps it; `None` when the branch is anything but what was fetched.
///
/// # Errors
/// When git fails, or a file cannot be removed.
pub fn set_aside(job: &CheckpointJob) -> Result<Option<String>> {
    let WorkIsolation::Own(place) = &job.isolation else { return Ok(None) };
    let Some(repo) = GitRepository::discover(&job.cwd, &job.marks)? else { return Ok(None) };
    let branch = branch_ref(&job.name);
    let Some(commit) = repo.commit(&branch)? else { return Ok(None) };
    if place.is_made()? || repo.commit(&pushed_ref(&branch))?.as_ref() != Some(&commit) {
        return Ok(None);
    }
    let kept = branch.replacen(BRANCHES, UNUSABLE, 1);
    repo.call("update-ref").args([&kept, commit.as_str()]).run()?;
    place.discard()?;
    // A kill from here on leaves a job that starts afresh, too.
    repo.call("update-ref").args(["-d", &branch, commit.as_str()]).run()?;
    JobRefs::beside(&job.base_file).forget()?;
    Ok(Some(kept))
}

/// The newest commit that two histories have in common.
fn merge_base(repo: &GitRepository, a: &CommitId, b: &CommitId) -> Result<Option<CommitId>> {
    let output = repo.call("merge-base").args([a.as_str(), b.as_str()]).output()?;
    match output.code() {
        Some(0) => Ok(CommitId::parse(String::from_utf8_lossy(&output.stdout).trim())),
        Some(1) => Ok(None),
        _ => Err(output.failure()),
    }
}

fn pushed_ref(branch: &str) -> String {
    branch.replacen(BRANCHES, "refs/aq/pushed/", 1)
}
