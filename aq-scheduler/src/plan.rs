//! The decision: jobs to start now, and the time of the next look.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, btree_set};

use aq_caps::HostRequirement;
use aq_manifest::{JobId, Outcome};
use jiff::Timestamp;

use crate::admit::{PlanLedger, SlotRefusal};
use crate::arena::{ClassIx, EngineIx, JobIx};
use crate::host::HostEntry;
use crate::queue::SlotState;
use crate::rank::JobRank;
use crate::{EngineState, HostId, HostLack, JobQueue, QueueError, UnschedulablePolicy, WaitReason};

/// The decision for one host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostPlan {
    /// Jobs to start, in this order.
    pub start: Vec<PlannedStart>,
    /// Jobs that this host can never run, under [`UnschedulablePolicy::Reject`]. Waiting mends
    /// nothing, so they are here at once, whatever else they wait for.
    pub reject: Vec<(JobId, HostRejection)>,
    /// Engines that were there before, and whose absence keeps jobs waiting.
    pub absent: Vec<HostLack>,
    /// The earliest instant at which time alone may change the plan, `start` taken as done. It
    /// may be earlier than needed, never later. `None`: only an event can.
    pub wake_at: Option<Timestamp>,
    host: HostId,
    now: Timestamp,
    ledger: PlanLedger,
}

/// A job to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStart {
    /// The job.
    pub job: JobId,
    /// The engine to run it with.
    pub engine: String,
}

/// Reason why a host can never run a job.
#[derive(Clone, Debug, PartialEq)]
pub enum HostRejection {
    /// The host lacks these.
    MissingCapabilities(Vec<HostRequirement>),
    /// None of the job's engines is installed.
    NoEngine {
        /// The job's engines.
        engines: Vec<String>,
    },
}

impl HostRejection {
    /// The result that such a job ends with.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::MissingCapabilities(_) => Outcome::CapabilityMismatch,
            Self::NoEngine { .. } => Outcome::NoEngine,
        }
    }
}

/// Ready jobs of one class, in order.
struct ClassQueue<'a> {
    head: &'a JobRank,
    rest: btree_set::Iter<'a, JobRank>,
}

impl JobQueue {
    /// Decides what `host` does at `now`. The queue takes note of the time, and of nothing else:
    /// report with [`JobQueue::set_state`] what was really started.
    ///
    /// # Errors
    /// [`QueueError::UnknownHost`].
    pub fn plan(&mut self, host: HostId, now: Timestamp) -> Result<HostPlan, QueueError> {
        let now = self.advance(now);
        let id = host;
        let Some(host) = self.hosts.get_mut(&id) else {
            return Err(QueueError::UnknownHost(id));
        };
        for (ix, class) in self.classes.iter() {
            host.remember(ix, class);
        }
        let host = &self.hosts[&id];
        let free = host.limits.max.saturating_sub(host.running);
        let starts_nothing = self.review_full(host) || host.lack.is_some();
        let mut ledger = PlanLedger::new(if starts_nothing { 0 } else { free });
        let (mut reject, mut absent) = (Vec::new(), Vec::new());
        let mut lanes = BinaryHeap::new();
        for (ix, class) in self.classes.iter() {
            if class.waiting.is_none() {
                continue;
            }
            match self.misfit(ix, host, &ledger, now) {
                None => {}
                Some(SlotRefusal::Absent(engine)) => {
                    note_absent(host, engine, &mut absent);
                    continue;
                }
                Some(refusal) => {
                    if host.misfits == UnschedulablePolicy::Reject {
                        self.reject_class(ix, host, refusal, &mut reject);
                    }
                    continue;
                }
            }
            let ready = [class.unlocked.iter(), class.heads.iter()];
            lanes.extend(ready.into_iter().filter_map(ClassQueue::of));
        }
        reject.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut start = Vec::new();
        let mut wake_at = None;
        while ledger.free > 0
            && let Some(lane) = lanes.pop()
        {
            let ix = lane.head.job;
            match self.admit(ix, host, &ledger, now) {
                Ok(engine) => {
                    ledger.start(ix, &self.jobs[ix], engine);
                    start.push(self.start(ix, engine));
                }
                Err(SlotRefusal::CoolingDown(_, until)) => {
                    wake_at = sooner(wake_at, Some(until));
                    continue;
                }
                // The engine is the class's, so the rest of the lane fares no better.
                Err(
                    SlotRefusal::Limited(_) | SlotRefusal::OutOfUse(_) | SlotRefusal::Absent(_),
                ) => continue,
                // Its lock or repository went to another job.
                Err(_) => {}
            }
            lanes.extend(ClassQueue::of(lane.rest));
        }
        if ledger.free == 0 {
            wake_at = None;
        } else {
            wake_at = sooner(wake_at, self.delayed.first().map(|&(until, _)| until));
        }
        Ok(HostPlan { start, reject, absent, wake_at, host: id, now, ledger })
    }

