//! The numbers of all jobs that have run, out of their records.

use aq_manifest::{JobId, Stage};

use crate::insights::Numbers;
use crate::store::{JobRecord, QueueDir, Result};

/// The numbers of every job that has left the inbox. What `clean` has put away is not among them.
///
/// # Errors
/// When the queue's folders cannot be read.
pub fn history(queue: &QueueDir) -> Result<Vec<Numbers>> {
    let mut found = Vec::new();
    for stage in Stage::ALL.into_iter().filter(|&stage| stage != Stage::Inbox) {
        for id in queue.jobs(stage)? {
            found.push(numbers(queue, stage, id)?);
        }
    }
    Ok(found)
}

/// The numbers of one job.
///
/// # Errors
/// When there is no such job, or its record cannot be read.
pub fn job_numbers(queue: &QueueDir, id: &JobId) -> Result<Numbers> {
    numbers(queue, queue.expect(id)?, id.clone())
}

fn numbers(queue: &QueueDir, stage: Stage, id: JobId) -> Result<Numbers> {
    let record = JobRecord::read(queue, stage, id)?;
    Ok(Numbers::read(record.id, stage, |key| record.meta.get(key)))
}
