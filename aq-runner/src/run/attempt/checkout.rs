//! The checkout of an attempt: the job's own, on its branch, or the user's.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aq_ledger::steps::NoteCheckout;
use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::{FailureClass, Isolation, JobSpec};
use jiff::Timestamp;

use super::super::checkouts::{checkouts, note_queue};
use super::super::host_lack::{HostError as _, no_room};
use super::super::queue::train::target_remote;
use super::super::start_point::{NoStartPoint, present_deps, start_point};
use super::super::workplace::{checkpoint_job, own_place};
use super::JobAttempt;
use super::distant_deps;
use super::failure::AttemptFailure;
use super::ground::AttemptPlace;
use super::record::AttemptRecord;
use crate::checkpoint::{
    self, CheckpointError, GitWatch, JobBranch, RebaseResult, StartedWork, set_aside,
};
use crate::disk::HostFault;
use crate::store::append_note;

/// The time that git has to save a stopped job's work, in graces of a process that is asked to end.
const GRACES_TO_SAVE: u32 = 6;

/// Gets the directory ready in which the job works.
pub(super) fn make(
    attempt: &mut JobAttempt<'_>,
    spec: &JobSpec,
    cwd: &Path,
) -> Result<(), AttemptFailure> {
    let (queue, row) = (attempt.queue, attempt.record.row());
    let start_point = start_point(queue, row).map_err(unstarted)?;
    let is_sent_back = attempt.record.content().has(RecordKey::Rebase);
    let deps = is_sent_back.then(|| present_deps(queue, row)).transpose().map_err(unstarted)?;
    let mut job = checkpoint::CheckpointJob { start: start_point, ..job_of(attempt, spec, cwd) };
    for listener in &mut attempt.listeners {
        listener.checkout_comes(&mut attempt.record, &job);
    }
    distant_deps::add(attempt, &mut job)?;
    let distant = distant_deps::names(attempt)?;
    // Before they are read: what moves later is news.
    let seen = job.start_mark();
    let record = &mut attempt.record;
    if let Some(deps) = deps {
        rebase(record, &job, &deps, &distant).map_err(|e| not_started(record, &e, &job))?;
    }
    let started = start(record, &job).map_err(|e| match e {
        CheckpointError::DepsConflict { ref dep, ref paths } => AttemptFailure::DepsConflict {
            dep: dep.clone(),
            file: paths.first().cloned().unwrap_or_default(),
            seen: seen.unwrap_or_default(),
            why: e.to_string(),
        },
        e => not_started(record, &e, &job),
    })?;
    let Some(started) = started else {
        attempt.ground.place =
            Some(AttemptPlace { dir: cwd.to_owned(), wip: None, is_unsaved: false });
        return Ok(());
    };
    if let Some(commit) = &started.leftovers.commit {
        record.note(&format!("saved what an earlier attempt had left, as {}", commit.as_str()));
    }
    let ground = started.wip.ground();
    let deps: Vec<String> =
        ground.deps.iter().map(|dep| format!("{}@{}", dep.job, dep.tip)).collect();
    let note = NoteCheckout {
        branch: started.wip.branch(),
        base: ground.base.as_str(),
        target: ground.target.as_str(),
        deps: &deps,
        isolation: spec.isolation,
        checkout: own_dir(&job.isolation, &started.dir),
        is_fresh: started.fresh,
    };
    let noted = record.make(&note, Timestamp::now());
    if noted.is_ok() {
        record.try_append(&RecordUpdate::new().clear(&[RecordKey::Rebase]));
    }
    attempt.ground.place =
        Some(AttemptPlace { dir: started.dir, wip: Some(started.wip), is_unsaved: true });
    noted.map_err(|e| AttemptFailure::not_counted(&e))?;
    attempt.tell_saved();
    Ok(())
}

fn unstarted(error: NoStartPoint) -> AttemptFailure {
    match error {
        NoStartPoint::Store(e) => AttemptFailure::not_counted(&e),
        put_back @ NoStartPoint::PutBack { .. } => AttemptFailure::NotCounted(put_back.to_string()),
    }
}

/// Puts work that the train has sent back on the newest commit of its target. Where that cannot be
/// done the job goes on from where it was.
fn rebase(
    record: &mut AttemptRecord,
    job: &checkpoint::CheckpointJob,
    deps: &[checkpoint::CheckpointJob],
    distant: &[String],
) -> Result<(), CheckpointError> {
    let Some(mut wip) = JobBranch::open(job)? else { return Ok(()) };
    match wip.rebase(deps, distant) {
        Ok(RebaseResult::Clean) => record.note("its work is on the newest commit of its target"),
        Ok(RebaseResult::Conflicts(paths)) => record.note(&format!(
            "its work is on the newest commit of its target, with conflicts in {}",
            paths.join(", ")
        )),
        Err(e @ (CheckpointError::Stopped { .. } | CheckpointError::TimedOut { .. })) => {
            return Err(e);
        }
        Err(e) if e.lack().is_some() => return Err(e),
        Err(e) => record.note(&format!(
            "warning: it goes on from where it was, and not from the newest commit: {e}"
        )),
    }
    Ok(())
}

