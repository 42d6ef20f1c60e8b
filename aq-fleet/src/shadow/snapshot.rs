//! The snapshot from which a host chose.

use std::fmt;
use std::str::FromStr;

use aq_manifest::Priority;
use sha2::{Digest, Sha256};

use super::reason::ShadowReason;

/// A waiting job on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowCandidate {
    /// Its name at the coordinator: its idempotency key, or `job:<id>` when it has none.
    pub key: String,
    /// Its priority.
    pub priority: Priority,
    /// The reason why it cannot start now; `None` for one that can, or could with a slot.
    pub waits: Option<ShadowReason>,
    /// The coordinator has it too, as a shadow job.
    pub mirrored: bool,
}

/// The inbox at the moment of a decision, in the order in which the host would run it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxSnapshot {
    /// The waiting jobs.
    pub jobs: Vec<ShadowCandidate>,
}

/// Names a snapshot: the same jobs in the same order and state have the same id, on every host and
/// in every version. A decision is counted once for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(u64);

/// The text is no snapshot's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a snapshot is named by 16 lower-case hexadecimal digits")]
pub struct SnapshotIdError;

impl InboxSnapshot {
    /// The waiting job with a key.
    pub fn get(&self, key: &str) -> Option<&ShadowCandidate> {
        self.jobs.iter().find(|job| job.key == key)
    }

    /// Its name. Whether a job is mirrored is not part of it: that is the coordinator's side.
    pub fn id(&self) -> SnapshotId {
        let mut hash = Sha256::new();
        for job in &self.jobs {
            // The length keeps two keys from being taken for other two.
            hash.update((job.key.len() as u64).to_le_bytes());
            hash.update(job.key.as_bytes());
            for word in [job.priority.as_str(), job.waits.map_or("-", ShadowReason::as_str)] {
                hash.update(word.as_bytes());
                hash.update([0]);
            }
        }
        let digest = hash.finalize();
        SnapshotId(digest.iter().take(8).fold(0, |id, &byte| id << 8 | u64::from(byte)))
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for SnapshotId {
    type Err = SnapshotIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.bytes().all(is_hex) {
            return Err(SnapshotIdError);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| SnapshotIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(key: &str) -> ShadowCandidate {
        ShadowCandidate {
            key: key.to_owned(),
            priority: Priority::Medium,
            waits: None,
            mirrored: true,
        }
    }

    fn id(jobs: &[ShadowCandidate]) -> String {
        InboxSnapshot { jobs: jobs.to_vec() }.id().to_string()
    }

    #[test]
    fn an_id_names_what_a_decision_depends_on() {
        // The first 16 digits of SHA-256 of nothing, and of the bytes that `id` writes down.
        assert_eq!(id(&[]), "e3b0c44298fc1c14");
        let written = b"\x01\0\0\0\0\0\0\0amedium\0-\0";
        let expected: String =
            Sha256::digest(written).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(id(&[job("a")]), expected);
        let all = [
            id(&[]),
            id(&[job("a")]),
            id(&[job("a"), job("b")]),
            id(&[job("b"), job("a")]),
            id(&[job("ab")]),
            id(&[ShadowCandidate { priority: Priority::High, ..job("a") }]),
            id(&[ShadowCandidate { waits: Some(ShadowReason::Lock), ..job("a") }]),
            id(&[ShadowCandidate { waits: Some(ShadowReason::Deps), ..job("a") }]),
        ];
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(id(&[ShadowCandidate { mirrored: false, ..job("a") }]), id(&[job("a")]));
    }

    #[test]
    fn an_id_is_read_back() {
        let id = InboxSnapshot::default().id();
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "E3B0C44298FC1C14", "e3b0c44298fc1c1", "+3b0c44298fc1c14"] {
            assert_eq!(bad.parse::<SnapshotId>(), Err(SnapshotIdError), "{bad}");
        }
    }
}
