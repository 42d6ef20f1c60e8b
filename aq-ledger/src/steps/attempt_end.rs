//! The lines of attempts that end.

use aq_manifest::Stage;
use jiff::Timestamp;

use crate::{HOST_LACK_KEYS, JobRow, RecordKey, RecordUpdate, WORKER_KEYS};

impl JobRow<'_> {
    /// The number of the attempt that is made, or was made last.
    pub fn attempt_number(self) -> u32 {
        self.attempt().unwrap_or(0).max(1)
    }
}

/// Lines of every attempt that ends without success and counts. The count is set from the number,
/// so that a second time changes nothing. Accepted work was counted when it was accepted, and a
/// reply that was cut short may have begun to count anew.
pub(super) fn counted_end(row: JobRow<'_>, now: Timestamp) -> RecordUpdate {
    let number = match row.stage {
        Stage::Building => Some(row.attempt_number()),
        _ => row.attempt(),
    };
    RecordUpdate::new()
        .set(RecordKey::EndedAt, now)
        .set_some(RecordKey::Attempts, number)
        .set(RecordKey::Recoveries, 0)
        .clear(WORKER_KEYS)
        .clear(HOST_LACK_KEYS)
        .clear(&[RecordKey::HostTries])
}
