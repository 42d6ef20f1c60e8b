//! A decision to be compared, in plain values.

use aq_fleet::shadow::InboxSnapshot;
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

/// The host's jobs at one moment, and what it decided then.
#[derive(Clone, Debug)]
pub struct ShadowDecision {
    /// The jobs that the coordinator has to know of to decide the same, the oldest first, each key
    /// once.
    pub originals: Vec<MirroredJob>,
    /// The question. `None`: the coordinator only gets how far the jobs have come.
    pub question: Option<ShadowQuestion>,
}

/// The host's decision, and its ground.
#[derive(Clone, Debug)]
pub struct ShadowQuestion {
    /// When.
    pub at: Timestamp,
    /// The key of the job that was started; `None` when a slot stays free.
    pub local: Option<String>,
    /// The snapshot that it was chosen from.
    pub snapshot: InboxSnapshot,
    /// The locks that running jobs held, each once, sorted.
    pub held_locks: Vec<String>,
}

/// A job of this host, to be mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredJob {
    /// Its name at the coordinator.
    pub key: String,
    /// The job.
    pub id: JobId,
    /// The stage that its mirror is to have. Only one in `Inbox` can be picked.
    pub stage: Stage,
    /// The lock that it has on this host though its file names none.
    pub lock: Option<String>,
    /// Another one when its file has changed.
    pub version: u64,
}
