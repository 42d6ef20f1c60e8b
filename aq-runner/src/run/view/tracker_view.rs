//! What is known of a job's item at its tracker.

use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::JobId;

use crate::run::tracking::{known, outbox};
use crate::store::QueueDir;

/// What is known of a job's item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackerView {
    /// The item.
    pub item: String,
    /// The folder that its tracker got last.
    pub echoed: Option<String>,
    /// Folders that are still to be sent.
    pub waiting: usize,
    /// Reason why the last update did not arrive.
    pub problem: Option<String>,
}

/// What is known of a job's item; `None` when it has none.
pub(crate) fn tracker_view(
    queue: &QueueDir,
    id: &JobId,
    meta: &RecordContent,
) -> Option<TrackerView> {
    let item = meta.get(RecordKey::TrackerItem)?;
    let told = known(&outbox(queue), id, item, meta);
    Some(TrackerView {
        item: told.item,
        echoed: told.echoed,
        waiting: told.waiting.len(),
        problem: told.problem,
    })
}
