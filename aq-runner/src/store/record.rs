//! What is recorded of a job when it is added, and read back without opening its file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aq_caps::Requirement;
use aq_manifest::{DepsMode, JobId, JobSpec, Priority, ReviewPolicy, Stage};
use jiff::Timestamp;

use super::error::{Result, StoreError};
use super::meta::{Meta, Record};
use super::queue_dir::QueueDir;
use super::record_fault::{RecordFault, record_fault};

/// A job as its folder and its record show it.
#[derive(Clone, Debug)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// The folder that it lies in.
    pub stage: Stage,
    /// Everything recorded.
    pub meta: Meta,
}

impl JobRecord {
    /// Reads the record of a job that lies in `stage`.
    ///
    /// # Errors
    /// When the meta file cannot be read.
    pub fn read(queue: &QueueDir, stage: Stage, id: JobId) -> Result<Self> {
        let meta = Meta::read(&queue.meta(&id))?;
        Ok(Self { id, stage, meta })
    }

    /// Whether the record was made from the files as they are now. When not, the job's file (or
    /// its profile) was changed by hand, or the file was dropped in without `aq add`.
    pub fn is_current(&self, queue: &QueueDir) -> bool {
        let Some(source) = self.meta.get("source") else { return false };
        source == stamp(&queue.job_file(self.stage, &self.id))
            && self.meta.get("profile_source").unwrap_or("")
                == self.meta.get("profile").map_or(String::new(), |p| profile_stamp(queue, p))
    }

    /// The fault of a record because of which its job is neither run nor shipped.
    pub fn fault(&self, queue: &QueueDir) -> Option<RecordFault> {
        record_fault(&queue.meta(&self.id), &self.meta)
    }

    /// Fails when the record cannot be used.
    ///
    /// # Errors
    /// [`StoreError::Record`].
    pub fn expect_sound(&self, queue: &QueueDir) -> Result<()> {
        self.fault(queue).map_or(Ok(()), |fault| {
            Err(StoreError::Record { id: self.id.clone(), fault: Box::new(fault) })
        })
    }

    /// Its priority.
    pub fn priority(&self) -> Priority {
        let word = self.meta.get("priority").unwrap_or("");
        word.parse().unwrap_or_default()
    }

    /// When it was added; the epoch when that is not known.
    pub fn added_at(&self) -> Timestamp {
        self.meta.time("added_at").unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// How far its dependencies must have come.
    pub fn deps_mode(&self) -> DepsMode {
        if self.meta.get("deps_mode") == Some("soft") { DepsMode::Soft } else { DepsMode::Hard }
    }

    /// Who lets its work on.
    pub fn review_policy(&self) -> ReviewPolicy {
        if self.meta.get("review_policy") == Some("human") {
            ReviewPolicy::Human
        } else {
            ReviewPolicy::Auto
        }
    }

    /// What the host must have. What does not parse was never written by us, and is left out.
    pub fn requirements(&self) -> Vec<Requirement> {
        self.meta.list("capabilities").iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// The directory that it works in.
    pub fn cwd(&self) -> Option<PathBuf> {
        self.meta.get("cwd").map(PathBuf::from)
    }

    /// Answers whether `verify` has run and passed on its work. `None`: it has not come to that, or
    /// the version of aq that judged it did not record it.
    pub fn verified(&self) -> Option<bool> {
        let is = |key: &str, value: &str| self.meta.get(key) == Some(value);
        match (self.stage, self.meta.get("verified")) {
            (Stage::Testing | Stage::Shipped, Some(verified)) => Some(verified == "1"),
            // It came past `verify`: accepted out of review/, or moved by hand.
            (Stage::Testing | Stage::Shipped, None) => {
                let is_unjudged = self.meta.get("verified_at").is_none();
                (is_unjudged && !self.meta.is_empty()).then_some(false)
            }
            (Stage::Failed, _) => {
                let has_failed =
                    is("result", "verify_failed") || is("failure_class", "verify_failed");
                has_failed.then_some(false)
            }
            _ => None,
        }
    }

    /// How many attempts have ended and count.
    pub fn attempts(&self) -> u32 {
        self.meta.count("attempts")
    }
}

/// A branch by its full name.
fn branch_ref(name: &str) -> String {
    format!("refs/heads/{name}")
}

/// The effective values of a job, as docs/on-disk-format.md wants them recorded.
pub(crate) fn describe(queue: &QueueDir, spec: &JobSpec, cwd: &Path, file: &Path) -> Record {
    let lock = match spec.lock.as_deref() {
        Some("none") => None,
        Some(lock) => Some(lock.to_owned()),
        None => Some(cwd.display().to_string()),
    };
    // Every key is set, if only to forget what an earlier version of the file said.
    Record::new()
        .set("cwd", cwd.display())
        .set("lock", lock.unwrap_or_default())
        .set("priority", spec.priority)
        .set("profile", spec.profile.as_deref().unwrap_or(""))
        .set("engine_wanted", spec.engine.as_deref().unwrap_or(""))
        .set("engine_class", &spec.engine_class)
        .set_list("prefers_engine", &spec.prefers_engine)
        .set("model", spec.model.as_deref().unwrap_or(""))
        .set_list("capabilities", &spec.capabilities)
        .set(
            "review_policy",
            if spec.review_policy == ReviewPolicy::Human { "human" } else { "auto" },
        )
        .set("target", spec.target.as_deref().map_or(String::new(), branch_ref))
        .set_list("allowed_scope", &spec.allowed_scope)
        .set_list("leave_out", &spec.expect.leave_out)
        .set("idempotency_key", spec.idempotency_key.as_deref().unwrap_or(""))
        .set_list("deps", &spec.deps)
        .set("deps_mode", if spec.deps_mode == DepsMode::Soft { "soft" } else { "hard" })
        .set("retry_max", spec.retry.as_ref().map_or(1, |retry| retry.max))
        .set("tracker_item", spec.tracker_item.as_deref().unwrap_or(""))
        .set("fleet_job_id", spec.fleet_job_id.as_deref().unwrap_or(""))
        .set("fleet_lease_epoch", spec.fleet_lease_epoch.map_or(String::new(), |n| n.to_string()))
        .set(
            "profile_source",
            spec.profile.as_deref().map_or(String::new(), |p| profile_stamp(queue, p)),
        )
        .set("source", stamp(file))
}

fn profile_stamp(queue: &QueueDir, name: &str) -> String {
    stamp(&queue.profiles().join(format!("{name}.yaml")))
}

/// Tells a changed file from an unchanged one without reading it: its size, time and inode.
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

    fn is_current(queue: &TestQueue) -> bool {
        JobRecord::read(queue, Stage::Inbox, id("a")).unwrap().is_current(queue)
    }

    #[test]
    fn an_edit_of_the_file_or_its_profile_is_seen() {
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
        assert_eq!(record.priority(), Priority::High);
        assert_eq!(record.review_policy(), ReviewPolicy::Human);
        assert_eq!(record.deps_mode(), DepsMode::Soft);
        assert_eq!(record.meta.list("deps"), ["a", "b,c"]);
        assert_eq!(record.meta.get("lock"), None);
        let requirements: Vec<String> =
            record.requirements().iter().map(ToString::to_string).collect();
        assert_eq!(requirements, ["os:any", "x | y"]);
        assert_eq!(record.cwd(), queue.base().canonicalize().ok());
    }
}
