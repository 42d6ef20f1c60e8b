//! The jobs on whose work another one builds.

use std::collections::BTreeSet;

use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::{JobId, Stage};

use crate::store::{JobRecord, QueueDir, StoreError, holder};

/// The jobs that a job waits for, directly or not, and that are not shipped: their work does not go
/// along with its own.
///
/// # Errors
/// When a key cannot be looked up, or a record cannot be read.
pub(crate) fn unshipped_dependencies(
    queue: &QueueDir,
    content: &RecordContent,
) -> Result<Vec<String>, StoreError> {
    let mut keys = content.list(RecordKey::Deps);
    let mut seen: BTreeSet<JobId> = BTreeSet::new();
    let mut unshipped = Vec::new();
    while let Some(key) = keys.pop() {
        let Some(found) = holder(queue, &key)?.filter(|found| !seen.contains(&found.id)) else {
            continue;
        };
        if found.stage != Stage::Shipped {
            unshipped.push(found.id.to_string());
        }
        let record = JobRecord::read(queue, found.stage, found.id.clone())?;
        keys.extend(record.meta.list(RecordKey::Deps));
        seen.insert(found.id);
    }
    Ok(unshipped)
}
