//! A naive host for the core of the loop: it does effects on jobs in memory, and holds every launch
//! and every sleep against the rules.

use std::collections::BTreeSet;

use aq_caps::Capabilities;
use aq_manifest::Stage;
use aq_scheduler::{
    EngineState, HostLack, HostLimits, ScheduledJob, SchedulerHost, SettledAs, UnschedulablePolicy,
};

use super::tests::{at, id, read};
use super::*;
use crate::run::queue::change::EndedJob;
use crate::store::JobRecord;

const MAX: u32 = 2;

/// A fault of the next launch of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaunchFault {
    Failure,
    Change,
}

#[derive(Clone, Debug)]
pub(super) struct NaiveJob {
    pub(super) stage: Stage,
    pub(super) lock: Option<usize>,
    pub(super) engine: usize,
    pub(super) held: bool,
    pub(super) not_before: i64,
    pub(super) lack: bool,
    pub(super) is_gripped: bool,
    pub(super) spoil: Option<LaunchFault>,
}

/// The host and its jobs, as far as a loop can touch them.
pub(super) struct NaiveHost {
    pub(super) core: LoopCore,
    pub(super) now: i64,
    pub(super) jobs: BTreeMap<usize, NaiveJob>,
    pub(super) running: BTreeSet<usize>,
    /// Whose end a thread of the loop waits for.
    pub(super) awaited: BTreeSet<usize>,
    pub(super) cooling: [Option<i64>; 2],
    pub(super) has_room: bool,
    pub(super) limit: i64,
}

pub(super) fn name(job: usize) -> JobId {
    id(&format!("j{job}"))
}

fn number(id: &JobId) -> usize {
    id.as_str()[1..].parse().unwrap()
}

fn engine_name(engine: usize) -> String {
    format!("e{engine}")
}

impl NaiveHost {
    pub(super) fn new() -> Self {
        let engines = (0..2).map(|engine| (engine_name(engine), EngineState::READY)).collect();
        let limits = HostLimits { max: MAX, max_review: None };
        let capabilities = Capabilities::default();
        let host =
            SchedulerHost { capabilities, engines, limits, misfits: UnschedulablePolicy::Reject };
        Self {
            core: LoopCore::new(QueueModel::new(host), false),
            now: 1_000,
            jobs: BTreeMap::new(),
            running: BTreeSet::new(),
            awaited: BTreeSet::new(),
            cooling: [None; 2],
            has_room: true,
            limit: 0,
        }
    }

    /// Sends what woke the loop, and does all that follows, until it sleeps.
    pub(super) fn wake(&mut self, events: Vec<LoopEvent>) {
        let mut work: Vec<Result<LoopEvent, LoopEffect>> =
            events.into_iter().chain([LoopEvent::Woken]).rev().map(Ok).collect();
        for _ in 0..1_000 {
            match work.pop() {
                None => work.push(Ok(LoopEvent::AllHandled)),
                Some(Ok(event)) => {
                    let effects = self.core.handle(event, at(self.now));
                    work.extend(effects.into_iter().rev().map(Err));
                }
                Some(Err(LoopEffect::Sleep(limit))) => {
                    self.limit = i64::try_from(limit.as_secs()).unwrap();
                    return self.check_sleep();
                }
                Some(Err(effect)) => work.extend(self.perform(effect).into_iter().rev().map(Ok)),
            }
        }
        panic!("the loop does not come to rest: {work:?}");
    }

    fn perform(&mut self, effect: LoopEffect) -> Vec<LoopEvent> {
        match effect {
            LoopEffect::Look(id) => {
                let look = self.look(&id);
                vec![LoopEvent::JobLooked(id, look)]
            }
            LoopEffect::Launch { id, engine } => self.launch(id, engine),
            LoopEffect::AwaitFree(id) => {
                if self.jobs.get(&number(&id)).is_some_and(|job| job.is_gripped) {
                    self.awaited.insert(number(&id));
                    return Vec::new();
                }
                vec![LoopEvent::JobFreed(id)]
            }
            LoopEffect::ReadRun(id) => {
                let Some(job) = self.jobs.get(&number(&id)) else { return Vec::new() };
                let lack = job.lack.then(|| RunLack::Host(lack()));
                let state = (job.stage == Stage::Inbox).then(|| waiting(job));
                let record = JobRecord { id, stage: job.stage, meta: Default::default() };
                vec![LoopEvent::RunRead { record: Box::new(record), state, lack }]
            }
            LoopEffect::ReadEngines => vec![self.engines()],
            LoopEffect::ListFolders => {
                self.jobs.keys().map(|job| LoopEvent::JobTouched(name(*job))).collect()
            }
            LoopEffect::AskListeners => {
                vec![LoopEvent::ListenersAsked { is_drained: true, next: None }]
            }
            LoopEffect::CheckHost | LoopEffect::Notify(_) | LoopEffect::LoopReport(_) => Vec::new(),
            other => panic!("nothing here asks for {other:?}"),
        }
    }

