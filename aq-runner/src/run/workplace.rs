//! Where a job works, and the branch that keeps its work: `checkpoint` with a queue's paths.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aq_ledger::{CommitName, JobRow, LandingIntent, RecordContent, RecordKey, RecordUpdate};
use aq_manifest::JobId;
use jiff::Timestamp;

use crate::checkpoint::{
    CheckpointError, CheckpointJob, CommitId, DiffBounds, GitWatch, JobBranch, LandingPlan,
    LeftOut, MergeResult, MergeTarget, OwnPlace, RemovalOutcome, StartPoint, WorkIsolation,
    left_out_words, remove_trains,
};
use crate::run::left_out::{left_out_record, unexpected};
use crate::store::{
    self, CleanChoice, CleanReport, JobRecord, QueueDir, RepositoryMarker, StoreError, read_values,
};

/// The most that recovery waits for one run of git.
const RECOVERY_STEP: Duration = Duration::from_secs(60);

/// What `checkpoint` has to know of a job that has run, by its record.
pub(crate) fn checkpoint_job(queue: &QueueDir, id: &JobId, meta: &RecordContent) -> CheckpointJob {
    let isolation = if meta.get(RecordKey::Isolation) == Some("in-place") {
        WorkIsolation::InPlace
    } else {
        WorkIsolation::Own(own_place(queue, id, recorded_dir(queue, id, meta)))
    };
    CheckpointJob {
        name: id.to_string(),
        cwd: present_cwd(queue, meta),
        isolation,
        target: match (meta.get(RecordKey::Target), meta.get(RecordKey::AddedOn)) {
            (Some(name), _) => MergeTarget::Named(name.to_owned()),
            (None, Some(name)) => MergeTarget::Noted(name.to_owned()),
            (None, None) => MergeTarget::Head,
        },
        target_at: None,
        start: StartPoint::default(),
        fetched: Vec::new(),
        base_file: queue.wip_base(id),
        queue: queue.root().to_owned(),
        marks: vec![
            ("AQ_JOB_ID".into(), id.as_str().into()),
            ("AQ_QUEUE".into(), queue.root().into()),
        ],
        watch: GitWatch::default(),
    }
}

/// Where a job's checkout is by its record, or by the queue when that has moved.
fn recorded_dir(queue: &QueueDir, id: &JobId, meta: &RecordContent) -> PathBuf {
    let recorded = meta.get(RecordKey::Checkout).map(PathBuf::from).filter(|dir| dir.is_dir());
    recorded.unwrap_or_else(|| queue.work().join(id.as_str()))
}

pub(crate) fn own_place(queue: &QueueDir, id: &JobId, dir: PathBuf) -> OwnPlace {
    let state = queue.state();
    OwnPlace {
        dir,
        control: state.join(format!("checkouts/{id}")),
        linked: state.join(format!("worktrees/{id}")),
    }
}

/// The directory that a job works in, where it is now: its project may have been moved while the
/// job was held, so that its record could not be mapped.
pub(crate) fn present_cwd(queue: &QueueDir, meta: &RecordContent) -> PathBuf {
    let recorded = meta.get(RecordKey::Cwd).map(PathBuf::from).unwrap_or_default();
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
    meta: &RecordContent,
) -> Result<Option<JobBranch>, CheckpointError> {
    open_branch(&checkpoint_job(queue, id, meta))
}

/// As [`branch_of`], with a watch on the runs of git, and the remote at which its target is.
///
/// # Errors
/// As [`branch_of`].
pub(crate) fn watched_branch(
    queue: &QueueDir,
    id: &JobId,
    meta: &RecordContent,
    watch: GitWatch,
    target_at: Option<String>,
) -> Result<Option<JobBranch>, CheckpointError> {
    open_branch(&CheckpointJob { watch, target_at, ..checkpoint_job(queue, id, meta) })
}

/// The move of a job's target that was begun, if one was.
pub(crate) fn recorded_landing(row: JobRow<'_>) -> Option<LandingPlan> {
    let LandingIntent { target, old, new } = row.landing()?;
    let commit = |name: CommitName<'_>| CommitId::parse(name.as_str());
    let old = match old {
        Some(old) => Some(commit(old)?),
        None => None,
    };
    Some(LandingPlan { target: target.to_owned(), old, commit: commit(new)? })
}

