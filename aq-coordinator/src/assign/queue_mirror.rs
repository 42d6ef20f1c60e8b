//! The jobs of one world in memory, for the scheduler to decide over: the real ones, or those
//! that mirror one host's own in shadow. It follows the store, which has the last word.

use std::collections::HashMap;

use aq_caps::{Capabilities, CapabilityToken};
use aq_fleet::protocol::FleetJobId;
use aq_manifest::{JobId, Stage};
use aq_scheduler::{
    DependencyCycle, EngineState, HostId, HostLimits, JobQueue, JobState, QueueError, ScheduledJob,
    SchedulerHost, SettledAs, UnschedulablePolicy, WaitReason,
};
use jiff::Timestamp;

use super::needs::{ANY_ENGINE, job};
use crate::ledger::{BodyHash, FleetJob as Row};

/// Number of different sets of capabilities that are remembered between claims.
const MAX_HOSTS: usize = 1024;

/// Nothing here waits for a time, so that the plan needs none.
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// The state of a job, as far as planning goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schedulability {
    /// It can be granted.
    Waiting,
    /// Somebody has it, and with it its lock.
    Held,
    /// It has come as far as soft deps want, and needs its lock no more.
    Testing,
    /// It is over.
    Over(SettledAs),
}

impl Schedulability {
    pub(super) fn of(row: &Row) -> Self {
        match row.stage {
            Stage::Shipped => Self::Over(SettledAs::Shipped),
            Stage::Failed => Self::Over(SettledAs::Failed),
            Stage::Quarantine => Self::Over(SettledAs::Quarantined),
            _ if row.is_waiting() => Self::Waiting,
            Stage::Testing => Self::Testing,
            Stage::Inbox | Stage::Building | Stage::Review => Self::Held,
        }
    }
}

/// A host that asks: what it has and what its own jobs keep busy.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostOffer<'a> {
    /// Sorted, each once.
    pub(super) capabilities: &'a [CapabilityToken],
    pub(super) held_locks: &'a [String],
}

#[derive(Debug)]
pub(super) struct QueueMirror {
    queue: JobQueue,
    /// Runs whatever runs: which host has a job is of no matter for the others.
    elsewhere: HostId,
    /// One for each set of capabilities that asked lately.
    hosts: HashMap<Vec<CapabilityToken>, HostId>,
    known: HashMap<FleetJobId, MirroredJob>,
}

#[derive(Debug)]
struct MirroredJob {
    id: JobId,
    version: u64,
    body: BodyHash,
    /// The reason why it is not in the queue although it should be. No store takes such a job, but
    /// two that were restored from different backups could.
    circle: Option<DependencyCycle>,
}

impl QueueMirror {
    pub(super) fn new() -> Self {
        let mut queue = JobQueue::new();
        let elsewhere = queue.add_host(host(Capabilities::default()));
        Self { queue, elsewhere, hosts: HashMap::new(), known: HashMap::new() }
    }

    /// Follows the store: rows that have changed, in any order. One that is known already, and one
    /// that is older than what is known, changes nothing. `true`: some of them were news.
    pub(super) fn follow(&mut self, rows: &[Row]) -> bool {
        let news: Vec<&Row> = rows.iter().filter(|row| self.is_news(row)).collect();
        // What changes its deps leaves first, so that no circle shows that is not there in the end.
        for row in &news {
            if let Some(known) = self.known.get(&row.id)
                && known.body != row.terms.body
            {
                self.forget(row.id);
            }
        }
        for row in &news {
            self.follow_one(row);
        }
        !news.is_empty()
    }

    /// The version of a job that was seen last.
    pub(super) fn version(&self, id: FleetJobId) -> Option<u64> {
        self.known.get(&id).map(|known| known.version)
    }

    fn is_news(&self, row: &Row) -> bool {
        self.known.get(&row.id).is_none_or(|known| known.version < row.version)
    }

    fn follow_one(&mut self, row: &Row) {
        let standing = Schedulability::of(row);
        if let Schedulability::Over(settled) = standing {
            self.forget(row.id);
            self.queue.settle(&row.key, settled);
            return;
        }
        let state = self.state(standing);
        if let Some(known) = self.known.get_mut(&row.id) {
            known.version = row.version;
            let _ = self.queue.set_state(&known.id, state);
            return;
        }
        let Some(job) = job(row) else { return };
        let id = job.id.clone();
        let circle = match self.queue.insert(job, state) {
            Err(QueueError::Cycle(cycle)) => Some(cycle),
            _ => None,
        };
        let (version, body) = (row.version, row.terms.body);
        self.known.insert(row.id, MirroredJob { id, version, body, circle });
    }

    fn forget(&mut self, id: FleetJobId) {
        if let Some(known) = self.known.remove(&id) {
            // Not being in the queue is what is wanted.
            let _ = self.queue.remove(&known.id);
        }
    }

