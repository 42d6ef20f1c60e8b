//! What applies to a job after its profile and the defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use aq_caps::Requirement;

use crate::{Budget, DepsMode, Isolation, Priority, Retry, ReviewPolicy, ScopePolicy};

/// The effective values of a job: its own, else its profile's, else the default.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    /// This engine and no other.
    pub engine: Option<String>,
    /// The class to choose from when `engine` is not set. Default `agentic-coder`.
    pub engine_class: String,
    /// Order within the class; may be empty.
    pub prefers_engine: Vec<String>,
    /// As written; the store resolves it.
    pub cwd: Option<String>,
    /// Let the engine act without asking.
    pub yolo: bool,
    /// As written; `None` when not given (the default is the resolved cwd).
    pub lock: Option<String>,
    /// Time limit of one attempt.
    pub timeout: Option<Duration>,
    /// Order among ready jobs.
    pub priority: Priority,
    /// The profile that was applied.
    pub profile: Option<String>,
    /// Text put before the prompt.
    pub persona: Option<String>,
    /// What the host must have.
    pub capabilities: Vec<Requirement>,
    /// The name other jobs depend on.
    pub idempotency_key: Option<String>,
    /// Keys of the jobs that go first.
    pub deps: Vec<String>,
    /// How far they must have come.
    pub deps_mode: DepsMode,
    /// `None`: one attempt only.
    pub retry: Option<Retry>,
    /// Judges the work.
    pub verify: Option<String>,
    /// Who lets the work on.
    pub review_policy: ReviewPolicy,
    /// Where the agent works.
    pub isolation: Isolation,
    /// Run once in a fresh worktree.
    pub setup: Option<String>,
    /// Globs of what may change; empty: everything.
    pub allowed_scope: Vec<String>,
    /// What a change outside does.
    pub scope_policy: ScopePolicy,
    /// Limits on use.
    pub budget: Budget,
    /// Globs of files to keep.
    pub artifacts: Vec<String>,
    /// The tracker's item.
    pub tracker_item: Option<String>,
    /// Ending without a change is a failure.
    pub expect_changes: bool,
    /// Model name.
    pub model: Option<String>,
    /// Extra argv.
    pub args: Vec<String>,
    /// Extra environment, unresolved.
    pub env: BTreeMap<String, String>,
    /// Set by a fleet claim.
    pub fleet_job_id: Option<String>,
    /// Set by a fleet claim.
    pub fleet_lease_epoch: Option<u64>,
}
