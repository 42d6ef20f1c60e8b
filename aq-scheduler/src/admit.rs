//! The one place that says why a job may not start.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::arena::{ClassIx, EngineIx, JobIx, LockIx};
use crate::host::HostEntry;
use crate::queue::{QueueEntry, SlotState};
use crate::{
    DependencyStatus, EngineState, HeldBy, JobQueue, PendingDependency, SettledAs, WaitReason,
};

/// The slots, locks and engines that a plan has given away so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlanLedger {
    /// Slots left.
    pub(crate) free: u32,
    locks: BTreeMap<LockIx, JobIx>,
    repositories: BTreeMap<LockIx, JobIx>,
    engines: BTreeMap<EngineIx, u32>,
}

impl PlanLedger {
    pub(crate) fn new(free: u32) -> Self {
        let (locks, repositories) = (BTreeMap::new(), BTreeMap::new());
        Self { free, locks, repositories, engines: BTreeMap::new() }
    }

    pub(crate) fn start(&mut self, job: JobIx, entry: &QueueEntry, engine: EngineIx) {
        self.free -= 1;
        *self.engines.entry(engine).or_default() += 1;
        if let Some(lock) = entry.lock {
            self.locks.insert(lock, job);
        }
        if let Some(repository) = entry.repository {
            self.repositories.insert(repository, job);
        }
    }
}

/// A [`WaitReason`] in slots; its variants mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotRefusal {
    Held,
    Needs,
    NoEngine,
    WaitingOn,
    Backoff(Timestamp),
    LockHeld(JobIx),
    Behind(JobIx),
    RepositoryInUse(JobIx),
    CoolingDown(EngineIx, Timestamp),
    Limited(EngineIx),
    OutOfUse(EngineIx),
    Absent(EngineIx),
    Obstacle,
    HostLacks,
    ReviewFull,
    NoSlot,
}

impl JobQueue {
    /// Decides whether a waiting job may start on `host` after the entries of `ledger`, and with
    /// which engine. The order of the checks is the order of [`WaitReason`].
    pub(crate) fn admit(
        &self,
        ix: JobIx,
        host: &HostEntry,
        ledger: &PlanLedger,
        now: Timestamp,
    ) -> Result<EngineIx, SlotRefusal> {
        let entry = &self.jobs[ix];
        if entry.held {
            return Err(SlotRefusal::Held);
        }
        if !host.meets(entry.class, self.classes.get(entry.class)) {
            return Err(SlotRefusal::Needs);
        }
        let engine = self.choose(entry.class, host, ledger, now);
        if engine == Err(SlotRefusal::NoEngine) {
            return engine;
        }
        if self.graph.unmet(ix) > 0 {
            return Err(SlotRefusal::WaitingOn);
        }
        if let SlotState::Waiting(Some(until)) = entry.at
            && until > now
        {
            return Err(SlotRefusal::Backoff(until));
        }
        if entry.at == SlotState::Waiting(None) && entry.obstacle.is_some() {
            return Err(SlotRefusal::Obstacle);
        }
        if let Some(repository) = entry.repository {
            let planned = ledger.repositories.get(&repository).copied();
            if let Some(holder) = self.repositories.holder(repository).or(planned) {
                return Err(SlotRefusal::RepositoryInUse(holder));
            }
        }
        if let Some(lock) = entry.lock {
            if let Some(holder) = self.locks.holder(lock) {
                return Err(SlotRefusal::LockHeld(holder));
            }
            if let Some(&before) = ledger.locks.get(&lock) {
                return Err(SlotRefusal::Behind(before));
            }
        }
        let engine = engine?;
        if host.lack.is_some() {
            return Err(SlotRefusal::HostLacks);
        }
        if self.review_full(host) {
            return Err(SlotRefusal::ReviewFull);
        }
        if ledger.free == 0 { Err(SlotRefusal::NoSlot) } else { Ok(engine) }
    }

