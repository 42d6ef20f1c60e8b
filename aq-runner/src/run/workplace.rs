//! Where a job works, and the branch that keeps its work: `checkpoint` with a queue's paths.

use std::path::{Path, PathBuf};

use aq_manifest::JobId;
use jiff::Timestamp;

use crate::checkpoint::{CheckpointError, Isolation, Job, Merged, Removed, Wip};
use crate::store::{
    self, Cleaned, JobRecord, Meta, QueueDir, Record, RepositoryMarker, StoreError,
};

/// What `checkpoint` has to know of a job.
pub(crate) fn checkpoint_job(queue: &QueueDir, id: &JobId, cwd: &Path, in_place: bool) -> Job {
    let state = queue.state();
    let isolation = if in_place {
        Isolation::InPlace
    } else {
        Isolation::Worktree(state.join(format!("worktrees/{id}")))
    };
    Job {
        name: id.to_string(),
        cwd: cwd.to_owned(),
        isolation,
        base_file: queue.wip_base(id),
        queue: queue.root().to_owned(),
        marks: vec![
            ("AQ_JOB_ID".into(), id.as_str().into()),
            ("AQ_QUEUE".into(), queue.root().into()),
        ],
    }
}

/// The directory that a job works in, where it is now: its project may have been moved while the
/// job was held, so that its record could not be mapped.
pub(crate) fn present_cwd(queue: &QueueDir, meta: &Meta) -> PathBuf {
    let recorded = meta.get("cwd").map(PathBuf::from).unwrap_or_default();
    if recorded.is_dir() {
        return recorded;
    }
    // Without a marker nothing is known of a move.
    let marker = RepositoryMarker::read(queue.root()).ok().flatten();
    marker.map_or_else(|| recorded.clone(), |marker| marker.present(&recorded))
}

/// The branch of a job that has run; `None` when it never ran in a git repository.
///
/// # Errors
/// When the repository cannot be used any more.
pub(crate) fn branch_of(
    queue: &QueueDir,
    id: &JobId,
    meta: &Meta,
) -> Result<Option<Wip>, CheckpointError> {
    // Without a base there is no branch, and nothing is asked of git.
    if !queue.wip_base(id).exists() {
        return Ok(None);
    }
    let cwd = present_cwd(queue, meta);
    let in_place = meta.get("isolation") == Some("in-place");
    Wip::open(&checkpoint_job(queue, id, &cwd, in_place))
}

/// Commits what a dead worker's agent left, for recovery. What could not be saved is still where
/// it was; the answer says why, for the record.
pub(crate) fn save_leftovers(queue: &QueueDir, id: &JobId, meta: &Meta) -> Record {
    let saved = branch_of(queue, id, meta)
        .and_then(|wip| wip.map(|wip| wip.finish(&format!("{id}: recovered"))).transpose());
    match saved {
        Ok(saved) => Record::new().set_some("left_out", saved.and_then(|saved| saved.left_out)),
        Err(e) => Record::new().set("checkpoint_error", e),
    }
}

/// The changes of a job, for a person to read, as git prints them.
///
/// # Errors
/// When the job has no branch, or git fails.
pub fn diff(
    queue: &QueueDir,
    id: &JobId,
    colour: bool,
    out: &mut dyn std::io::Write,
) -> Result<(), WorkplaceError> {
    let stage = queue.expect(id)?;
    let record = JobRecord::read(queue, stage, id.clone())?;
    let mut meta = record.meta;
    let is_put_away = stage.is_final() && meta.is_empty();
    if is_put_away && let Some(archived) = store::archived(queue, &queue.meta(id))? {
        meta = Meta::read(&archived)?;
    }
    let wip = match branch_of(queue, id, &meta) {
        // Nothing tells where its repository is.
        Err(_) if is_put_away && meta.is_empty() => return Err(put_away(queue, id)),
        found => found?.ok_or_else(|| WorkplaceError::NoBranch(id.clone()))?,
    };
    Ok(wip.diff(colour, out)?)
}

fn put_away(queue: &QueueDir, id: &JobId) -> WorkplaceError {
    let base = std::fs::read_to_string(queue.wip_base(id)).unwrap_or_default();
    let branch = checkpoint_job(queue, id, Path::new(""), false).branch();
    WorkplaceError::PutAway { id: id.clone(), branch, base: base.trim().to_owned() }
}

/// Merges the job's branch into the one that it started from, with what was changed in its worktree
/// since.
///
/// # Errors
/// When the job has no branch, not all of its work can be committed, the merge is not clean, or a
/// checkout is in the way; then no branch but the job's own has changed.
pub(crate) fn merge(queue: &QueueDir, id: &JobId, meta: &Meta) -> Result<Merged, WorkplaceError> {
    let wip = branch_of(queue, id, meta)?.ok_or_else(|| WorkplaceError::NoBranch(id.clone()))?;
    // What a person corrected in its worktree is its work, too, and so is what could not be committed
    // when it ended, on a full disk for one. A checkout that was given back is the user's.
    if !wip.is_in_place() || meta.get("checkpoint_error").is_some() {
        wip.expect_finished()?;
        let saved = wip.finish(&format!("{id}: left uncommitted"))?;
        if let Some(left_out) = saved.left_out {
            return Err(WorkplaceError::LeftOut { id: id.clone(), left_out });
        }
    }
    Ok(wip.merge(&format!("aq: {id}"))?)
}

/// Puts the logs and records of finished jobs beyond the newest `keep` away, and removes their
/// worktrees. Branches that are not merged stay. Worktrees that could not be removed are named.
///
/// # Errors
/// When the queue's folders cannot be read or written.
pub fn clean(
    queue: &QueueDir,
    keep: usize,
    now: Timestamp,
) -> Result<(Cleaned, Vec<String>), StoreError> {
    let mut left = Vec::new();
    let cleaned = store::clean(queue, keep, now, &mut |id, meta| {
        let removed =
            branch_of(queue, id, meta).and_then(|wip| wip.map(|wip| wip.remove()).transpose());
        match removed {
            Ok(Some(Removed::Kept { repository })) => left.push(format!(
                "the worktree of {id} stays: {} is a repository, and may have commits that are \
                 nowhere else; remove it when it has none",
                repository.display()
            )),
            Ok(Some(Removed::NotSaved { left_out })) => left.push(format!(
                "the worktree of {id} stays: not everything in it can be committed: {left_out}"
            )),
            Ok(Some(Removed::Worktree { .. }) | None) => {}
            Err(e) => left.push(format!("the worktree of {id} stays: {e}")),
        }
    })?;
    Ok((cleaned, left))
}

/// Why a job's branch cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkplaceError {
    /// It never ran, or not in a git repository.
    #[error("job {0} has no branch: it has not run yet, or its directory is in no git repository")]
    NoBranch(JobId),
    /// It has ended, and its record is not even in the archive any more.
    #[error(
        "`aq clean` has put the record of {id} away, and its archive was deleted; where its branch was \
         not merged, `git diff {base} {branch}` in its repository shows its work"
    )]
    PutAway {
        /// The job.
        id: JobId,
        /// Its branch.
        branch: String,
        /// The commit from which it started.
        base: String,
    },
    /// Not all that lies in its worktree can be committed.
    #[error(
        "not all work of {id} can be committed, so it is not merged: {left_out}; commit or remove \
         those files in its worktree, or merge its branch by hand and ship it without --merge"
    )]
    LeftOut {
        /// The job.
        id: JobId,
        /// Git's words.
        left_out: String,
    },
    /// Git, or the repository.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The queue's files.
    #[error(transparent)]
    Store(#[from] StoreError),
}
