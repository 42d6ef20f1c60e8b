//! Work in progress on its way between hosts, through the git remote that the config names
//! (`fleet.push-wip`). What another host says of a remote is never used.

use aq_fleet::protocol::{LeaseRef, PushedCheckpoint};
use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::{JobId, Stage};

use super::hold::LeaseNote;
use super::pushed;
use crate::checkpoint::{
    CheckpointError, CheckpointJob, CommitId, ForeignWork, JobBranch, PushOutcome, shown_remote,
    take_up as fetch,
};
use crate::run::workplace::branch_of;
use crate::store::{QueueDir, read_values};
use crate::sync::fleet::HolderAnswer;

/// Digits of the fleet job's id that distinguish its branch from another job's of the same name.
const DIGITS: usize = 8;

/// Fetches the work of the host that had the job, before its first start here. Answers the commit.
///
/// # Errors
/// When it cannot be fetched; the job starts afresh then.
pub(crate) fn take_up(
    remote: &str,
    job: &CheckpointJob,
    meta: &RecordContent,
) -> Result<Option<CommitId>, CheckpointError> {
    let (Some(branch), Some(commit)) =
        (meta.get(RecordKey::ResumeBranch), meta.get(RecordKey::ResumeCommit))
    else {
        return Ok(None);
    };
    let handover = ForeignWork { branch: branch.to_owned(), commit: commit.to_owned() };
    fetch(job, remote, &handover)
}

/// Pushes a job's branch, as it is, to a remote that git knows by this name or address. `renew`
/// asks whether the job is still this host's. `None` when there is nothing new, or when another
/// host has the job by now.
///
/// # Errors
/// When git fails or the remote cannot be reached.
pub(crate) fn push(
    remote: &str,
    wip: &JobBranch,
    lease: LeaseRef,
    meta: &RecordContent,
    renew: impl FnOnce() -> HolderAnswer,
) -> Result<Option<PushedCheckpoint>, CheckpointError> {
    let Some(tip) = wip.tip()? else { return Ok(None) };
    let known = pushed(meta).map(|checkpoint| checkpoint.branch.to_string());
    let resumed = || meta.get(RecordKey::ResumeBranch).map(str::to_owned);
    let is_first = known.is_none() && meta.get(RecordKey::ResumeBranch).is_none();
    let mut branch = known.or_else(resumed).unwrap_or_else(|| wip.branch().to_owned());
    let mut done = wip.push(remote, &branch, &tip, false)?;
    if done == PushOutcome::Overtaken && is_first {
        // Another job of this name was there first.
        let digits: String = lease.job_id.to_string().chars().take(DIGITS).collect();
        branch = format!("{}-{digits}", wip.branch());
        done = wip.push(remote, &branch, &tip, true)?;
    } else if done == PushOutcome::Overtaken && renew() == HolderAnswer::Accepted {
        // Whoever overtook has lost the job.
        done = wip.push(remote, &branch, &tip, true)?;
    }
    if done == PushOutcome::Overtaken {
        return Ok(None);
    }
    let (Ok(branch), Ok(commit)) = (branch.parse(), tip.as_str().parse()) else { return Ok(None) };
    // What is not known is the same repository wherever the branch is found.
    let repository = wip.repository_at_remote(remote).ok().flatten();
    Ok(Some(PushedCheckpoint {
        branch,
        commit,
        remote: shown_remote(remote),
        repository,
        failure: None,
    }))
}

/// Pushes what the agents of all fleet jobs have done so far, committed or not, so that a host that
/// dies takes no more with it than was done since. What goes wrong with one is answered and does
/// not stop the others.
pub(crate) fn push_snapshots(queue: &QueueDir, remote: &str) -> Vec<(JobId, CheckpointError)> {
    let mut problems = Vec::new();
    for id in LeaseNote::all(queue) {
        if !queue.has(Stage::Building, &id) {
            continue;
        }
        if let Err(e) = push_snapshot(queue, remote, &id) {
            problems.push((id, e));
        }
    }
    problems
}

fn push_snapshot(queue: &QueueDir, remote: &str, id: &JobId) -> Result<(), CheckpointError> {
    let Ok(meta) = read_values(&queue.meta(id)) else { return Ok(()) };
    // Its worker pushes first, and says where to.
    let Some(to) = pushed(&meta) else { return Ok(()) };
    let Some(wip) = branch_of(queue, id, &meta)? else { return Ok(()) };
    let message = format!("{id}: on the way");
    let Some(commit) = wip.snapshot(&message)? else { return Ok(()) };
    // One that was overtaken belongs to another host: its lease will show it.
    wip.push(remote, to.branch.as_str(), &commit, false).map(drop)
}
