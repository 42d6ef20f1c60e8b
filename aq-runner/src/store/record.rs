//! The record of a job, made when it is added, and read back without opening its file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aq_ledger::{JobRow, RecordContent, RecordKey, RecordUpdate};
use aq_manifest::{DepsMode, JobId, JobSpec, ReviewPolicy, ShipMode, Stage};

use super::error::{Result, StoreError};
use super::meta::read_values;
use super::queue_dir::QueueDir;
use super::record_fault::{RecordFault, record_fault};

/// A job as its folder and its record show it.
#[derive(Clone, Debug)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// The folder that it is in.
    pub stage: Stage,
    /// Everything recorded.
    pub meta: RecordContent,
}

impl JobRecord {
    /// Reads the record of a job that is in `stage`.
    ///
    /// # Errors
    /// When the meta file cannot be read.
    pub fn read(queue: &QueueDir, stage: Stage, id: JobId) -> Result<Self> {
        let meta = read_values(&queue.meta(&id))?;
        Ok(Self { id, stage, meta })
    }

    /// Tests for a record that was made from the files as they are now. When not, the job's file
    /// (or its profile) was changed by hand, or the file was dropped in without `aq add`.
    pub fn is_current(&self, queue: &QueueDir) -> bool {
        let Some(source) = self.meta.get(RecordKey::Source) else { return false };
        source == stamp(&queue.job_file(self.stage, &self.id))
            && self.meta.get(RecordKey::ProfileSource).unwrap_or("")
                == self
                    .meta
                    .get(RecordKey::Profile)
                    .map_or(String::new(), |p| profile_stamp(queue, p))
    }

    /// The fault of a record because of which its job is neither run nor shipped.
    pub fn fault(&self, queue: &QueueDir) -> Option<RecordFault> {
        record_fault(&queue.meta(&self.id), &self.meta)
    }

    /// Its typed content.
    ///
    /// # Errors
    /// [`StoreError::Record`] when the record cannot be used.
    pub fn sound(&self, queue: &QueueDir) -> Result<JobRow<'_>> {
        JobRow::new(&self.id, self.stage, &self.meta).map_err(|problem| {
            let fault = RecordFault { path: queue.meta(&self.id), problem };
            StoreError::Record { id: self.id.clone(), fault: Box::new(fault) }
        })
    }

    /// As [`Self::sound`], of a record that may be damaged: see [`JobRow::unchecked`].
    pub fn unchecked(&self) -> JobRow<'_> {
        JobRow::unchecked(&self.id, self.stage, &self.meta)
    }

    /// The directory that it works in.
    pub fn cwd(&self) -> Option<PathBuf> {
        self.meta.get(RecordKey::Cwd).map(PathBuf::from)
    }

    /// The branch that it was merged into, with the remote at which that is; `None` where it was
    /// not merged.
    pub fn merged_into(&self) -> Option<String> {
        let into = self.meta.get(RecordKey::MergedInto)?;
        let remote = self.meta.get(RecordKey::MergedRemote);
        Some(remote.map_or_else(|| into.to_owned(), |remote| format!("{into} of {remote}")))
    }

    /// Answers whether `verify` has run and passed on its work. `None`: it has not come to that, or
    /// the version of aq that judged it did not record it.
    pub fn verified(&self) -> Option<bool> {
        let is = |key: RecordKey, value: &str| self.meta.get(key) == Some(value);
        match (self.stage, self.meta.get(RecordKey::Verified)) {
            (Stage::Testing | Stage::Shipped, Some(verified)) => Some(verified == "1"),
            // It came past `verify`: accepted out of review/, or moved by hand.
            (Stage::Testing | Stage::Shipped, None) => {
                let is_unjudged = self.meta.get(RecordKey::VerifiedAt).is_none();
                (is_unjudged && !self.meta.is_empty()).then_some(false)
            }
            (Stage::Failed, _) => {
                let has_failed = is(RecordKey::Result, "verify_failed")
                    || is(RecordKey::FailureClass, "verify_failed");
                has_failed.then_some(false)
            }
            _ => None,
        }
    }

    /// Number of attempts that have ended and count.
    pub fn attempts(&self) -> u32 {
        self.meta.count(RecordKey::Attempts)
    }
}

/// A branch by its full name.
fn branch_ref(name: &str) -> String {
    format!("refs/heads/{name}")
}

