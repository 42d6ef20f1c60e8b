//! Jobs of the fleet that end here before they are done: lost to another host, stopped by a person, or
//! given back.

use std::io;

use aq_fleet::protocol::ReleaseOutcome;
use aq_ledger::RecordKey;
use aq_ledger::steps::{Fence, StopReason};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::super::super::actions::{reject, stop};
use super::super::super::recovery::{recover_job, worker};
use super::super::super::stop::StopRequest;
use super::super::super::wake::Wake;
use super::super::{Dispatcher, Progress};
use super::unwritable;
use crate::process::{ProcessId, Signal};
use crate::run::fleet::lease;
use crate::store::{HeldJob, StoreError, read_values, withdraw};

impl Dispatcher<'_> {
    /// The job has passed to another host: it ends here, now, and is never shipped.
    pub(super) fn fence(&mut self, id: &JobId) {
        if let Err(e) = self.try_fence(id) {
            (self.observer)(Progress::Trouble(&e.to_string()));
        }
        self.look_at(id);
        self.fleet_looked(id);
    }

    fn try_fence(&mut self, id: &JobId) -> Result<(), StoreError> {
        let request = StopRequest::of(self.queue, id);
        let make = || {
            request.make(StopReason::Fenced).map_err(|source| StoreError::Io {
                action: "write a stop request in",
                path: self.queue.state(),
                source,
            })
        };
        match HeldJob::take(self.queue, id) {
            Ok(job) if job.stage().is_final() => {}
            Ok(job) if job.stage() == Stage::Building => {
                drop(job);
                make()?;
                recover_job(self.queue, &self.settings.scratch, id, Timestamp::now())?;
            }
            Ok(mut job) => {
                job.step(&Fence, Timestamp::now())?;
                let what = format!("{id} is in quarantine/: {}", StopReason::Fenced.message());
                (self.observer)(Progress::Trouble(&what));
            }
            Err(StoreError::Busy(_)) => {
                // First the wish, then the signal: a worker that has not written its name down yet
                // looks for the wish when it has.
                make()?;
                let at_work = worker(&read_values(&self.queue.meta(id))?);
                if let Some(worker) = at_work.filter(ProcessId::is_alive) {
                    let path = self.queue.meta(id);
                    worker.signal(Signal::TERM).map_err(|source| StoreError::Io {
                        action: "signal the worker of",
                        path,
                        source,
                    })?;
                }
            }
            Err(StoreError::NoSuchJob(_)) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// A person wants a job to end, and said so at the coordinator.
    pub(super) fn cancel(&mut self, id: JobId) {
        if self.busy.contains(&id) {
            // It is being stopped, perhaps; if not, this is asked for again.
            return;
        }
        let (queue, job) = (self.queue.clone(), id.clone());
        let environment = self.settings.environment.clone();
        let wake = Wake::Free(id.clone());
        let stopping = self.wakes.after(wake, move || {
            // One that has ended by itself meanwhile needs no stop; anything else is asked for again
            // with the next heartbeat.
            let now = Timestamp::now();
            if let Err(StoreError::WrongStage { .. }) = stop(&queue, &environment, &job, now) {
                // Its work is done, and is not wanted.
                let _ = reject(&queue, &job, Some("cancelled in the fleet"), now);
            }
        });
        match stopping {
            Ok(()) => {
                self.busy.insert(id);
            }
            Err(e) => (self.observer)(Progress::Trouble(&format!("cannot stop a job: {e}"))),
        }
    }

    /// Jobs that have not started go back to the fleet.
    pub(super) fn give_waiting_back(&mut self) {
        for id in self.jobs_under(|_| true) {
            if !self.queue.has(Stage::Inbox, &id) {
                continue;
            }
            match self.try_give_back(&id) {
                Ok(()) | Err(StoreError::Busy(_) | StoreError::NoSuchJob(_)) => {}
                Err(e) => (self.observer)(Progress::Trouble(&e.to_string())),
            }
        }
    }

    fn try_give_back(&mut self, id: &JobId) -> Result<(), StoreError> {
        let job = HeldJob::take(self.queue, id)?;
        let started = job.meta().count(RecordKey::Attempt) > 0;
        let (Some(fleet), Some(lease)) = (&mut self.fleet, lease(job.meta())) else {
            return Ok(());
        };
        if job.stage() != Stage::Inbox || started {
            return Ok(());
        }
        let posted = fleet.holder.post_release(lease, ReleaseOutcome::Abandoned, None, None);
        posted.map_err(|e| unwritable(self.queue, io::Error::other(e)))?;
        withdraw(self.queue, &job, Timestamp::now())?;
        fleet.membership.hurry();
        fleet.forget(self.queue, id);
        self.model.forget(id);
        Ok(())
    }
}
