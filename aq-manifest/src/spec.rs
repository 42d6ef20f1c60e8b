//! The values that apply to a job after its profile and the defaults.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use aq_caps::HostRequirement;

use crate::{
    DepsMode, ExpectedLeftovers, FeedbackMode, FeedbackTemplate, Isolation, JobBudget, Manifest,
    Priority, Profile, RetryPolicy, ReviewPolicy, ScopePolicy, ShipMode,
};

/// The class to choose an engine from when neither job nor profile says.
const DEFAULT_CLASS: &str = "agentic-coder";

/// The value of `base` that stands for the target with the work of the job's deps.
pub(crate) const DEPS_BASE: &str = "deps";

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
    /// The requirements on the host.
    pub capabilities: Vec<HostRequirement>,
    /// The name other jobs depend on. A fleet job has none here.
    pub idempotency_key: Option<String>,
    /// Keys of the jobs that go first. A fleet job has none here: the coordinator waited for them.
    pub deps: Vec<String>,
    /// The stage that they must have reached.
    pub deps_mode: DepsMode,
    /// `None`: one attempt only.
    pub retry: Option<RetryPolicy>,
    /// Judges the work.
    pub verify: Option<String>,
    /// The one who lets the work on.
    pub review_policy: ReviewPolicy,
    /// Where the agent works.
    pub isolation: Isolation,
    /// The branch that it starts from and is merged into, as people name it.
    pub target: Option<String>,
    /// The branch, tag or commit that it starts from; `None`: its target with its deps' work.
    pub base: Option<String>,
    /// What `aq ship` and `aq run --ship` do with it; `None`: what the config says.
    pub ship: Option<ShipMode>,
    /// Run once in a fresh checkout.
    pub setup: Option<String>,
    /// Globs of what may change; empty: everything.
    pub allowed_scope: Vec<String>,
    /// The consequence of a change outside.
    pub scope_policy: ScopePolicy,
    /// Limits on use.
    pub budget: JobBudget,
    /// Globs of files to keep.
    pub artifacts: Vec<String>,
    /// The tracker's item.
    pub tracker_item: Option<String>,
    /// Ending without a change is a failure.
    pub expect_changes: bool,
    /// Leftovers that are no surprise.
    pub expect: ExpectedLeftovers,
    /// Feedback for a further attempt on the failure of the last one.
    pub feedback: FeedbackMode,
    /// The profile's own text for that.
    pub feedback_template: Option<FeedbackTemplate>,
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

impl JobSpec {
    /// Tests for a job that itself says something that its engine may refuse: a model, or
    /// arguments.
    pub fn chooses_engine_details(&self) -> bool {
        self.model.is_some() || !self.args.is_empty()
    }
}

/// Where the value of a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueOrigin {
    /// The job's own file.
    Job,
    /// The profile that it names.
    Profile,
    /// Neither gives the key.
    Default,
}

impl ValueOrigin {
    /// Where the effective value of `key` comes from, for a job and its profile.
    pub fn of(key: &str, job: &Manifest, profile: Option<&Profile>) -> Self {
        if job.is_set(key) {
            Self::Job
        } else if profile.is_some_and(|profile| profile.values.is_set(key)) {
            Self::Profile
        } else {
            Self::Default
        }
    }

    /// `job`, `profile` or `default`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Profile => "profile",
            Self::Default => "default",
        }
    }
}

/// Resolves the values of a job: its own, then its profile's, then the defaults.
///
/// ```
/// use aq_manifest::{parse, parse_profile, resolve};
///
/// let job = parse("---\nprofile: careful\npriority: high\n---\nDo it.\n").manifest;
/// let profile = parse_profile("careful", "priority: low\nreview-policy: human\n").profile;
/// let spec = resolve(&job, Some(&profile));
/// assert_eq!((spec.priority.as_str(), spec.review_policy.as_str()), ("high", "human"));
/// ```
pub fn resolve(job: &Manifest, profile: Option<&Profile>) -> JobSpec {
    let given = match profile {
        Some(profile) => job.or(&profile.values),
        None => job.clone(),
    };
    // The key and the dependencies of a fleet job hold among the coordinator's jobs: it had them
    // met before it gave the job away, and on this host they may mean another job.
    let is_local = given.fleet_job_id.is_none();
    JobSpec {
        engine: given.engine,
        engine_class: given.engine_class.unwrap_or_else(|| DEFAULT_CLASS.to_owned()),
        prefers_engine: given.prefers_engine.unwrap_or_default(),
        cwd: given.cwd,
        yolo: given.yolo.unwrap_or_default(),
        lock: given.lock,
        timeout: given.timeout,
        priority: given.priority.unwrap_or_default(),
        profile: given.profile,
        persona: profile.and_then(|profile| profile.persona.clone()),
        capabilities: given.capabilities.unwrap_or_default(),
        idempotency_key: given.idempotency_key.filter(|_| is_local),
        deps: given.deps.filter(|_| is_local).unwrap_or_default(),
        deps_mode: given.deps_mode.unwrap_or_default(),
        retry: given.retry,
        verify: given.verify,
        review_policy: given.review_policy.unwrap_or_default(),
        isolation: given.isolation.unwrap_or_default(),
        target: given.target,
        base: given.base.filter(|base| base != DEPS_BASE),
        ship: given.ship,
        setup: given.setup,
        allowed_scope: given.allowed_scope.unwrap_or_default(),
        scope_policy: given.scope_policy.unwrap_or_default(),
        budget: given.budget.unwrap_or_default(),
        artifacts: given.artifacts.unwrap_or_default(),
        tracker_item: given.tracker_item,
        expect_changes: given.expect_changes.unwrap_or_default(),
        expect: given.expect.unwrap_or_default(),
        feedback: given.feedback.unwrap_or_default(),
        feedback_template: profile.and_then(|profile| profile.feedback_template.clone()),
        model: given.model,
        args: given.args.unwrap_or_default(),
        env: given.env.unwrap_or_default(),
        fleet_job_id: given.fleet_job_id,
        fleet_lease_epoch: given.fleet_lease_epoch,
    }
}

impl Default for JobSpec {
    /// A job file that says nothing.
    fn default() -> Self {
        resolve(&Manifest::default(), None)
    }
}

/// Composes the prompt of the engine: the persona, a blank line, and the job's prompt as it is.
pub fn prompt<'a>(persona: Option<&str>, body: &'a str) -> Cow<'a, str> {
    match persona.map(str::trim_end).filter(|persona| !persona.is_empty()) {
        Some(persona) => Cow::Owned(format!("{persona}\n\n{body}")),
        None => Cow::Borrowed(body),
    }
}
