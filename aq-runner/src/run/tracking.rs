//! A job's updates for trackers, as its record and the outbox hold them.

use aq_ledger::{RecordContent, RecordKey, RecordUpdate};
use aq_manifest::{JobId, Stage};
use aq_tracker::{TrackerUpdate, Trackers};

use super::settings::QueueSettings;
use super::tokens::{TRACKER_TOKENS, TokenFileError};
use crate::store::{HeldJob, QueueDir, StoreError};
use crate::sync::tracker::{JobUpdates, UpdateOutbox};

/// The trackers that the environment names or the program brings, and why others may know their
/// tokens.
pub(crate) fn trackers(
    settings: &QueueSettings,
) -> Result<(Trackers, Vec<String>), TokenFileError> {
    let (environment, warnings) = settings.environment.with_tokens(&TRACKER_TOKENS)?;
    let trackers = Trackers::new(|name| environment.get(name)?.into_string().ok());
    Ok((trackers.with(settings.trackers.clone()), warnings))
}

/// What waits to be sent.
pub(crate) fn outbox(queue: &QueueDir) -> UpdateOutbox {
    UpdateOutbox::new(queue.state().join("tracker"))
}

/// The item that gets this job's updates from this host. The coordinator sends those of fleet jobs.
pub(crate) fn item_of(meta: &RecordContent) -> Option<&str> {
    if meta.get(RecordKey::FleetJobId).is_some() { None } else { meta.get(RecordKey::TrackerItem) }
}

/// What a record says to a tracker.
pub(crate) fn echo(stage: Stage, meta: &RecordContent) -> TrackerUpdate {
    TrackerUpdate::read(stage, |key| meta.get_named(key))
}

/// Writes down in the job's record what its tracker got.
///
/// # Errors
/// [`StoreError::Busy`] while a worker holds it.
pub(crate) fn record_told(
    queue: &QueueDir,
    id: &JobId,
    told: &JobUpdates,
) -> Result<(), StoreError> {
    let mut job = HeldJob::lock(queue, id)?;
    job.append(
        &RecordUpdate::new()
            .set(RecordKey::TrackerTold, &told.item)
            .set_some(RecordKey::TrackerEchoed, told.echoed.as_deref())
            .set_some(RecordKey::TrackerComment, told.comment.as_deref()),
    )
}

/// What is known of a job of which its tracker may have had updates.
pub(crate) fn known(
    outbox: &UpdateOutbox,
    id: &JobId,
    item: &str,
    meta: &RecordContent,
) -> JobUpdates {
    let there = outbox.read(id).filter(|told| told.item == item);
    // The job's file may name another item by now.
    let is_same = meta.get(RecordKey::TrackerTold) == Some(item);
    let recorded = |key| meta.get(key).filter(|_| is_same).map(str::to_owned);
    there.unwrap_or_else(|| JobUpdates {
        item: item.to_owned(),
        echoed: recorded(RecordKey::TrackerEchoed),
        comment: recorded(RecordKey::TrackerComment),
        ..JobUpdates::default()
    })
}
