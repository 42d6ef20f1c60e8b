//! The queue: live jobs, where each of them is, and what follows for the others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use aq_manifest::{JobId, Priority};
use jiff::Timestamp;

use crate::arena::{Arena, ClassIx, EngineIx, JobIx, LockIx};
use crate::class::JobClasses;
use crate::graph::{DependencyCycle, DependencyGraph, LabelShift};
use crate::host::HostEntry;
use crate::rank::{JobRank, urgency_and_age};
use crate::ready::LockTable;
use crate::{HostId, JobState, QueueError, ScheduledJob, SettledAs, WaitReason};

/// A [`JobState`] in slots. No entry is ever settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// With the end of a pause. Only the time matters, so one that is over stays here.
    Waiting(Option<Timestamp>),
    Running(HostId, EngineIx),
    Review,
    Testing,
    Settled(SettledAs),
}

/// Which set a waiting job is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitingSet {
    /// None: it is not waiting, is held, or its deps are not met.
    Nowhere,
    Delayed,
    Ready,
}

#[derive(Clone, Debug)]
pub(crate) struct QueueEntry {
    pub(crate) id: JobId,
    priority: Priority,
    added_at: Timestamp,
    pub(crate) class: ClassIx,
    pub(crate) lock: Option<LockIx>,
    pub(crate) repository: Option<LockIx>,
    pub(crate) at: SlotState,
    pub(crate) held: bool,
    place: WaitingSet,
    pub(crate) obstacle: Option<Box<WaitReason>>,
    /// The neighbours among the waiting jobs of its class.
    class_links: [Option<JobIx>; 2],
}

impl QueueEntry {
    /// The waiting job of the same class that comes after it in their list.
    pub(crate) fn next_of_class(&self) -> Option<JobIx> {
        self.class_links[1]
    }

    pub(crate) fn rank(&self, ix: JobIx) -> JobRank {
        JobRank::new(self.priority, self.added_at, self.id.clone(), ix)
    }

    /// Its rank as far as it needs no id.
    pub(crate) fn urgency_and_age(&self) -> (Reverse<Priority>, i64) {
        urgency_and_age(self.priority, self.added_at)
    }
}

/// Live jobs, hosts, and what is known of finished jobs' keys.
///
/// Every verb says what *has happened*: the queue checks names, not wisdom, so a restart can repeat
/// it any state of the world. Each costs `O(log n)` and what it touches: the job's own deps, or
/// the jobs that wait for its key.
#[derive(Clone, Debug)]
pub struct JobQueue {
    pub(crate) jobs: Arena<JobIx, QueueEntry>,
    pub(crate) by_id: HashMap<JobId, JobIx>,
    pub(crate) graph: DependencyGraph,
    pub(crate) classes: JobClasses,
    pub(crate) locks: LockTable,
    /// Repositories that jobs have to themselves.
    pub(crate) repositories: LockTable,
    pub(crate) hosts: BTreeMap<HostId, HostEntry>,
    pub(crate) next_host: u32,
    /// Waiting jobs with their deps met whose pause is not over.
    pub(crate) delayed: BTreeSet<(Timestamp, JobIx)>,
    /// The latest instant that a plan was made for; time goes back only by [`JobQueue::set_back`].
    now: Timestamp,
    counts: QueueCounts,
    /// Jobs whose deps became met or unmet; empty between verbs.
    changed: Vec<JobIx>,
}

/// Number of live jobs by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueCounts {
    /// Not started, for whatever reason.
    pub waiting: u32,
    /// On all hosts.
    pub running: u32,
    /// Wait for a person.
    pub review: u32,
    /// Wait to be shipped.
    pub testing: u32,
}