    /// The first engine of a class that can be used. When none can, the one that time mends
    /// soonest says why.
    pub(crate) fn choose(
        &self,
        class: ClassIx,
        host: &HostEntry,
        ledger: &PlanLedger,
        now: Timestamp,
    ) -> Result<EngineIx, SlotRefusal> {
        let (mut cooling, mut limited, mut out, mut absent) = (None, None, None, None);
        for &engine in &self.classes.get(class).placement.engines {
            let limit = match *host.engine_state(engine) {
                EngineState::Missing => continue,
                EngineState::Absent { .. } => {
                    absent.get_or_insert(SlotRefusal::Absent(engine));
                    continue;
                }
                EngineState::OutOfUse { .. } => {
                    out.get_or_insert(SlotRefusal::OutOfUse(engine));
                    continue;
                }
                EngineState::CoolingDown { until } if until > now => {
                    if cooling.is_none_or(|(_, soonest)| until < soonest) {
                        cooling = Some((engine, until));
                    }
                    continue;
                }
                EngineState::CoolingDown { .. } => Some(1),
                EngineState::Ready { limit } => limit,
            };
            let planned = ledger.engines.get(&engine).copied().unwrap_or(0);
            if limit.is_none_or(|limit| host.running_with(engine) + planned < limit) {
                return Ok(engine);
            }
            limited.get_or_insert(SlotRefusal::Limited(engine));
        }
        let cooling = cooling.map(|(engine, until)| SlotRefusal::CoolingDown(engine, until));
        Err(cooling.or(limited).or(out).or(absent).unwrap_or(SlotRefusal::NoEngine))
    }

    pub(crate) fn review_full(&self, host: &HostEntry) -> bool {
        host.limits.max_review.is_some_and(|max| self.counts().review >= max)
    }

    /// A refusal with names.
    pub(crate) fn describe(&self, ix: JobIx, host: &HostEntry, refusal: SlotRefusal) -> WaitReason {
        let no_slot = || WaitReason::NoSlot { n: host.limits.max };
        let id = |job: JobIx| self.jobs[job].id.clone();
        let engine = |engine| self.classes.engine_name(engine).to_owned();
        let placement = &self.classes.get(self.jobs[ix].class).placement;
        match refusal {
            SlotRefusal::Held => WaitReason::Held { by: HeldBy::Person },
            SlotRefusal::Needs => {
                let missing = host.capabilities.missing(&placement.requirements);
                WaitReason::Needs { requirements: missing.into_iter().cloned().collect() }
            }
            SlotRefusal::NoEngine => WaitReason::NoEngine {
                engines: placement.engines.iter().map(|&e| engine(e)).collect(),
            },
            SlotRefusal::WaitingOn => WaitReason::WaitingOn { keys: self.awaited(ix) },
            SlotRefusal::Backoff(until) => match &self.jobs[ix].obstacle {
                Some(obstacle) => WaitReason::clone(obstacle),
                None => WaitReason::Backoff { until },
            },
            SlotRefusal::LockHeld(job) => WaitReason::LockHeld { job: id(job) },
            SlotRefusal::Behind(job) => WaitReason::Behind { job: id(job) },
            SlotRefusal::RepositoryInUse(job) => WaitReason::RepositoryInUse { job: id(job) },
            SlotRefusal::CoolingDown(ix, until) => {
                WaitReason::EngineCooling { engine: engine(ix), until }
            }
            SlotRefusal::Limited(ix) => WaitReason::EngineLimited { engine: engine(ix) },
            SlotRefusal::OutOfUse(ix) => {
                let why = match host.engine_state(ix) {
                    EngineState::OutOfUse { reason } => reason.clone(),
                    _ => String::new(),
                };
                WaitReason::EngineOut { engine: engine(ix), why }
            }
            SlotRefusal::Absent(engine) => match host.engine_state(engine) {
                EngineState::Absent { lack } => WaitReason::HostLacks(lack.clone()),
                _ => WaitReason::NoEngine { engines: Vec::new() },
            },
            SlotRefusal::Obstacle => {
                self.jobs[ix].obstacle.as_deref().map_or_else(no_slot, WaitReason::clone)
            }
            SlotRefusal::HostLacks => {
                let lack = host.lack.as_ref();
                lack.map_or_else(no_slot, |lack| WaitReason::HostLacks(lack.clone()))
            }
            SlotRefusal::ReviewFull => WaitReason::ReviewFull {
                n: self.counts().review,
                max: host.limits.max_review.unwrap_or_default(),
            },
            SlotRefusal::NoSlot => no_slot(),
        }
    }

    fn awaited(&self, ix: JobIx) -> Vec<PendingDependency> {
        let state = |key| match self.graph.settled(key) {
            _ if self.graph.holders(key).next().is_some() => DependencyStatus::Pending,
            Some(SettledAs::Failed) => DependencyStatus::Failed,
            Some(SettledAs::Quarantined) => DependencyStatus::Quarantined,
            Some(SettledAs::Shipped) | None => DependencyStatus::Missing,
        };
        let unmet = self.graph.unmet_deps(ix);
        unmet
            .map(|key| PendingDependency {
                key: self.graph.name(key).to_owned(),
                state: state(key),
            })
            .collect()
    }
}
