//! A queue that is changed and asked in words, so that a case reads as a story.

use aq_caps::{Capabilities, CapabilityToken};
use aq_manifest::{DepsMode, JobId, Priority};
use aq_scheduler::{
    EngineState, HostId, HostLimits, HostPlan, JobQueue, JobState, QueueError, ScheduledJob,
    SchedulerHost, SettledAs, UnschedulablePolicy,
};
use jiff::{SignedDuration, Timestamp};

/// A queue with one host that has the engine `shell` and one slot, at noon.
pub(crate) struct Lab {
    pub(crate) queue: JobQueue,
    pub(crate) host: HostId,
    limits: HostLimits,
    now: Timestamp,
    added: i64,
}

pub(crate) fn id(name: &str) -> JobId {
    name.parse().unwrap()
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    "2026-01-01T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

pub(crate) fn capabilities(tokens: &str) -> Capabilities {
    tokens.split_whitespace().map(|token| token.parse::<CapabilityToken>().unwrap()).collect()
}

/// A job in words: `id [priority] [held] [soft] [lock=L] [repository=R] [key=K] [deps=K,K]
/// [engines=E,E] [needs=R,R]`. The engine is `shell` when none is named.
pub(crate) fn job(words: &str, added_at: Timestamp) -> ScheduledJob {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut words = words.split_whitespace();
    let mut job = ScheduledJob::new(id(words.next().unwrap()), added_at);
    job.engines = vec!["shell".to_owned()];
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("held", _) => job.held = true,
            ("soft", _) => job.deps_mode = DepsMode::Soft,
            ("lock", name) => job.lock = Some(name.to_owned()),
            ("repository", name) => job.repository = Some(name.to_owned()),
            ("key", name) => job.key = Some(name.to_owned()),
            ("deps", keys) => job.deps = list(keys),
            ("engines", names) => job.engines = list(names),
            ("needs", needs) => {
                job.requirements = needs.split(',').map(|text| text.parse().unwrap()).collect();
            }
            (word, _) => {
                job.priority = Priority::ALL.into_iter().find(|p| p.as_str() == word).unwrap();
            }
        }
    }
    job
}

impl Lab {
    pub(crate) fn new() -> Self {
        let mut queue = JobQueue::new();
        let engines = [("shell".to_owned(), EngineState::READY)].into();
        let host = SchedulerHost {
            engines,
            capabilities: capabilities("os:linux"),
            ..SchedulerHost::default()
        };
        let host = queue.add_host(host);
        Self { queue, host, limits: HostLimits::default(), now: at(0), added: 0 }
    }

    /// Adds another host with these engines and capabilities that keeps misfits.
    pub(crate) fn add_host(&mut self, engines: &[&str], tokens: &str) -> HostId {
        let engines = engines.iter().map(|name| ((*name).to_owned(), EngineState::READY)).collect();
        let capabilities = capabilities(tokens);
        let misfits = UnschedulablePolicy::Keep;
        self.queue.add_host(SchedulerHost {
            engines,
            capabilities,
            misfits,
            ..SchedulerHost::default()
        })
    }

    pub(crate) fn max(&mut self, max: u32) -> &mut Self {
        self.limits.max = max;
        self.queue.set_limits(self.host, self.limits).unwrap();
        self
    }

    pub(crate) fn max_review(&mut self, max: u32) -> &mut Self {
        self.limits.max_review = Some(max);
        self.queue.set_limits(self.host, self.limits).unwrap();
        self
    }

    pub(crate) fn engine(&mut self, name: &str, state: EngineState) -> &mut Self {
        self.queue.set_engine(self.host, name, state).unwrap();
        self
    }

    pub(crate) fn insert(&mut self, words: &str, state: JobState) -> Result<(), QueueError> {
        self.added += 1;
        self.queue.insert(job(words, at(self.added - 1_000)), state)
    }

    /// Adds a waiting job a second younger than the last one.
    pub(crate) fn add(&mut self, words: &str) -> &mut Self {
        self.insert(words, JobState::WAITING).unwrap();
        self
    }

    pub(crate) fn set(&mut self, name: &str, state: JobState) -> &mut Self {
        self.queue.set_state(&id(name), state).unwrap();
        self
    }

    pub(crate) fn run(&mut self, name: &str) -> &mut Self {
        let state = self.running("shell");
        self.set(name, state)
    }

    pub(crate) fn running(&self, engine: &str) -> JobState {
        JobState::Running { host: self.host, engine: engine.to_owned() }
    }

    pub(crate) fn ship(&mut self, name: &str) -> &mut Self {
        self.set(name, JobState::Settled(SettledAs::Shipped))
    }

    pub(crate) fn pause(&mut self, name: &str, seconds: i64) -> &mut Self {
        self.set(name, JobState::Waiting { not_before: Some(at(seconds)) })
    }

    /// Goes to this many seconds after noon.
    pub(crate) fn clock(&mut self, seconds: i64) -> &mut Self {
        self.now = at(seconds);
        self
    }

    pub(crate) fn plan(&mut self) -> HostPlan {
        self.queue.plan(self.host, self.now).unwrap()
    }

    /// The jobs that start now, with the engine where it is not `shell`.
    pub(crate) fn starts(&mut self) -> String {
        let host = self.host;
        self.starts_on(host)
    }

    pub(crate) fn starts_on(&mut self, host: HostId) -> String {
        let plan = self.queue.plan(host, self.now).unwrap();
        let starts = plan.start.iter().map(|start| match start.engine.as_str() {
            "shell" => start.job.to_string(),
            engine => format!("{}:{engine}", start.job),
        });
        starts.collect::<Vec<_>>().join(" ")
    }

    /// Returns the reason why a job waits, or `-`.
    pub(crate) fn why(&mut self, name: &str) -> String {
        let plan = self.plan();
        let reason = self.queue.explain(&plan, &id(name));
        reason.map_or("-".to_owned(), |reason| reason.to_string())
    }

    /// When time alone may change the plan, in seconds after noon.
    pub(crate) fn wakes(&mut self) -> Option<i64> {
        self.plan().wake_at.map(|time| time.as_second() - at(0).as_second())
    }

    /// The waiting jobs in the order in which they will run.
    pub(crate) fn order(&self) -> String {
        let ids: Vec<_> = self.queue.order().into_iter().map(ToString::to_string).collect();
        ids.join(" ")
    }
}
