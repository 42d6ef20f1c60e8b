//! The one place that says why a job may not start.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::arena::{ClassIx, EngineIx, JobIx, LockIx};
use crate::host::HostEntry;
use crate::queue::{At, Entry};
use crate::{DependencyStatus, EngineState, HeldBy, PendingDependency, Queue, Settled, WaitReason};

/// The slots, locks and engines that a plan has given away so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// Slots left.
    pub(crate) free: u32,
    locks: BTreeMap<LockIx, JobIx>,
    repositories: BTreeMap<LockIx, JobIx>,
    engines: BTreeMap<EngineIx, u32>,
}

impl Ledger {
    pub(crate) fn new(free: u32) -> Self {
        let (locks, repositories) = (BTreeMap::new(), BTreeMap::new());
        Self { free, locks, repositories, engines: BTreeMap::new() }
    }

    pub(crate) fn start(&mut self, job: JobIx, entry: &Entry, engine: EngineIx) {
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
pub(crate) enum Refusal {
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

impl Queue {
    /// Decides whether a waiting job may start on `host` after the entries of `ledger`, and with
    /// which engine. The order of the checks is the order of [`WaitReason`].
    pub(crate) fn admit(
        &self,
        ix: JobIx,
        host: &HostEntry,
        ledger: &Ledger,
        now: Timestamp,
    ) -> Result<EngineIx, Refusal> {
        let entry = &self.jobs[ix];
        if entry.held {
            return Err(Refusal::Held);
        }
        if !host.meets(entry.class, self.classes.get(entry.class)) {
            return Err(Refusal::Needs);
        }
        let engine = self.choose(entry.class, host, ledger, now);
        if engine == Err(Refusal::NoEngine) {
            return engine;
        }
        if self.graph.unmet(ix) > 0 {
            return Err(Refusal::WaitingOn);
        }
        if let At::Waiting(Some(until)) = entry.at
            && until > now
        {
            return Err(Refusal::Backoff(until));
        }
        if entry.at == At::Waiting(None) && entry.obstacle.is_some() {
            return Err(Refusal::Obstacle);
        }
        if let Some(repository) = entry.repository {
            let planned = ledger.repositories.get(&repository).copied();
            if let Some(holder) = self.repositories.holder(repository).or(planned) {
                return Err(Refusal::RepositoryInUse(holder));
            }
        }
        if let Some(lock) = entry.lock {
            if let Some(holder) = self.locks.holder(lock) {
                return Err(Refusal::LockHeld(holder));
            }
            if let Some(&before) = ledger.locks.get(&lock) {
                return Err(Refusal::Behind(before));
            }
        }
        let engine = engine?;
        if host.lack.is_some() {
            return Err(Refusal::HostLacks);
        }
        if self.review_full(host) {
            return Err(Refusal::ReviewFull);
        }
        if ledger.free == 0 { Err(Refusal::NoSlot) } else { Ok(engine) }
    }

    /// The first engine of a class that can be used. When none can, the one that time mends
    /// soonest says why.
    pub(crate) fn choose(
        &self,
        class: ClassIx,
        host: &HostEntry,
        ledger: &Ledger,
        now: Timestamp,
    ) -> Result<EngineIx, Refusal> {
        let (mut cooling, mut limited, mut out, mut absent) = (None, None, None, None);
        for &engine in &self.classes.get(class).placement.engines {
            let limit = match *host.engine_state(engine) {
                EngineState::Missing => continue,
                EngineState::Absent { .. } => {
                    absent.get_or_insert(Refusal::Absent(engine));
                    continue;
                }
                EngineState::OutOfUse { .. } => {
                    out.get_or_insert(Refusal::OutOfUse(engine));
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
            limited.get_or_insert(Refusal::Limited(engine));
        }
        let cooling = cooling.map(|(engine, until)| Refusal::CoolingDown(engine, until));
        Err(cooling.or(limited).or(out).or(absent).unwrap_or(Refusal::NoEngine))
    }

    pub(crate) fn review_full(&self, host: &HostEntry) -> bool {
        host.limits.max_review.is_some_and(|max| self.counts().review >= max)
    }

    /// A refusal with names.
    pub(crate) fn describe(&self, ix: JobIx, host: &HostEntry, refusal: Refusal) -> WaitReason {
        let no_slot = || WaitReason::NoSlot { n: host.limits.max };
        let id = |job: JobIx| self.jobs[job].id.clone();
        let engine = |engine| self.classes.engine_name(engine).to_owned();
        let placement = &self.classes.get(self.jobs[ix].class).placement;
        match refusal {
            Refusal::Held => WaitReason::Held { by: HeldBy::Person },
            Refusal::Needs => {
                let missing = host.capabilities.missing(&placement.requirements);
                WaitReason::Needs { requirements: missing.into_iter().cloned().collect() }
            }
            Refusal::NoEngine => WaitReason::NoEngine {
                engines: placement.engines.iter().map(|&e| engine(e)).collect(),
            },
            Refusal::WaitingOn => WaitReason::WaitingOn { keys: self.awaited(ix) },
            Refusal::Backoff(until) => match &self.jobs[ix].obstacle {
                Some(obstacle) => WaitReason::clone(obstacle),
                None => WaitReason::Backoff { until },
            },
            Refusal::LockHeld(job) => WaitReason::LockHeld { job: id(job) },
            Refusal::Behind(job) => WaitReason::Behind { job: id(job) },
            Refusal::RepositoryInUse(job) => WaitReason::RepositoryInUse { job: id(job) },
            Refusal::CoolingDown(ix, until) => {
                WaitReason::EngineCooling { engine: engine(ix), until }
            }
            Refusal::Limited(ix) => WaitReason::EngineLimited { engine: engine(ix) },
            Refusal::OutOfUse(ix) => {
                let why = match host.engine_state(ix) {
                    EngineState::OutOfUse { reason } => reason.clone(),
                    _ => String::new(),
                };
                WaitReason::EngineOut { engine: engine(ix), why }
            }
            Refusal::Absent(engine) => match host.engine_state(engine) {
                EngineState::Absent { lack } => WaitReason::HostLacks(lack.clone()),
                _ => WaitReason::NoEngine { engines: Vec::new() },
            },
            Refusal::Obstacle => {
                self.jobs[ix].obstacle.as_deref().map_or_else(no_slot, WaitReason::clone)
            }
            Refusal::HostLacks => {
                let lack = host.lack.as_ref();
                lack.map_or_else(no_slot, |lack| WaitReason::HostLacks(lack.clone()))
            }
            Refusal::ReviewFull => WaitReason::ReviewFull {
                n: self.counts().review,
                max: host.limits.max_review.unwrap_or_default(),
            },
            Refusal::NoSlot => no_slot(),
        }
    }

    fn awaited(&self, ix: JobIx) -> Vec<PendingDependency> {
        let state = |key| match self.graph.settled(key) {
            _ if self.graph.holders(key).next().is_some() => DependencyStatus::Pending,
            Some(Settled::Failed) => DependencyStatus::Failed,
            Some(Settled::Quarantined) => DependencyStatus::Quarantined,
            Some(Settled::Shipped) | None => DependencyStatus::Missing,
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