    pub(super) fn engines(&self) -> LoopEvent {
        let state = |until: Option<i64>| match until {
            Some(until) => EngineState::CoolingDown { until: at(until) },
            None => EngineState::READY,
        };
        LoopEvent::EnginesRead(
            (0..2).map(|engine| (engine_name(engine), state(self.cooling[engine]))).collect(),
        )
    }

    fn look(&self, id: &JobId) -> JobLook {
        let Some(job) = self.jobs.get(&number(id)) else { return JobLook::Gone };
        let engine = engine_name(job.engine);
        let queued = ScheduledJob {
            lock: job.lock.map(|lock| lock.to_string()),
            engines: vec![engine.clone()],
            held: job.held,
            ..ScheduledJob::new(id.clone(), at(0))
        };
        if self.running.contains(&number(id)) {
            return JobLook::Works { read: read(queued), engine };
        }
        match job.stage {
            _ if job.is_gripped => JobLook::Busy,
            Stage::Inbox => {
                let lack = job.lack.then(|| MetLack { lack: lack(), is_worth_a_wait: true });
                JobLook::Rests { read: read(queued), state: waiting(job), lack }
            }
            _ => {
                let (id, settled) = (id.clone(), SettledAs::Shipped);
                JobLook::Ended(EndedJob { id, key: None, deps: Vec::new(), settled })
            }
        }
    }

    fn launch(&mut self, id: JobId, engine: String) -> Vec<LoopEvent> {
        let number = number(&id);
        let job = self.jobs.get(&number).expect("it is there");
        assert_eq!(engine, engine_name(job.engine));
        // The loop cannot know that somebody holds it just now.
        if job.is_gripped {
            return vec![LoopEvent::JobBusy(id)];
        }
        assert_eq!(self.obstacle(number, self.now), None, "{id} is launched at {}", self.now);
        let job = self.jobs.get_mut(&number).expect("it is there");
        match job.spoil.take() {
            Some(LaunchFault::Change) => vec![LoopEvent::NotAsPlanned(id)],
            Some(LaunchFault::Failure) => {
                let text = "the worker does not start".to_owned();
                let place = Some(Stage::Inbox);
                let trouble = JobTrouble { text, lack: None, is_held: false, place };
                vec![LoopEvent::LaunchFailed { id, engine, trouble }]
            }
            None => {
                job.stage = Stage::Building;
                self.running.insert(number);
                vec![LoopEvent::Launched { id, engine }]
            }
        }
    }

    /// The reason for which a waiting job may not start at `time`, if nothing happens until then.
    fn obstacle(&self, number: usize, time: i64) -> Option<&'static str> {
        let job = &self.jobs[&number];
        let with = |of: &dyn Fn(&NaiveJob) -> bool| {
            self.running.iter().filter(|other| of(&self.jobs[other])).count()
        };
        if job.stage != Stage::Inbox {
            Some("it does not wait")
        } else if job.held {
            Some("a person holds it")
        } else if self.running.len() >= MAX as usize {
            Some("no slot")
        } else if job.lock.is_some() && with(&|other| other.lock == job.lock) > 0 {
            Some("its lock")
        } else if !self.has_room {
            Some("no room")
        } else if !job.lack && job.not_before > time {
            Some("its pause")
        } else if self.cooling[job.engine].is_some_and(|until| until > time) {
            Some("its engine rests")
        } else if self.cooling[job.engine].is_some() && with(&|one| one.engine == job.engine) > 0 {
            Some("its engine is being probed")
        } else {
            None
        }
    }

    /// Nothing that can start is left, and the loop wakes when something can.
    fn check_sleep(&self) {
        assert!(self.limit > 0, "the loop goes round in a circle");
        let can_start = |time: i64| {
            self.jobs.iter().any(|(&number, job)| {
                // With a lack on record there is a pause that only a loop that has met it keeps.
                !job.lack
                    && !self.core.is_left_alone(&name(number), at(self.now))
                    && self.obstacle(number, time).is_none()
            })
        };
        assert!(!can_start(self.now), "a job could start at {}", self.now);
        if let Some(time) = (self.now + 1..self.now + self.limit).find(|&time| can_start(time)) {
            panic!("a job could start at {time}, and the loop sleeps {} s", self.limit);
        }
    }
}

fn lack() -> HostLack {
    HostLack::Program { program: "git".to_owned() }
}

fn waiting(job: &NaiveJob) -> JobState {
    JobState::Waiting { not_before: Some(at(job.not_before)) }
}
