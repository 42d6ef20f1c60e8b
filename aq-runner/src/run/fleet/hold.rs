//! A fleet job as this host's records show it.

use std::path::PathBuf;

use aq_fleet::protocol::{Checkpoint, Epoch, FleetJobId, LeaseRef, Metrics, Word};

use aq_manifest::JobId;

use super::fleet_dir;
use crate::store::{Meta, QueueDir, Record};

/// The grant under which this host has a job. `None` for a job of the host's own.
pub(crate) fn lease(meta: &Meta) -> Option<LeaseRef> {
    let job_id: FleetJobId = meta.parsed("fleet_job_id")?;
    let epoch: Epoch = meta.parsed("fleet_lease_epoch")?;
    Some(LeaseRef { job_id, epoch })
}

/// The number of the next report under this grant.
pub(crate) fn next_report(meta: &Meta) -> u64 {
    meta.parsed::<u64>("fleet_reports").unwrap_or(0) + 1
}

/// Where the work was pushed to last.
pub(crate) fn pushed(meta: &Meta) -> Option<Checkpoint> {
    Some(Checkpoint {
        branch: meta.parsed("pushed_branch")?,
        commit: meta.parsed("pushed_commit")?,
        remote: meta.get("pushed_to")?.to_owned(),
    })
}

/// The record of a push, for [`pushed`].
pub(crate) fn pushed_record(checkpoint: &Checkpoint) -> Record {
    Record::new()
        .set("pushed_branch", &checkpoint.branch)
        .set("pushed_commit", &checkpoint.commit)
        .set("pushed_to", &checkpoint.remote)
}

/// The numbers of a job's last run.
pub(crate) fn metrics(meta: &Meta) -> Metrics {
    let word = |key| meta.get(key).map(Word::lossy);
    Metrics {
        duration_s: meta.parsed("duration_s"),
        exit: meta.parsed("exit"),
        attempts: meta.parsed("attempts"),
        files_changed: meta.parsed("files_changed"),
        lines_added: meta.parsed("lines_added"),
        lines_deleted: meta.parsed("lines_deleted"),
        input_tokens: meta.parsed("input_tokens"),
        cached_tokens: meta.parsed("cached_tokens"),
        output_tokens: meta.parsed("output_tokens"),
        cost_usd: meta.parsed("cost_usd"),
        usage_estimated: meta.get("usage_estimated").map(|value| value == "1"),
        engine: word("engine"),
        model: word("model"),
    }
}

/// A note that a job is here under a grant: made when the loop first sees it, and removed when the
/// coordinator was told of its end. It is what finds a job whose end was not told before a crash.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
}

impl Held {
    pub(crate) fn of(queue: &QueueDir, id: &JobId) -> Self {
        Self { path: fleet_dir(queue).join("held").join(id.as_str()) }
    }

    /// The jobs that have one, in no order.
    pub(crate) fn all(queue: &QueueDir) -> Vec<JobId> {
        let entries = std::fs::read_dir(fleet_dir(queue).join("held")).into_iter().flatten();
        entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
    }

    pub(crate) fn note(&self) -> std::io::Result<()> {
        std::fs::write(&self.path, "")
    }

    pub(crate) fn is_noted(&self) -> bool {
        self.path.exists()
    }

    pub(crate) fn forget(&self) {
        // One that cannot be removed is told of again, which changes nothing.
        let _ = std::fs::remove_file(&self.path);
    }
}