    /// Notes what became of a job before the store's row is seen.
    pub(super) fn note(&mut self, id: FleetJobId, standing: Schedulability) {
        let state = self.state(standing);
        if let Some(known) = self.known.get(&id) {
            let _ = self.queue.set_state(&known.id, state);
        }
    }

    /// Plans the jobs for a host, the best first, at most `max`. They are not noted as given.
    pub(super) fn plan(&mut self, offer: HostOffer<'_>, max: u32) -> Vec<FleetJobId> {
        let host = self.host(offer.capabilities);
        let pretended = self.pretend(offer.held_locks);
        let limits = HostLimits { max, max_review: None };
        let plan = self.queue.set_limits(host, limits).and_then(|()| self.queue.plan(host, NOW));
        for id in pretended {
            let _ = self.queue.remove(&id);
        }
        let start = plan.map(|plan| plan.start).unwrap_or_default();
        start.iter().filter_map(|start| start.job.as_str().parse().ok()).collect()
    }

    /// The circle that a new job would close.
    pub(super) fn cycle(&self, key: Option<&str>, deps: &[String]) -> Option<DependencyCycle> {
        self.queue.cycle(key, deps)
    }

    /// The reason why a job waits, for the host that comes nearest to taking it.
    pub(super) fn why(&mut self, id: FleetJobId) -> Option<WaitReason> {
        let known = self.known.get(&id)?;
        if let Some(cycle) = &known.circle {
            return Some(WaitReason::DepsCycle { keys: cycle.0.clone() });
        }
        let name = known.id.clone();
        if !matches!(self.queue.state(&name), Some(JobState::Waiting { .. })) {
            return None;
        }
        let mut hosts: Vec<HostId> = self.hosts.values().copied().collect();
        if hosts.is_empty() {
            // Nobody has asked yet: one that has nothing speaks for all.
            hosts.push(self.host(&[]));
        }
        let mut nearest: Option<WaitReason> = None;
        for host in hosts {
            let limits = HostLimits { max: 1, max_review: None };
            let plan =
                self.queue.set_limits(host, limits).and_then(|()| self.queue.plan(host, NOW));
            let Ok(plan) = plan else { continue };
            let Some(reason) = self.queue.explain(&plan, &name) else {
                return Some(WaitReason::NoHost);
            };
            if nearest.as_ref().is_none_or(|nearest| distance(&reason) < distance(nearest)) {
                nearest = Some(reason);
            }
        }
        Some(match nearest? {
            WaitReason::NoSlot { .. } => WaitReason::NoFreeHost,
            reason => reason,
        })
    }

    fn state(&self, standing: Schedulability) -> JobState {
        match standing {
            Schedulability::Waiting => JobState::WAITING,
            Schedulability::Held => {
                JobState::Running { host: self.elsewhere, engine: ANY_ENGINE.to_owned() }
            }
            Schedulability::Testing => JobState::Testing,
            Schedulability::Over(settled) => JobState::Settled(settled),
        }
    }

    fn host(&mut self, capabilities: &[CapabilityToken]) -> HostId {
        if let Some(&host) = self.hosts.get(capabilities) {
            return host;
        }
        if self.hosts.len() >= MAX_HOSTS {
            for (_, host) in self.hosts.drain() {
                let _ = self.queue.remove_host(host);
            }
        }
        let added = self.queue.add_host(host(capabilities.iter().cloned().collect()));
        self.hosts.insert(capabilities.to_vec(), added);
        added
    }

    /// Jobs that hold the locks which the asking host says are taken there.
    fn pretend(&mut self, locks: &[String]) -> Vec<JobId> {
        let mut ids = Vec::with_capacity(locks.len());
        for (n, lock) in locks.iter().enumerate() {
            // No id of a fleet job, which is a UUID, looks like this.
            let Ok(id) = JobId::new(&format!("held.{n}")) else { continue };
            let job =
                ScheduledJob { lock: Some(lock.clone()), ..ScheduledJob::new(id.clone(), NOW) };
            if self.queue.insert(job, self.state(Schedulability::Held)).is_ok() {
                ids.push(id);
            }
        }
        ids
    }
}

fn host(capabilities: Capabilities) -> SchedulerHost {
    SchedulerHost {
        capabilities,
        engines: [(ANY_ENGINE.to_owned(), EngineState::READY)].into(),
        limits: HostLimits::default(),
        misfits: UnschedulablePolicy::Keep,
    }
}

/// Distance of a reason from starting the job: the nearest host has the smallest.
fn distance(reason: &WaitReason) -> u8 {
    match reason {
        WaitReason::NoSlot { .. } => 0,
        WaitReason::Behind { .. } => 1,
        WaitReason::LockHeld { .. } | WaitReason::RepositoryInUse { .. } => 2,
        WaitReason::WaitingOn { .. } => 3,
        WaitReason::Needs { .. } => 4,
        _ => 5,
    }
}
