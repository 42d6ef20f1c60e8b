//! The queue in memory with this host in it: jobs as `queue_reading` reads them, in the scheduler's
//! queue. The run loop decides with it, and `status` explains with the same one.

use aq_manifest::JobId;
use aq_scheduler::{
    EngineState, HostId, HostLack, HostPlan, JobQueue, JobState, QueueCounts, QueueError,
    ScheduledJob, SchedulerHost, WaitReason,
};
use jiff::Timestamp;

use crate::run::queue::change::{DependencyEnd, EndedJob, QueueChange, QueuedJob, ReadJob};

/// The scheduler's queue with this host in it.
#[derive(Debug)]
pub(crate) struct QueueModel {
    queue: JobQueue,
    host: HostId,
    /// What happened since it was asked for, when somebody follows.
    changes: Option<Vec<QueueChange>>,
}

impl QueueModel {
    pub(crate) fn new(host: SchedulerHost) -> Self {
        let mut queue = JobQueue::new();
        let host = queue.add_host(host);
        Self { queue, host, changes: None }
    }

    /// A second queue like this one, for somebody who follows: from now on the changes are noted.
    pub(crate) fn follow(&mut self) -> (JobQueue, HostId) {
        self.changes = Some(Vec::new());
        (self.queue.clone(), self.host)
    }

    /// The changes that were not taken yet; `None` when nobody follows.
    pub(crate) fn changes(&mut self) -> Option<&mut Vec<QueueChange>> {
        self.changes.as_mut()
    }

    fn note(&mut self, change: impl FnOnce() -> QueueChange) {
        if let Some(changes) = &mut self.changes {
            changes.push(change());
        }
    }

    /// Takes in how the engines may be used now.
    pub(crate) fn set_engines(&mut self, engines: Vec<(String, EngineState)>) {
        for (name, state) in &engines {
            self.set_engine(name, state.clone());
        }
        self.note(|| QueueChange::Engines(engines));
    }

    /// Takes in how one engine may be used, as only somebody who looks from outside sees it.
    pub(crate) fn set_engine(&mut self, name: &str, state: EngineState) {
        // The host was added by `new` and is never removed.
        let _ = self.queue.set_engine(self.host, name, state);
    }

    /// Says what keeps this host from starting anything.
    pub(crate) fn set_lack(&mut self, lack: Option<HostLack>) {
        // The host was added by `new` and is never removed.
        let _ = self.queue.set_lack(self.host, lack);
    }

    /// Puts a job in as its record says, in place of what was known of it. Its own `obstacle` is
    /// what was in its way when it was last tried.
    ///
    /// # Errors
    /// Its dependencies go round in a circle; it is not in then.
    pub(crate) fn put(&mut self, read: ReadJob, state: JobState) -> Result<(), QueueError> {
        let ReadJob { job, origin, ends } = read;
        self.note(|| {
            let (job, state) = (job.clone(), state.clone());
            QueueChange::Put(Box::new(QueuedJob { job, state, origin }))
        });
        self.insert(job, state, ends)
    }

    /// As [`Self::put`], where nobody follows.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub(crate) fn insert(
        &mut self,
        job: ScheduledJob,
        state: JobState,
        ends: Vec<DependencyEnd>,
    ) -> Result<(), QueueError> {
        // Not being there is what is wanted.
        let _ = self.queue.remove(&job.id);
        self.queue.insert(job, state)?;
        for DependencyEnd { key, by, settled } in ends {
            self.queue.settle(&key, settled);
            self.note(|| QueueChange::Settled { key, by, settled });
        }
        Ok(())
    }

    /// The clock was set back to `now`: what is to come is reckoned from there.
    pub(crate) fn clock_set_back(&mut self, now: Timestamp) {
        self.queue.set_back(now);
        self.note(|| QueueChange::SetBack(now));
    }

    /// Notes what became of a job that is in the model or ended. How jobs ended for whose key
    /// nobody waits is not kept: it is read for the job that comes to wait for it.
    pub(crate) fn end(&mut self, ended: EndedJob) {
        let EndedJob { id, key, deps, settled } = ended;
        if self.queue.set_state(&id, JobState::Settled(settled)).is_err()
            && let Some(key) = &key
        {
            self.queue.settle(key, settled);
        }
        for key in key.iter().chain(&deps) {
            self.queue.forget(key);
        }
        self.note(|| QueueChange::Ended { id, key, settled });
    }

    /// Takes a job out as if it had never been there.
    pub(crate) fn forget(&mut self, id: &JobId) {
        // Not being there is what is wanted.
        let _ = self.queue.remove(id);
        self.note(|| QueueChange::Forgotten(id.clone()));
    }

    pub(crate) fn started(&mut self, id: &JobId, engine: &str) {
        let state = self.running(engine);
        self.note(|| QueueChange::Started { id: id.clone(), state: state.clone() });
        let _ = self.queue.set_state(id, state);
    }

    pub(crate) fn running(&self, engine: &str) -> JobState {
        JobState::Running { host: self.host, engine: engine.to_owned() }
    }

    /// State of a job; `None` for one that is not in the queue.
    pub(crate) fn state(&self, id: &JobId) -> Option<JobState> {
        self.queue.state(id)
    }

    pub(crate) fn plan(&mut self, now: Timestamp) -> HostPlan {
        self.queue.plan(self.host, now).expect("the host was added by `new` and is never removed")
    }

    pub(crate) fn explain(&self, plan: &HostPlan, id: &JobId) -> Option<WaitReason> {
        self.queue.explain(plan, id)
    }

    /// The waiting jobs in the order in which they will run.
    pub(crate) fn order(&self) -> Vec<&JobId> {
        self.queue.order()
    }

    pub(crate) fn counts(&self) -> QueueCounts {
        self.queue.counts()
    }

    /// Whether anything will still happen without a person.
    pub(crate) fn will_progress(&self) -> bool {
        self.queue.will_progress(self.host)
    }
}