impl Default for JobQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl JobQueue {
    /// An empty queue with no host.
    pub fn new() -> Self {
        Self {
            jobs: Arena::default(),
            by_id: HashMap::new(),
            graph: DependencyGraph::default(),
            classes: JobClasses::default(),
            locks: LockTable::default(),
            repositories: LockTable::default(),
            hosts: BTreeMap::new(),
            next_host: 0,
            delayed: BTreeSet::new(),
            now: Timestamp::MIN,
            counts: QueueCounts::default(),
            changed: Vec::new(),
        }
    }

    /// Adds a job in any state. A settled one leaves only its mark on its key.
    ///
    /// Only a waiting job is refused for a cycle. One that has started needs its deps no more, so
    /// where they would close a cycle they are dropped: a slot that is taken is never overlooked.
    ///
    /// # Errors
    /// [`QueueError::DuplicateJob`], [`QueueError::Cycle`], [`QueueError::UnknownHost`].
    pub fn insert(&mut self, job: ScheduledJob, state: JobState) -> Result<(), QueueError> {
        if self.by_id.contains_key(&job.id) {
            return Err(QueueError::DuplicateJob(job.id));
        }
        let at = self.at(state)?;
        if let SlotState::Settled(settled) = at {
            if let Some(key) = &job.key {
                self.settle(key, settled);
            }
            return Ok(());
        }
        let (deps, shift) = match self.graph.check(job.key.as_deref(), &job.deps) {
            Ok(shift) => (job.deps, shift),
            Err(cycle) if matches!(at, SlotState::Waiting(_)) => {
                return Err(QueueError::Cycle(cycle));
            }
            Err(_) => (Vec::new(), LabelShift::None),
        };
        let ix = self.jobs.insert(QueueEntry {
            id: job.id.clone(),
            priority: job.priority,
            added_at: job.added_at,
            class: self.classes.enter(job.requirements, &job.engines),
            lock: job.lock.map(|name| self.locks.enter(&name)),
            repository: job.repository.map(|name| self.repositories.enter(&name)),
            at,
            held: job.held,
            place: WaitingSet::Nowhere,
            obstacle: job.obstacle.map(Box::new),
            class_links: [None; 2],
        });
        self.by_id.insert(job.id, ix);
        self.graph.add(ix, job.key.as_deref(), &deps, job.deps_mode, shift);
        self.arrive(ix);
        self.settle_changes();
        Ok(())
    }

    /// The cycle that a job of this key with these deps would close.
    pub fn cycle(&self, key: Option<&str>, deps: &[String]) -> Option<DependencyCycle> {
        self.graph.check(key, deps).err()
    }

    /// Says where a job is now. A settled job is forgotten, but for its key; to run it again,
    /// insert it again.
    ///
    /// # Errors
    /// [`QueueError::UnknownJob`], [`QueueError::UnknownHost`].
    pub fn set_state(&mut self, id: &JobId, state: JobState) -> Result<(), QueueError> {
        let ix = self.ix(id)?;
        let at = self.at(state)?;
        if let SlotState::Settled(settled) = at {
            // Before the job leaves testing, so that soft deps stay met all the while.
            if let Some(key) = self.graph.key_of(ix) {
                self.graph.settle(key, settled, &mut self.changed);
            }
            self.drop_job(ix);
        } else {
            self.depart(ix);
            let entry = &mut self.jobs[ix];
            entry.at = at;
            // It has come further than that.
            entry.obstacle = None;
            self.arrive(ix);
        }
        self.settle_changes();
        Ok(())
    }

    /// Takes a job out as if it had never been there.
    ///
    /// # Errors
    /// [`QueueError::UnknownJob`].
    pub fn remove(&mut self, id: &JobId) -> Result<(), QueueError> {
        let ix = self.ix(id)?;
        self.drop_job(ix);
        self.settle_changes();
        Ok(())
    }

    /// Says how a job of this key ended that is not in the queue. `Shipped` stays whatever else
    /// ends.
    pub fn settle(&mut self, key: &str, settled: SettledAs) {
        let key = self.graph.intern(key);
        self.graph.settle(key, settled, &mut self.changed);
        self.settle_changes();
    }

