//! The facts about a job that a caller gives to the queue.

use aq_caps::HostRequirement;
use aq_manifest::{DepsMode, JobId, Priority};
use jiff::Timestamp;

use crate::{HostId, WaitReason};

/// A job, as far as scheduling needs to know it.
///
/// ```
/// use aq_manifest::Priority;
/// use aq_scheduler::ScheduledJob;
///
/// let job = ScheduledJob {
///     priority: Priority::High,
///     deps: vec!["schema".to_owned()],
///     engines: vec!["codex".to_owned(), "claude".to_owned()],
///     ..ScheduledJob::new("migrate".parse()?, "2026-01-01T09:00:00Z".parse()?)
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledJob {
    /// Unique among the jobs in the queue.
    pub id: JobId,
    /// More urgent jobs go first.
    pub priority: Priority,
    /// Among jobs of one priority the oldest goes first; then the smaller id, so that the order
    /// depends on nothing but the jobs.
    pub added_at: Timestamp,
    /// Jobs with the same lock never run together.
    pub lock: Option<String>,
    /// The repository whose checkout the job uses as it is. Jobs with the same one never run
    /// together either, whatever their locks. Those of which many wait are better distinguished by
    /// a lock: each plan asks every one of these.
    pub repository: Option<String>,
    /// The name that other jobs' `deps` use. Several jobs may have the same one: the key has come
    /// as far as the best of them.
    pub key: Option<String>,
    /// Keys that must be satisfied first. Repeated ones count once.
    pub deps: Vec<String>,
    /// The stage that the jobs of these keys must have reached.
    pub deps_mode: DepsMode,
    /// The requirements on the host, all of them.
    pub requirements: Vec<HostRequirement>,
    /// The engines that may run it, best first. A name is only data here.
    pub engines: Vec<String>,
    /// The obstacle that was met when it was last tried, such as something that its host lacked.
    /// With it the job waits for the end of its pause, and without a pause until it is inserted
    /// anew.
    pub obstacle: Option<WaitReason>,
    /// A person holds it: it is not started, and not refused either.
    pub held: bool,
}

impl ScheduledJob {
    /// A job of medium priority that waits for nothing, needs nothing, and has no engine yet.
    pub fn new(id: JobId, added_at: Timestamp) -> Self {
        Self {
            id,
            priority: Priority::default(),
            added_at,
            lock: None,
            repository: None,
            key: None,
            deps: Vec::new(),
            deps_mode: DepsMode::default(),
            requirements: Vec::new(),
            engines: Vec::new(),
            obstacle: None,
            held: false,
        }
    }
}

/// Where a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits to be started, and not before the given time.
    Waiting {
        /// The end of a pause after a failure.
        not_before: Option<Timestamp>,
    },
    /// It takes a slot and holds its lock: an agent, or its `verify`, is at work.
    Running {
        /// On this host.
        host: HostId,
        /// With this engine.
        engine: String,
    },
    /// Its work waits for a person.
    Review,
    /// Verified; waits to be shipped.
    Testing,
    /// Over, in this way.
    Settled(SettledAs),
}

impl JobState {
    /// Waiting, with no pause.
    pub const WAITING: Self = Self::Waiting { not_before: None };
}

/// End of a job. The queue forgets such a job and keeps only the consequence for its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SettledAs {
    /// Accepted: its key is satisfied for good.
    Shipped,
    /// Ended badly.
    Failed,
    /// Its lease went stale: never shipped.
    Quarantined,
}