    /// Returns the reason why a waiting job is not in the plan's `start`. `None` when it is, when
    /// it is not waiting, or when it is not in the queue.
    ///
    /// The plan must be the latest one, with no change of the queue since.
    pub fn explain(&self, plan: &HostPlan, job: &JobId) -> Option<WaitReason> {
        let ix = *self.by_id.get(job)?;
        if !matches!(self.jobs[ix].at, SlotState::Waiting(_)) {
            return None;
        }
        if plan.start.iter().any(|start| start.job == *job) {
            return None;
        }
        let host = self.hosts.get(&plan.host)?;
        let refusal = self.admit(ix, host, &plan.ledger, plan.now).err()?;
        Some(self.describe(ix, host, refusal))
    }

    /// Tests for a queue in which anything will still happen without a person: a job runs, or one
    /// can come to run on `host` once its pause or a cool-down is over.
    ///
    /// When nothing runs, a job whose deps are not met waits for another one that waits too, or
    /// for a person; so it is enough to look at jobs whose deps are met.
    pub fn will_progress(&self, host: HostId) -> bool {
        if self.counts().running > 0 {
            return true;
        }
        let Some(host) = self.hosts.get(&host) else { return false };
        if host.limits.max == 0 || self.review_full(host) || host.lack.is_some() {
            return false;
        }
        // At the end of time no engine cools down any more.
        let ledger = PlanLedger::new(1);
        let can_run = |class| {
            self.misfit(class, host, &ledger, Timestamp::MAX).is_none()
                && self.choose(class, host, &ledger, Timestamp::MAX).is_ok()
        };
        let mut classes = self.classes.iter();
        classes.any(|(ix, class)| {
            !(class.unlocked.is_empty() && class.heads.is_empty()) && can_run(ix)
        }) || self.delayed.iter().any(|&(_, job)| can_run(self.jobs[job].class))
    }

    /// The reason for which no job of a class can run on `host` as it is, whatever time passes.
    /// `ledger` is one in which nothing was started.
    fn misfit(
        &self,
        ix: ClassIx,
        host: &HostEntry,
        ledger: &PlanLedger,
        now: Timestamp,
    ) -> Option<SlotRefusal> {
        if !host.meets(ix, self.classes.get(ix)) {
            return Some(SlotRefusal::Needs);
        }
        let refusal = self.choose(ix, host, ledger, now).err()?;
        matches!(refusal, SlotRefusal::NoEngine | SlotRefusal::Absent(_)).then_some(refusal)
    }

    fn reject_class(
        &self,
        ix: ClassIx,
        host: &HostEntry,
        refusal: SlotRefusal,
        reject: &mut Vec<(JobId, HostRejection)>,
    ) {
        let mut next = self.classes.get(ix).waiting;
        while let Some(job) = next {
            let rejection = match self.describe(job, host, refusal) {
                WaitReason::Needs { requirements: missing } => {
                    HostRejection::MissingCapabilities(missing)
                }
                WaitReason::NoEngine { engines } => HostRejection::NoEngine { engines },
                _ => return,
            };
            let entry = &self.jobs[job];
            if !entry.held {
                reject.push((entry.id.clone(), rejection));
            }
            next = entry.next_of_class();
        }
    }

    fn start(&self, ix: JobIx, engine: EngineIx) -> PlannedStart {
        PlannedStart {
            job: self.jobs[ix].id.clone(),
            engine: self.classes.engine_name(engine).to_owned(),
        }
    }
}

fn note_absent(host: &HostEntry, engine: EngineIx, absent: &mut Vec<HostLack>) {
    if let EngineState::Absent { lack } = host.engine_state(engine)
        && !absent.contains(lack)
    {
        absent.push(lack.clone());
    }
}

fn sooner(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

impl<'a> ClassQueue<'a> {
    fn of(mut rest: btree_set::Iter<'a, JobRank>) -> Option<Self> {
        Some(Self { head: rest.next()?, rest })
    }
}

/// The lane whose head goes first is the greatest, as [`BinaryHeap`] wants it.
impl Ord for ClassQueue<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.head.cmp(self.head)
    }
}

impl PartialOrd for ClassQueue<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ClassQueue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head
    }
}

impl Eq for ClassQueue<'_> {}