    /// Forgets how earlier jobs of this key ended.
    pub fn unsettle(&mut self, key: &str) {
        self.graph.unsettle(key, &mut self.changed);
        self.settle_changes();
    }

    /// Forgets how earlier jobs of this key ended, when no live job waits for it. Who keeps that
    /// elsewhere, and reports it with [`JobQueue::settle`] when a job that waits for the key is
    /// inserted, has a queue that does not grow with what has ended.
    pub fn forget(&mut self, key: &str) {
        if !self.graph.is_awaited(key) {
            self.unsettle(key);
        }
    }

    /// Says that the clock was set back. Without this, time does not go back in here: an earlier
    /// instant for a plan counts as the latest one.
    pub fn set_back(&mut self, now: Timestamp) {
        self.now = self.now.min(now);
        let waits = |at| matches!(at, SlotState::Waiting(Some(_)));
        let paused: Vec<JobIx> =
            self.jobs.iter().filter(|(_, job)| waits(job.at)).map(|(ix, _)| ix).collect();
        for ix in paused {
            self.replace(ix);
        }
    }

    /// Where a live job is. `None` for one that is not in the queue.
    pub fn state(&self, id: &JobId) -> Option<JobState> {
        let entry = &self.jobs[*self.by_id.get(id)?];
        Some(match entry.at {
            SlotState::Waiting(not_before) => JobState::Waiting { not_before },
            SlotState::Running(host, engine) => {
                JobState::Running { host, engine: self.classes.engine_name(engine).to_owned() }
            }
            SlotState::Review => JobState::Review,
            SlotState::Testing => JobState::Testing,
            SlotState::Settled(settled) => JobState::Settled(settled),
        })
    }

    /// Counts the live jobs by state.
    pub fn counts(&self) -> QueueCounts {
        self.counts
    }