/// The effective values of a job, as docs/on-disk-format.md wants them recorded.
pub(crate) fn describe(queue: &QueueDir, spec: &JobSpec, cwd: &Path, file: &Path) -> RecordUpdate {
    let lock = match spec.lock.as_deref() {
        Some("none") => None,
        Some(lock) => Some(lock.to_owned()),
        None => Some(cwd.display().to_string()),
    };
    // Every key is set, if only to forget what an earlier version of the file said.
    RecordUpdate::new()
        .set(RecordKey::Cwd, cwd.display())
        .set(RecordKey::Lock, lock.unwrap_or_default())
        .set(RecordKey::Priority, spec.priority)
        .set(RecordKey::Profile, spec.profile.as_deref().unwrap_or(""))
        .set(RecordKey::EngineWanted, spec.engine.as_deref().unwrap_or(""))
        .set(RecordKey::EngineClass, &spec.engine_class)
        .set_list(RecordKey::PrefersEngine, &spec.prefers_engine)
        .set(RecordKey::Model, spec.model.as_deref().unwrap_or(""))
        .set_list(RecordKey::Capabilities, &spec.capabilities)
        .set(
            RecordKey::ReviewPolicy,
            if spec.review_policy == ReviewPolicy::Human { "human" } else { "auto" },
        )
        .set(RecordKey::Target, spec.target.as_deref().map_or(String::new(), branch_ref))
        .set(RecordKey::Base, spec.base.as_deref().unwrap_or(""))
        .set(RecordKey::Ship, spec.ship.map_or("", ShipMode::as_str))
        .set_list(RecordKey::AllowedScope, &spec.allowed_scope)
        .set_list(RecordKey::LeaveOut, &spec.expect.leave_out)
        .set(RecordKey::IdempotencyKey, spec.idempotency_key.as_deref().unwrap_or(""))
        .set_list(RecordKey::Deps, &spec.deps)
        .set(RecordKey::DepsMode, if spec.deps_mode == DepsMode::Soft { "soft" } else { "hard" })
        .set(RecordKey::RetryMax, spec.retry.as_ref().map_or(1, |retry| retry.max))
        .set(RecordKey::TrackerItem, spec.tracker_item.as_deref().unwrap_or(""))
        .set(RecordKey::FleetJobId, spec.fleet_job_id.as_deref().unwrap_or(""))
        .set(
            RecordKey::FleetLeaseEpoch,
            spec.fleet_lease_epoch.map_or(String::new(), |n| n.to_string()),
        )
        .set(
            RecordKey::ProfileSource,
            spec.profile.as_deref().map_or(String::new(), |p| profile_stamp(queue, p)),
        )
        .set(RecordKey::Source, stamp(file))
}

fn profile_stamp(queue: &QueueDir, name: &str) -> String {
    stamp(&queue.profiles().join(format!("{name}.yaml")))
}

/// Distinguishes a changed file from an unchanged one without reading it: its size, time and inode.
/// Empty when there is no such file.
fn stamp(path: &Path) -> String {
    path.symlink_metadata().map_or(String::new(), |about: Metadata| {
        format!("{}:{}.{:09}:{}", about.len(), about.mtime(), about.mtime_nsec(), about.ino())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestQueue, id};
    use aq_manifest::Priority;

    fn is_current(queue: &TestQueue) -> bool {
        JobRecord::read(queue, Stage::Inbox, id("a")).unwrap().is_current(queue)
    }

    #[test]
    fn edits_make_records_outdated() {
        let queue = TestQueue::new();
        let profile = queue.profiles().join("p.yaml");
        std::fs::write(&profile, "priority: low\n").unwrap();
        queue.add(&[("a", "---\nprofile: p\n---\nx\n")]).unwrap();
        assert!(is_current(&queue));
        std::fs::write(&profile, "priority: medium\n").unwrap();
        assert!(!is_current(&queue));
        queue.add(&[("b", "x")]).unwrap();
        std::fs::rename(
            queue.job_file(Stage::Inbox, &id("b")),
            queue.job_file(Stage::Inbox, &id("a")),
        )
        .unwrap();
        assert!(!is_current(&queue));
    }

    #[test]
    fn a_file_without_a_record_is_not_current() {
        let queue = TestQueue::new();
        queue.place("a", Stage::Inbox, "x");
        assert!(!is_current(&queue));
    }

    #[test]
    fn the_effective_values_are_recorded_and_read_back() {
        let queue = TestQueue::new();
        let profile =
            "priority: high\ncapabilities: [\"os:any\", \"a, b\"]\nreview-policy: human\n";
        let profile = profile.replace("\"a, b\"", "\"x | y\"");
        std::fs::write(queue.profiles().join("p.yaml"), profile).unwrap();
        let text = "---\nprofile: p\nlock: none\ndeps: [a, \"b,c\"]\ndeps-mode: soft\n---\nx\n";
        queue.add(&[("a", text)]).unwrap();
        let record = JobRecord::read(&queue, Stage::Inbox, id("a")).unwrap();
        let row = record.sound(&queue).unwrap();
        assert_eq!(row.priority(), Some(Priority::High));
        assert_eq!(row.review_policy(), Some(ReviewPolicy::Human));
        assert_eq!(row.deps_mode(), Some(DepsMode::Soft));
        assert_eq!(record.meta.list(RecordKey::Deps), ["a", "b,c"]);
        assert_eq!(record.meta.get(RecordKey::Lock), None);
        let requirements: Vec<String> =
            row.capabilities().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(requirements, ["os:any", "x | y"]);
        assert_eq!(record.cwd(), queue.base().canonicalize().ok());
    }
}
