//! The end of runs of git that do not end by themselves, and word of slow ones.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The time that a run takes until it is reported.
const SLOW: Duration = Duration::from_secs(2);

/// Asked whether the job is stopped.
pub type StopCheck = Arc<dyn Fn() -> bool + Send + Sync>;

/// Called when a run of git takes long, or the merge of another job, and then at its end.
pub type StepNotice = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// The bounds of a job's runs of git beside their own, and the job's ear for slow ones.
#[derive(Clone)]
pub struct GitWatch {
    /// The most that one run may take; `None`: no more than its own limit.
    limit: Option<Duration>,
    stop: StopCheck,
    after_stop: Duration,
    notice: StepNotice,
    /// When the stop was first seen, by any run.
    stopped_at: Arc<OnceLock<Instant>>,
}

impl GitWatch {
    /// Lets no run take longer than this.
    #[must_use]
    pub fn limited(self, limit: Option<Duration>) -> Self {
        Self { limit, ..self }
    }

    /// Ends all runs when the job is stopped. Together they have `after_stop` left from then on.
    #[must_use]
    pub fn stopped_by(self, stop: StopCheck, after_stop: Duration) -> Self {
        Self { stop, after_stop, ..self }
    }

    /// Reports runs that take longer than 2 s.
    #[must_use]
    pub fn told_to(self, notice: StepNotice) -> Self {
        Self { notice, ..self }
    }

    /// The limit of a run that has one of its own.
    pub(super) fn limit(&self, own: Duration) -> Duration {
        self.limit.map_or(own, |limit| limit.min(own))
    }

    /// True when a run has to end now, because the job was stopped a while ago.
    pub(super) fn is_over(&self) -> bool {
        (self.stop)() && self.stopped_at.get_or_init(Instant::now).elapsed() >= self.after_stop
    }

    /// Begins to follow a run.
    pub(super) fn follow(&self, subcommand: &str) -> FollowedRun<'_> {
        self.wait(&format!("git {subcommand}"))
    }

    /// Begins to follow something else that the job waits for.
    pub(super) fn wait(&self, name: &str) -> FollowedRun<'_> {
        FollowedRun { watch: self, name: name.to_owned(), begun: Instant::now(), told: false }
    }
}

/// No watch: nothing ends a run but its own limit.
impl Default for GitWatch {
    fn default() -> Self {
        Self {
            limit: None,
            stop: Arc::new(|| false),
            after_stop: Duration::ZERO,
            notice: Arc::new(|_| ()),
            stopped_at: Arc::default(),
        }
    }
}

impl fmt::Debug for GitWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitWatch").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// A run that is followed.
pub(super) struct FollowedRun<'a> {
    watch: &'a GitWatch,
    name: String,
    begun: Instant,
    told: bool,
}

impl FollowedRun<'_> {
    /// The run goes on.
    pub(super) fn goes_on(&mut self) {
        if !self.told && self.begun.elapsed() >= SLOW {
            self.told = true;
            (self.watch.notice)(Some(&self.name));
        }
    }
}

impl Drop for FollowedRun<'_> {
    fn drop(&mut self) {
        if self.told {
            (self.watch.notice)(None);
        }
    }
}