    /// The latest instant that the queue knows of.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets time pass: jobs whose pause is over become ready.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        while let Some(&(until, ix)) = self.delayed.first()
            && until <= self.now
        {
            self.replace(ix);
        }
        self.now
    }

    fn ix(&self, id: &JobId) -> Result<JobIx, QueueError> {
        self.by_id.get(id).copied().ok_or_else(|| QueueError::UnknownJob(id.clone()))
    }

    fn at(&mut self, state: JobState) -> Result<SlotState, QueueError> {
        Ok(match state {
            JobState::Waiting { not_before } => SlotState::Waiting(not_before),
            JobState::Running { host, engine } => {
                self.host_mut(host)?;
                SlotState::Running(host, self.classes.engine(&engine))
            }
            JobState::Review => SlotState::Review,
            JobState::Testing => SlotState::Testing,
            JobState::Settled(settled) => SlotState::Settled(settled),
        })
    }

    fn drop_job(&mut self, ix: JobIx) {
        self.depart(ix);
        self.graph.remove(ix);
        let entry = &self.jobs[ix];
        self.classes.leave(entry.class);
        if let Some(lock) = entry.lock {
            self.locks.leave(lock);
        }
        if let Some(repository) = entry.repository {
            self.repositories.leave(repository);
        }
        self.by_id.remove(&entry.id);
        self.jobs.remove(ix);
    }

    /// The job comes to where its entry says.
    fn arrive(&mut self, ix: JobIx) {
        let entry = &self.jobs[ix];
        match entry.at {
            SlotState::Waiting(_) => {
                self.counts.waiting += 1;
                let first = self.classes.get_mut(entry.class).waiting.replace(ix);
                self.jobs[ix].class_links = [None, first];
                if let Some(first) = first {
                    self.jobs[first].class_links[0] = Some(ix);
                }
                self.replace(ix);
            }
            SlotState::Running(host, engine) => {
                self.counts.running += 1;
                if let Some(host) = self.hosts.get_mut(&host) {
                    host.started(engine);
                }
                if let Some(lock) = entry.lock {
                    self.locks.take(lock, ix, &mut self.classes);
                }
                if let Some(repository) = entry.repository {
                    self.repositories.take(repository, ix, &mut self.classes);
                }
            }
            SlotState::Settled(_) => {}
            SlotState::Review => self.counts.review += 1,
            SlotState::Testing => {
                self.counts.testing += 1;
                self.graph.set_testing(ix, true, &mut self.changed);
            }
        }
    }

    /// The job leaves where its entry says.
    fn depart(&mut self, ix: JobIx) {
        let entry = &self.jobs[ix];
        match entry.at {
            SlotState::Waiting(_) => {
                self.counts.waiting -= 1;
                let [before, after] = entry.class_links;
                match before {
                    Some(before) => self.jobs[before].class_links[1] = after,
                    None => self.classes.get_mut(entry.class).waiting = after,
                }
                if let Some(after) = after {
                    self.jobs[after].class_links[0] = before;
                }
                self.put(ix, WaitingSet::Nowhere);
            }
            SlotState::Running(host, engine) => {
                self.counts.running -= 1;
                if let Some(host) = self.hosts.get_mut(&host) {
                    host.ended(engine);
                }
                if let Some(lock) = entry.lock {
                    self.locks.give_back(lock, ix, &mut self.classes);
                }
                if let Some(repository) = entry.repository {
                    self.repositories.give_back(repository, ix, &mut self.classes);
                }
            }
            SlotState::Settled(_) => {}
            SlotState::Review => self.counts.review -= 1,
            SlotState::Testing => {
                self.counts.testing -= 1;
                self.graph.set_testing(ix, false, &mut self.changed);
            }
        }
    }

    /// Puts each job whose deps changed where it now belongs.
    fn settle_changes(&mut self) {
        let mut changed = std::mem::take(&mut self.changed);
        for ix in changed.drain(..) {
            self.replace(ix);
        }
        self.changed = changed;
    }

    /// Puts a job into the set that it belongs to now.
    fn replace(&mut self, ix: JobIx) {
        let entry = &self.jobs[ix];
        let place = match (entry.at, self.graph.unmet(ix)) {
            _ if entry.held => WaitingSet::Nowhere,
            (SlotState::Waiting(Some(until)), 0) if until > self.now => WaitingSet::Delayed,
            (SlotState::Waiting(None), 0) if entry.obstacle.is_some() => WaitingSet::Nowhere,
            (SlotState::Waiting(_), 0) => WaitingSet::Ready,
            _ => WaitingSet::Nowhere,
        };
        self.put(ix, place);
    }

    fn put(&mut self, ix: JobIx, place: WaitingSet) {
        let entry = &mut self.jobs[ix];
        let before = std::mem::replace(&mut entry.place, place);
        if before == place {
            return;
        }
        let entry = &self.jobs[ix];
        for (place, enter) in [(before, false), (place, true)] {
            match place {
                WaitingSet::Nowhere => {}
                WaitingSet::Delayed => {
                    let SlotState::Waiting(Some(until)) = entry.at else { continue };
                    if enter {
                        self.delayed.insert((until, ix));
                    } else {
                        self.delayed.remove(&(until, ix));
                    }
                }
                WaitingSet::Ready => {
                    let rank = entry.rank(ix);
                    match (entry.lock.filter(|_| entry.repository.is_none()), enter) {
                        (Some(lock), true) => {
                            self.locks.insert(lock, entry.class, rank, &mut self.classes);
                        }
                        (Some(lock), false) => {
                            self.locks.remove(lock, entry.class, &rank, &mut self.classes);
                        }
                        (None, true) => {
                            self.classes.get_mut(entry.class).unlocked.insert(rank);
                        }
                        (None, false) => {
                            self.classes.get_mut(entry.class).unlocked.remove(&rank);
                        }
                    }
                }
            }
        }
    }
}
