//! The files of an add: written aside, made durable, put in their places, and taken back when that
//! fails.

use std::path::{Path, PathBuf};

use aq_ledger::{RUN_KEYS, RecordKey, RecordUpdate};
use aq_manifest::{Isolation, JobId, Stage};

use super::super::clean::withdraw;
use super::super::durable::{
    rename_new, sync_dir, sync_file_system, sync_together, unsynced_dir, write_unsynced,
};
use super::super::error::{Result, StoreError, StoreIo};
use super::super::feedback_file::FeedbackFile;
use super::super::keys::KeyIndex;
use super::super::queue_dir::QueueDir;
use super::super::record::describe;
use super::super::transition::HeldJob;
use super::plan::DraftPlan;
use super::{AddContext, AddError, CheckedDraft, DraftResult};

/// Writes the files under names that nothing looks at, with their content durable, and the records
/// with their names, too: a job whose record a power cut took away would be taken for a
/// hand-dropped file, and work in another directory. Notes who will hold the keys, as durably.
pub(super) fn stage_files(
    queue: &QueueDir,
    jobs: &[CheckedDraft<'_>],
    plans: &[DraftPlan],
    context: &AddContext,
    bulk: bool,
) -> Result<Vec<Option<PathBuf>>> {
    let keys = KeyIndex::new(queue);
    let mut staged = Vec::with_capacity(jobs.len());
    let mut unsynced = Vec::new();
    let mut has_keys = false;
    // Those of a bulk are closed at once: there may be more than a process can have open.
    let mut sync_later = |file| unsynced.extend((!bulk).then_some(file));
    let adder = std::process::id();
    for (n, (job, plan)) in jobs.iter().zip(plans).enumerate() {
        let id = match plan {
            DraftPlan::Place(id) | DraftPlan::Supersede(id, _) => id,
            DraftPlan::Nothing(_) => {
                staged.push(None);
                continue;
            }
        };
        // No job id starts with a dot, so this is nobody's scratch folder.
        let temporary = queue.state().join(format!("tmp/.add-{adder}-{n}.md"));
        sync_later(write_unsynced(temporary.clone(), job.draft.text.as_bytes())?);
        let record = origin(context, job);
        let record = record.followed_by(describe(queue, &job.spec, &job.place.dir, &temporary));
        match plan {
            // The old record stays: what the old file said is overwritten key by key.
            DraftPlan::Supersede(id, old) if id == old.id() => {}
            _ => {
                let record = record.to_new_file();
                sync_later(write_unsynced(queue.meta(id), record.as_bytes())?);
                if let Some(key) = &job.spec.idempotency_key {
                    sync_later(keys.note_claim(key, id)?);
                    has_keys = true;
                }
            }
        }
        staged.push(Some(temporary));
    }
    if bulk {
        sync_file_system(queue.root())?;
    } else if !unsynced.is_empty() {
        unsynced.push(unsynced_dir(queue.meta_dir())?);
        if has_keys {
            unsynced.push(unsynced_dir(queue.keys())?);
        }
        sync_together(&unsynced)?;
    }
    Ok(staged)
}

fn origin(context: &AddContext, job: &CheckedDraft<'_>) -> RecordUpdate {
    let base = context.origin_dir();
    let is_in_place = job.spec.isolation == Isolation::InPlace;
    let repository = is_in_place.then(|| (context.repository_at)(&job.place.dir)).flatten();
    RecordUpdate::new()
        .set(RecordKey::AddedAt, context.now)
        .set(RecordKey::AddedFrom, base.display())
        .set(RecordKey::AddedOn, job.place.branch.as_deref().unwrap_or_default())
        .set_some(RecordKey::RepositoryLock, repository.as_deref().map(Path::display))
        .followed_by(job.draft.record.clone())
}

/// Gives the files their names, and notes each in `added` as soon as it has its own. The record is
/// there before the job is, so the loop never takes a job for a hand-dropped file.
pub(super) fn place(
    queue: &QueueDir,
    jobs: &[CheckedDraft<'_>],
    plans: Vec<DraftPlan>,
    staged: Vec<Option<PathBuf>>,
    context: &AddContext,
    added: &mut Vec<DraftResult>,
) -> Result<()> {
    let keys = KeyIndex::new(queue);
    for ((job, plan), temporary) in jobs.iter().zip(plans).zip(staged) {
        let temporary = temporary.unwrap_or_default();
        // Before the job is there: one that is there and not in the index could be added twice, or
        // close a circle.
        for dep in &job.spec.deps {
            keys.await_key(dep)?;
        }
        match plan {
            DraftPlan::Nothing(outcome) => added.push(outcome),
            DraftPlan::Place(id) => {
                let file = queue.job_file(Stage::Inbox, &id);
                rename_new(&temporary, &file).at("move the new job to", &file)?;
                added.push(DraftResult::New { id });
            }
            DraftPlan::Supersede(id, old) => {
                supersede(queue, job, &id, *old, &temporary, context, added)?;
            }
        }
    }
    if !added.iter().all(DraftResult::is_unchanged) {
        sync_dir(&queue.stage(Stage::Inbox))?;
    }
    Ok(())
}

fn supersede(
    queue: &QueueDir,
    job: &CheckedDraft<'_>,
    id: &JobId,
    mut old: HeldJob,
    temporary: &Path,
    context: &AddContext,
    added: &mut Vec<DraftResult>,
) -> Result<()> {
    let file = queue.job_file(Stage::Inbox, id);
    let old_id = old.id().clone();
    if *id == old_id {
        let record = RecordUpdate::new().clear(RUN_KEYS).clear(&[RecordKey::RepositoryLock]);
        let record = record.followed_by(origin(context, job));
        old.append(&record.followed_by(describe(queue, &job.spec, &job.place.dir, temporary)))?;
        // Where it was added is nowhere else, and says where it works.
        old.sync()?;
        std::fs::rename(temporary, &file).at("replace", &file)?;
        // It was for the job that was here.
        FeedbackFile::of(queue, id).remove()?;
        added.push(DraftResult::Superseded { id: id.clone(), old: old_id });
        return Ok(());
    }
    // First the new one, then the old one away: a crash in between leaves both, never none, and so
    // does a power cut. The loop does not launch a job whose key another one holds.
    rename_new(temporary, &file).at("move the new job to", &file)?;
    let replaced = sync_dir(&queue.stage(Stage::Inbox))
        .and_then(|()| withdraw(queue, &old, context.now))
        // As long as the old one is there, the new one is not needed.
        .inspect_err(|_| drop(queue.has(Stage::Inbox, &old_id).then(|| discard(queue, id))));
    if queue.has(Stage::Inbox, id) {
        added.push(DraftResult::Superseded { id: id.clone(), old: old_id });
    }
    replaced
}

/// After a failure: what is in and was not started comes out again, so that a second try adds no
/// job twice. Who gave a job its key can try again anyway, so one that took another's place stays.
pub(super) fn take_back(queue: &QueueDir, added: &[DraftResult], problem: StoreError) -> AddError {
    let stays = |one: &DraftResult| match one {
        DraftResult::New { id } => discard(queue, id).is_err().then(|| id.clone()),
        DraftResult::Superseded { id, .. } => Some(id.clone()),
        DraftResult::Unchanged { .. } | DraftResult::SameFile { .. } => None,
    };
    let jobs: Vec<JobId> = added.iter().filter_map(stays).collect();
    // Neither the jobs that came out again nor those that stay were promised to anybody.
    let _ = sync_dir(&queue.stage(Stage::Inbox));
    if jobs.is_empty() { AddError::Store(problem) } else { AddError::Partly { jobs, problem } }
}

fn discard(queue: &QueueDir, id: &JobId) -> Result<()> {
    let job = HeldJob::lock(queue, id)?;
    job.require(&[Stage::Inbox], "add", "inbox/")?;
    let file = queue.job_file(Stage::Inbox, id);
    std::fs::remove_file(&file).at("remove", &file)?;
    // A record without a job is nobody's; the next job of this name writes its own.
    let _ = std::fs::remove_file(queue.meta(id));
    Ok(())
}