/// Refuses work in whose files the markers of a conflict are left.
pub(super) fn expect_resolved(attempt: &mut JobAttempt<'_>) -> Result<(), AttemptFailure> {
    if attempt.record.row().train_tries().is_none() {
        return Ok(());
    }
    let Some(wip) = attempt.ground.wip() else { return Ok(()) };
    let paths = wip.unresolved().map_err(|e| AttemptFailure::not_counted(&e))?;
    if paths.is_empty() {
        return Ok(());
    }
    let files = paths.join(", ");
    Err(AttemptFailure::Unresolved(format!("conflict markers are left in {files}")))
}

/// Makes the checkout. Where that cannot be done with what another host has pushed, the job starts
/// afresh, in the same attempt.
fn start(
    record: &mut AttemptRecord,
    job: &checkpoint::CheckpointJob,
) -> Result<Option<StartedWork>, CheckpointError> {
    let failed = match JobBranch::start(job) {
        Err(e) if e.is_failed_checkout() && record.is_handed_over() => e,
        started => return started,
    };
    match set_aside(job) {
        Ok(Some(kept)) => {
            record.note(&format!(
                "warning: starts afresh, because no checkout can be made of the work of another \
                 host, which is kept as {kept}: {failed}"
            ));
            JobBranch::start(job)
        }
        Ok(None) => Err(failed),
        Err(e) => {
            record.note(&format!("warning: the work of another host cannot be set aside: {e}"));
            Err(failed)
        }
    }
}

pub(super) fn not_started(
    record: &mut AttemptRecord,
    error: &CheckpointError,
    job: &checkpoint::CheckpointJob,
) -> AttemptFailure {
    if let Some(lack) = error.lack() {
        return AttemptFailure::Host(lack);
    }
    match error {
        CheckpointError::Stopped { .. } => AttemptFailure::Stopped,
        CheckpointError::TimedOut { .. } => {
            AttemptFailure::Class(FailureClass::Timeout, error.to_string())
        }
        CheckpointError::NotItsTurn { repository, .. } => {
            // From now on the loop does not start it beside another one of this queue.
            let lock = RecordUpdate::new().set(RecordKey::RepositoryLock, repository.display());
            record.try_append(&lock);
            AttemptFailure::NotCounted(error.to_string())
        }
        // Git does not always name the error.
        CheckpointError::Git { .. } if writes_to(job).any(HostFault::is_full) => {
            AttemptFailure::Host(no_room(error))
        }
        _ => AttemptFailure::setup(error.to_string()),
    }
}

fn job_of(attempt: &JobAttempt<'_>, spec: &JobSpec, cwd: &Path) -> checkpoint::CheckpointJob {
    let (queue, id) = (attempt.queue, attempt.record.id());
    let recorded = checkpoint_job(queue, id, attempt.record.content());
    let isolation = match (spec.isolation, &recorded.isolation) {
        (Isolation::InPlace, _) => checkpoint::WorkIsolation::InPlace,
        // A job keeps the checkout that it has, also where that cannot be looked at now.
        (Isolation::Worktree, checkpoint::WorkIsolation::Own(place))
            if place.is_made().unwrap_or(true) =>
        {
            recorded.isolation
        }
        (Isolation::Worktree, _) => {
            let checkouts = checkouts(queue, &attempt.settings, cwd);
            // For those who look into the checkout; the job needs it not.
            let _ = note_queue(queue, &checkouts);
            let dir = checkouts.join(id.as_str());
            checkpoint::WorkIsolation::Own(own_place(queue, id, dir))
        }
    };
    let watch = git_watch(attempt, spec.timeout);
    let target_at = target_remote(attempt.record.row(), &attempt.settings);
    checkpoint::CheckpointJob { cwd: cwd.to_owned(), isolation, watch, target_at, ..recorded }
}

/// Ends a run of git when the job is stopped or has had its time, and lets `status` name one that
/// takes long.
pub(super) fn git_watch(attempt: &JobAttempt<'_>, timeout: Option<Duration>) -> GitWatch {
    let record = attempt.queue.meta(attempt.record.id());
    let notice = move |step: Option<&str>| {
        // For people: not worth more than an attempt to write it.
        let _ = append_note(
            &record,
            &RecordUpdate::new().set(RecordKey::Step, step.unwrap_or_default()),
        );
    };
    let after_stop = attempt.settings.kill_grace * GRACES_TO_SAVE;
    GitWatch::default()
        .limited(timeout)
        .stopped_by(attempt.record.stop_check(), after_stop)
        .told_to(Arc::new(notice))
}

/// Directory of the job's own checkout; `None` in place, and in the worktree that version 0.1 made.
fn own_dir<'a>(isolation: &'a checkpoint::WorkIsolation, works_in: &Path) -> Option<&'a Path> {
    match isolation {
        checkpoint::WorkIsolation::Own(place) if !works_in.starts_with(&place.linked) => {
            Some(&place.dir)
        }
        _ => None,
    }
}

/// Directories in which the start of a job writes.
fn writes_to(job: &checkpoint::CheckpointJob) -> impl Iterator<Item = &Path> {
    let own = match &job.isolation {
        checkpoint::WorkIsolation::Own(place) => Some(place.dir.as_path()),
        checkpoint::WorkIsolation::InPlace => None,
    };
    own.into_iter().chain([job.cwd.as_path()])
}
