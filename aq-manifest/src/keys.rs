//! Every key of the front matter, typed. `None` means that the file does not say.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aq_caps::Requirement;

use crate::FailureClass;

/// What a job file says by itself, before its profile and the defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// `engine`: this engine and no other.
    pub engine: Option<String>,
    /// `engine-class`: any engine of this class.
    pub engine_class: Option<String>,
    /// `prefers-engine`: the order to try within the class.
    pub prefers_engine: Option<Vec<String>>,
    /// `cwd`: where the agent works, as written.
    pub cwd: Option<String>,
    /// `yolo`: the engine may act without asking.
    pub yolo: Option<bool>,
    /// `lock`: as written; `none` means no lock.
    pub lock: Option<String>,
    /// `timeout` of one attempt.
    pub timeout: Option<Duration>,
    /// `priority`.
    pub priority: Option<Priority>,
    /// `profile`: a profile's name.
    pub profile: Option<String>,
    /// `capabilities` that the host must have, all of them.
    pub capabilities: Option<Vec<Requirement>>,
    /// `idempotency-key`: the name that other jobs' `deps` use.
    pub idempotency_key: Option<String>,
    /// `deps`: idempotency keys of jobs that go first.
    pub deps: Option<Vec<String>>,
    /// `deps-mode`: how far a dep must have come.
    pub deps_mode: Option<DepsMode>,
    /// `retry`.
    pub retry: Option<Retry>,
    /// `verify`: a shell command that judges the work.
    pub verify: Option<String>,
    /// `review-policy`.
    pub review_policy: Option<ReviewPolicy>,
    /// `isolation` of the work directory.
    pub isolation: Option<Isolation>,
    /// `setup`: a shell command run once in a fresh worktree.
    pub setup: Option<String>,
    /// `allowed-scope`: globs of paths that the job may change.
    pub allowed_scope: Option<Vec<String>>,
    /// `scope-policy`.
    pub scope_policy: Option<ScopePolicy>,
    /// `budget`.
    pub budget: Option<Budget>,
    /// `artifacts`: globs of files to keep.
    pub artifacts: Option<Vec<String>>,
    /// `tracker-item`.
    pub tracker_item: Option<String>,
    /// `expect-changes`: ending without a change is a failure.
    pub expect_changes: Option<bool>,
    /// `model` name for the engine.
    pub model: Option<String>,
    /// `args`: extra argv for the engine.
    pub args: Option<Vec<String>>,
    /// `env`: extra environment for the agent; values may be `${NAME}`.
    pub env: Option<BTreeMap<String, String>>,
    /// `fleet-job-id`, set by a fleet claim.
    pub fleet_job_id: Option<String>,
    /// `fleet-lease-epoch`, set by a fleet claim.
    pub fleet_lease_epoch: Option<u64>,
}

/// The order in which ready jobs run. Greater is more urgent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// After everything else.
    Low,
    /// The default.
    #[default]
    Medium,
    /// Before the default.
    High,
    /// Before everything else.
    Critical,
}

/// How far a dependency must have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DepsMode {
    /// It is in `shipped/`.
    #[default]
    Hard,
    /// It is in `shipped/` or `testing/`.
    Soft,
}

/// Who lets finished work on from `review/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReviewPolicy {
    /// `verify` decides.
    #[default]
    Auto,
    /// A person does.
    Human,
}

/// Where the agent works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// In a git worktree of the job's own.
    #[default]
    Worktree,
    /// In the checkout itself.
    InPlace,
}

/// What a change outside `allowed-scope` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ScopePolicy {
    /// It is listed as a warning.
    #[default]
    Warn,
    /// It fails the job.
    Enforce,
}

/// `retry: {max, backoff, on}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first one included; at least 1.
    pub max: u32,
    /// The pause before each further attempt.
    pub backoff: Backoff,
    /// The failures that are tried again.
    pub on: Vec<FailureClass>,
}

/// How long to wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// Before the second attempt.
    pub initial: Duration,
    /// What each further pause is multiplied by; at least 1.
    pub factor: f64,
    /// The longest pause.
    pub max: Duration,
}

/// `budget: {usd, tokens, turns}`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// US dollars.
    pub usd: Option<f64>,
    /// Input and output tokens together, cached ones not counted.
    pub tokens: Option<u64>,
    /// Turns of the model.
    pub turns: Option<u64>,
}

impl Priority {
    /// Every priority, most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The word in a job file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