/// Finds out, for recovery, how far a landing came, and finishes it. `None`: the target has not
/// moved.
///
/// # Errors
/// As [`JobBranch::finish_landing`].
pub(crate) fn finish_landing(
    queue: &QueueDir,
    row: JobRow<'_>,
    landing: &LandingPlan,
) -> Result<Option<MergeResult>, CheckpointError> {
    // The loop itself waits for this.
    let watch = GitWatch::default().limited(Some(RECOVERY_STEP));
    match watched_branch(queue, row.id, row.content(), watch, None)? {
        Some(wip) => wip.finish_landing(landing),
        None => Ok(None),
    }
}

fn open_branch(job: &CheckpointJob) -> Result<Option<JobBranch>, CheckpointError> {
    // Without a base there is no branch, and nothing is asked of git.
    if !job.base_file.exists() {
        return Ok(None);
    }
    JobBranch::open(job)
}

/// Commits what a dead worker's agent left, for recovery. What could not be saved is still where
/// it was; the answer says why, for the record.
pub(crate) fn save_leftovers(queue: &QueueDir, id: &JobId, meta: &RecordContent) -> RecordUpdate {
    // The loop itself waits for this.
    let watch = GitWatch::default().limited(Some(RECOVERY_STEP));
    let saved = open_branch(&CheckpointJob { watch, ..checkpoint_job(queue, id, meta) })
        .and_then(|wip| wip.map(|wip| wip.finish(&format!("{id}: recovered"))).transpose());
    match saved {
        Ok(saved) => {
            let left = saved.map(|saved| saved.left_out).unwrap_or_default();
            left_out_record(&unexpected(meta, left))
        }
        Err(e) => RecordUpdate::new().set(RecordKey::CheckpointError, e),
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
    Ok(changed_branch(queue, id, GitWatch::default())?.diff(colour, out)?)
}

/// As [`diff`] without colours. The bounds limit its cost, and the watch ends it.
///
/// # Errors
/// As [`diff`], and when a limit is met.
pub fn bounded_diff(
    queue: &QueueDir,
    id: &JobId,
    watch: GitWatch,
    bounds: DiffBounds,
    out: &mut dyn std::io::Write,
) -> Result<(), WorkplaceError> {
    Ok(changed_branch(queue, id, watch)?.bounded_diff(bounds, out)?)
}

/// The branch of a job that has run, though its record may be put away.
fn changed_branch(
    queue: &QueueDir,
    id: &JobId,
    watch: GitWatch,
) -> Result<JobBranch, WorkplaceError> {
    let stage = queue.expect(id)?;
    let record = JobRecord::read(queue, stage, id.clone())?;
    let mut meta = record.meta;
    let is_put_away = stage.is_final() && meta.is_empty();
    if is_put_away && let Some(archived) = store::archived(queue, &queue.meta(id))? {
        meta = read_values(&archived)?;
    }
    match open_branch(&CheckpointJob { watch, ..checkpoint_job(queue, id, &meta) }) {
        // Nothing shows where its repository is.
        Err(_) if is_put_away && meta.is_empty() => Err(put_away(queue, id)),
        found => found?.ok_or_else(|| WorkplaceError::NoBranch(id.clone())),
    }
}

fn put_away(queue: &QueueDir, id: &JobId) -> WorkplaceError {
    let base = std::fs::read_to_string(queue.wip_base(id)).unwrap_or_default();
    let branch = checkpoint_job(queue, id, &RecordContent::default()).branch();
    WorkplaceError::PutAway { id: id.clone(), branch, base: base.trim().to_owned() }
}

/// Merges the job's branch into the one that it started from, here or at a remote, with what was
/// changed in its checkout since.
///
/// # Errors
/// When the job has no branch, not all of its work can be committed, the merge is not clean, or a
/// checkout is in the way; then no branch but the job's own has changed.
pub(crate) fn merge(
    queue: &QueueDir,
    id: &JobId,
    meta: &RecordContent,
    leave_out: bool,
    target_at: Option<String>,
) -> Result<MergeResult, WorkplaceError> {
    let wip = saved_branch(queue, id, meta, leave_out)?.with_target_at(target_at);
    Ok(wip.merge(&format!("aq: {id}"))?)
}

/// The branch of a job that is about to be shipped, with what was changed in its checkout since.
///
/// # Errors
/// When the job has no branch, or not all of its work can be committed.
pub(crate) fn saved_branch(
    queue: &QueueDir,
    id: &JobId,
    meta: &RecordContent,
    leave_out: bool,
) -> Result<JobBranch, WorkplaceError> {
    let wip = branch_of(queue, id, meta)?.ok_or_else(|| WorkplaceError::NoBranch(id.clone()))?;
    // What a person corrected in its checkout is its work, too, and so is what could not be
    // committed when it ended, on a full disk for one. A checkout that was given back is the
    // user's.
    if !wip.is_in_place() || meta.get(RecordKey::CheckpointError).is_some() {
        wip.expect_finished()?;
        let saved = wip.finish(&format!("{id}: left uncommitted"))?;
        refuse_left_out(id, &unexpected(meta, saved.left_out), leave_out)?;
    }
    Ok(wip)
}

/// Refuses to accept a job whose branch lacks some of its work, unless that is asked for.
pub(crate) fn refuse_left_out(
    id: &JobId,
    left: &[LeftOut],
    leave_out: bool,
) -> Result<(), WorkplaceError> {
    match left_out_words(left) {
        Some(left_out) if !leave_out => Err(WorkplaceError::LeftOut { id: id.clone(), left_out }),
        _ => Ok(()),
    }
}

/// Puts the logs and records of finished jobs beyond the newest `keep` away, and removes their
/// checkouts. Branches that are not merged stay. Checkouts that could not be removed are named.
///
/// # Errors
/// When the queue's folders cannot be read or written.
pub fn clean(
    queue: &QueueDir,
    keep: usize,
    now: Timestamp,
) -> Result<(CleanReport, Vec<String>), StoreError> {
    clean_chosen(queue, CleanChoice::AllBut(keep), now)
}

/// As [`clean`], of the jobs that were shipped longer than `keep` ago.
///
/// # Errors
/// When the queue's folders cannot be read or written.
pub(crate) fn clean_shipped(
    queue: &QueueDir,
    keep: Duration,
    now: Timestamp,
) -> Result<(CleanReport, Vec<String>), StoreError> {
    let then = SystemTime::from(now).checked_sub(keep).unwrap_or(SystemTime::UNIX_EPOCH);
    clean_chosen(queue, CleanChoice::ShippedBefore(then), now)
}

fn clean_chosen(
    queue: &QueueDir,
    choice: CleanChoice,
    now: Timestamp,
) -> Result<(CleanReport, Vec<String>), StoreError> {
    let mut left = Vec::new();
    let mut remove = |id: &JobId, meta: &RecordContent| {
        let is_expected = |one: &LeftOut| unexpected(meta, vec![one.clone()]).is_empty();
        let removed = branch_of(queue, id, meta)
            .and_then(|wip| wip.map(|wip| wip.remove_with(is_expected)).transpose());
        match removed {
            Ok(Some(RemovalOutcome::NotSaved { left_out })) => left.push(format!(
                "the checkout of {id} stays, with work that is not on its branch: {}",
                left_out_words(&left_out).unwrap_or_default()
            )),
            Ok(Some(RemovalOutcome::Checkout { .. }) | None) => {}
            Err(e) => left.push(format!("the checkout of {id} stays: {e}")),
        }
    };
    store::clean_again(queue, with_checkouts(queue), &mut remove)?;
    let cleaned = store::clean(queue, choice, now, &mut remove)?;
    if let Err(e) = remove_trains(queue.root(), &queue.state()) {
        left.push(format!("the checkout of a merge train stays: {e}"));
    }
    left.extend(cleaned.left_alone.iter().map(ToString::to_string));
    Ok((cleaned, left))
}

/// The jobs that have a checkout.
fn with_checkouts(queue: &QueueDir) -> BTreeSet<JobId> {
    let dirs = ["checkouts", "worktrees"].map(|name| queue.state().join(name));
    let entries = dirs.iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Why a job's branch cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkplaceError {
    /// It never ran, or not in a git repository.
    #[error("job {0} has no branch: it has not run yet, or its directory is in no git repository")]
    NoBranch(JobId),
    /// It has ended, and its record is not even in the archive any more.
    #[error(
        "the record of {id} was put away, and its archive was deleted; where its branch was \
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
    /// Not all that is in its checkout can be committed.
    #[error(
        "not all work of {id} is on its branch, so it is not shipped: {left_out}; commit or remove \
         that in its checkout"
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
