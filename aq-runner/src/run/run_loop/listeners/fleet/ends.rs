//! Jobs of the fleet that end here before they are done: lost to another host, stopped by a person,
//! or given back.

use std::io;

use aq_fleet::protocol::ReleaseOutcome;
use aq_ledger::RecordKey;
use aq_ledger::steps::{FenceJob, StopReason};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::{FleetMember, unwritable};
use crate::process::{ProcessId, Signal};
use crate::run::at_work::worker;
use crate::run::fleet::lease;
use crate::run::operator::actions::{reject, stop};
use crate::run::recovery::recover_job;
use crate::run::run_loop::context::{ListenerContext, LoopContext};
use crate::run::run_loop::event_source::WakeCause;
use crate::run::run_loop::loop_core::LoopEvent;
use crate::run::stop::StopRequest;
use crate::store::{HeldJob, StoreError, read_values, withdraw};

impl FleetMember {
    /// The job has passed to another host: it ends here, now, and is never shipped.
    pub(super) fn fence(&mut self, id: &JobId, at: &mut ListenerContext<'_, '_>) {
        if let Err(e) = try_fence(id, at.context) {
            at.report_trouble(&e.to_string());
        }
        self.looked(id, at);
        at.send(LoopEvent::JobTouched(id.clone()));
    }

    /// Jobs that have not started go back to the self.
    pub(super) fn give_waiting_back(&mut self, at: &mut ListenerContext<'_, '_>) {
        for id in self.jobs_under(|_| true) {
            if !at.queue().has(Stage::Inbox, &id) {
                continue;
            }
            match self.try_give_back(&id, at) {
                Ok(()) | Err(StoreError::Busy(_) | StoreError::NoSuchJob(_)) => {}
                Err(e) => at.report_trouble(&e.to_string()),
            }
        }
    }

    fn try_give_back(
        &mut self,
        id: &JobId,
        at: &mut ListenerContext<'_, '_>,
    ) -> Result<(), StoreError> {
        let job = HeldJob::lock(at.queue(), id)?;
        let started = job.meta().count(RecordKey::Attempt) > 0;
        let Some(lease) = lease(job.meta()) else { return Ok(()) };
        if job.stage() != Stage::Inbox || started {
            return Ok(());
        }
        let posted = self.holder.post_release(lease, ReleaseOutcome::Abandoned, None, None);
        posted.map_err(|e| unwritable(at.queue(), io::Error::other(e)))?;
        withdraw(at.queue(), &job, Timestamp::now())?;
        self.membership.hurry();
        self.forget(at.queue(), id);
        at.send(LoopEvent::JobWithdrawn(id.clone()));
        Ok(())
    }
}

fn try_fence(id: &JobId, context: &mut LoopContext<'_>) -> Result<(), StoreError> {
    let queue = context.queue;
    let request = StopRequest::of(queue, id);
    let make = || {
        request.make(StopReason::Fenced).map_err(|source| StoreError::Io {
            action: "write a stop request in",
            path: queue.state(),
            source,
        })
    };
    match HeldJob::lock(queue, id) {
        Ok(job) if job.stage().is_final() => {}
        // It may be in its target already: its next worker looks, and this is asked for again.
        Ok(job) if job.row().has_open_landing() => {}
        Ok(job) if job.stage() == Stage::Building => {
            drop(job);
            make()?;
            recover_job(queue, &context.settings.scratch, id, Timestamp::now())?;
        }
        Ok(mut job) => {
            job.step(&FenceJob, Timestamp::now())?;
            let what = format!("{id} is in quarantine/: {}", StopReason::Fenced.message());
            context.report_trouble(&what);
        }
        Err(StoreError::Busy(_)) => {
            // First the wish, then the signal: a worker that has not written its name down yet
            // looks for the wish when it has.
            make()?;
            let at_work = worker(&read_values(&queue.meta(id))?);
            if let Some(worker) = at_work.filter(ProcessId::is_alive) {
                let path = queue.meta(id);
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
pub(super) fn cancel(id: JobId, at: &mut ListenerContext<'_, '_>) {
    if at.core.is_busy(&id) {
        // It is being stopped, perhaps; if not, this is asked for again.
        return;
    }
    let (queue, job) = (at.queue().clone(), id.clone());
    let environment = at.context.settings.environment.clone();
    let wake = WakeCause::Free(id.clone());
    let stopping = at.context.source.after(wake, move || {
        // One that has ended by itself meanwhile needs no stop; anything else is asked for again
        // with the next heartbeat.
        let now = Timestamp::now();
        if let Err(StoreError::WrongStage { .. }) = stop(&queue, &environment, &job, now) {
            // Its work is done, and is not wanted.
            let _ = reject(&queue, &job, Some("cancelled in the fleet"), now);
        }
    });
    match stopping {
        Ok(()) => at.send(LoopEvent::JobTaken(id)),
        Err(e) => at.report_trouble(&format!("cannot stop a job: {e}")),
    }
}
