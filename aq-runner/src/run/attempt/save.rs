//! What an attempt has made, kept: its changes on the job's branch, and the files that the job file
//! names.

use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::JobSpec;

use super::JobAttempt;
use super::ground::{AttemptPlace, workplace};
use crate::checkpoint::{BranchChanges, LeftOut, collect};
use crate::run::left_out::{left_out_record, unexpected, whys};

/// Names that are listed in the log; the others are on record.
pub(super) const LISTED: usize = 20;

/// Commits what the agent changed, and counts it. `None` outside git; an error says why git failed.
pub(super) fn work(attempt: &mut JobAttempt<'_>) -> Result<Option<BranchChanges>, String> {
    let message = commit_message(attempt);
    let Some(place) = attempt.ground.place.as_mut() else { return Ok(None) };
    let Some(wip) = place.wip.as_ref() else { return Ok(None) };
    let saved = wip.checkpoint(&message).and_then(|saved| Ok((saved, wip.changes()?)));
    let (saved, changes) = match saved {
        Ok(saved) => saved,
        Err(e) => {
            cannot_save(attempt, &e.to_string());
            return Err(e.to_string());
        }
    };
    place.is_unsaved = false;
    attempt.ground.changed.clone_from(&changes.paths);
    note_left_out(attempt, &saved.left_out);
    for rule in saved.hidden {
        attempt.record.note(&format!("git of the agent hides changes, which were saved: {rule}"));
    }
    attempt.record.try_append(
        &RecordUpdate::new()
            .set(RecordKey::FilesChanged, changes.files_changed)
            .set(RecordKey::LinesAdded, changes.lines_added)
            .set(RecordKey::LinesDeleted, changes.lines_deleted),
    );
    attempt.tell_saved();
    Ok(Some(changes))
}

/// Commits what is left, and gives the checkout of an in-place job back. For every way out.
pub(super) fn leave(attempt: &mut JobAttempt<'_>) {
    let Some(AttemptPlace { wip: Some(wip), is_unsaved, .. }) = &attempt.ground.place else {
        return;
    };
    if !is_unsaved && !wip.is_in_place() {
        return;
    }
    match wip.finish(&commit_message(attempt)) {
        Ok(saved) => {
            note_left_out(attempt, &saved.left_out);
            attempt.tell_saved();
        }
        Err(e) => cannot_save(attempt, &e.to_string()),
    }
    attempt.ground.place = None;
}

/// Keeps the files that the job file names. A job that ended well does not fail by this.
pub(super) fn artifacts(attempt: &mut JobAttempt<'_>, spec: &JobSpec) {
    if spec.artifacts.is_empty() {
        return;
    }
    let Ok(dir) = workplace(attempt, spec) else { return };
    let id = attempt.record.id();
    let note = match collect(&spec.artifacts, &dir, &attempt.queue.artifacts(id)) {
        Ok(kept) => format!("artifacts kept in artifacts/{id}: {}", kept.files),
        Err(e) => format!("warning: not all artifacts were kept: {e}"),
    };
    attempt.record.note(&note);
}

fn commit_message(attempt: &JobAttempt<'_>) -> String {
    format!("{}: attempt {}", attempt.record.id(), attempt.number)
}

/// Says what the branch does not hold, once: in the log, and on record.
fn note_left_out(attempt: &mut JobAttempt<'_>, left: &[LeftOut]) {
    let JobAttempt { record, ground, .. } = attempt;
    // A removed checkout is not there to be looked at again.
    let lost = left.iter().filter(|one| one.is_gone());
    ground.gone.extend(lost.cloned());
    let left: Vec<LeftOut> =
        ground.gone.iter().chain(left.iter().filter(|one| !one.is_gone())).cloned().collect();
    let left = unexpected(record.content(), left);
    if record.content().list(RecordKey::LeftOutWhy) == whys(&left) {
        return;
    }
    if !left.is_empty() {
        record.note("warning: not all of the work is on the branch:");
    }
    for one in left.iter().take(LISTED) {
        record.note(&format!("left out: {one}"));
    }
    record.try_append(&left_out_record(&left));
}

fn cannot_save(attempt: &mut JobAttempt<'_>, why: &str) {
    let note = format!("warning: the work could not be committed, and is where it was: {why}");
    attempt.record.note(&note);
    attempt.record.try_append(&RecordUpdate::new().set(RecordKey::CheckpointError, why));
}
