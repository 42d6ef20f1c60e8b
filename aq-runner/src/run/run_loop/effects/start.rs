//! Obeying the plan: jobs are started, or rejected when they can never run here.

use std::io;

use aq_ledger::RecordKey;
use aq_ledger::steps::{LaunchJob, RefusalCause, RefuseJob};
use aq_manifest::{JobId, Stage};
use aq_scheduler::HostRejection;
use jiff::Timestamp;

use super::EffectPerformer;
use crate::run::engines::preflight::lacks_engine;
use crate::run::host_lack::{lack_of_io, put_back};
use crate::run::launch::start_worker;
use crate::run::recovery::recover_job;
use crate::run::run_loop::context::PendingWork;
use crate::run::run_loop::event_source::WakeCause;
use crate::run::run_loop::loop_core::LoopEvent;
use crate::store::{HeldJob, InvalidJobFile, JobRecord, StoreError, holder, refuse};

impl EffectPerformer<'_> {
    pub(super) fn launch(&mut self, id: JobId, engine: String, out: &mut Vec<PendingWork>) {
        let event = match self.try_launch(&id, &engine, out) {
            Ok(true) => LoopEvent::Launched { id, engine },
            Ok(false) => LoopEvent::NotAsPlanned(id),
            Err(StoreError::Busy(_)) => LoopEvent::JobBusy(id),
            Err(e @ StoreError::Record { .. }) => LoopEvent::RecordDamaged(id, e.to_string()),
            Err(e) => {
                let trouble = self.context.trouble_of(&id, &e);
                LoopEvent::LaunchFailed { id, engine, trouble }
            }
        };
        out.push(event.into());
    }

    /// Records the launch, which takes the slot, then starts the worker.
    fn try_launch(
        &mut self,
        id: &JobId,
        engine: &str,
        out: &mut Vec<PendingWork>,
    ) -> Result<bool, StoreError> {
        let mut job = match HeldJob::lock(self.context.queue, id) {
            Ok(job) => job,
            Err(StoreError::NoSuchJob(_)) => return Ok(false),
            Err(e) => return Err(e),
        };
        job.expect_sound()?;
        match job.stage() {
            Stage::Inbox => {
                let record =
                    JobRecord { id: id.clone(), stage: Stage::Inbox, meta: job.meta().clone() };
                if !record.is_current(self.context.queue)
                    || record.meta.get(RecordKey::Held).is_some()
                {
                    return Ok(false);
                }
                if self.is_superseded(&record, &mut job, out)? {
                    return Ok(false);
                }
                job.step(&LaunchJob { engine }, Timestamp::now())?;
            }
            Stage::Review => {}
            _ => return Ok(false),
        }
        let stage = job.stage();
        let started = self.spawn_worker(job);
        if let Err(e) = started {
            if stage == Stage::Building {
                recover_job(
                    self.context.queue,
                    &self.context.settings.scratch,
                    id,
                    Timestamp::now(),
                )?;
            }
            if let Some(lack) = lack_of_io(&e, &format!("cannot start its supervisor: {e}"))
                && let Ok(mut job) = HeldJob::lock(self.context.queue, id)
            {
                put_back(&mut job, &lack)?;
            }
            let path = self.context.options.worker.clone();
            return Err(StoreError::Io { action: "start the worker", path, source: e });
        }
        Ok(true)
    }

    /// Starts the worker that merges a job in testing/.
    pub(super) fn merge(&mut self, id: &JobId, out: &mut Vec<PendingWork>) {
        let event = match self.try_merge(id) {
            Ok(true) => LoopEvent::MergeBegun(id.clone()).into(),
            Ok(false) | Err(StoreError::NoSuchJob(_)) => LoopEvent::NotAsPlanned(id.clone()).into(),
            Err(StoreError::Busy(_)) => LoopEvent::JobBusy(id.clone()).into(),
            Err(e @ StoreError::Record { .. }) => {
                LoopEvent::RecordDamaged(id.clone(), e.to_string()).into()
            }
            Err(e) => self.troubled(id, &e),
        };
        out.push(event);
    }

    fn try_merge(&mut self, id: &JobId) -> Result<bool, StoreError> {
        let job = HeldJob::lock(self.context.queue, id)?;
        job.expect_sound()?;
        let row = job.row();
        if row.stage != Stage::Testing || (row.has_open_landing() && !row.lands_at_remote()) {
            return Ok(false);
        }
        self.spawn_worker(job).map_err(|source| {
            let path = self.context.options.worker.clone();
            StoreError::Io { action: "start the worker", path, source }
        })?;
        Ok(true)
    }

    /// Whether another job holds this one's key: an `aq add` that put that one in its place was
    /// killed before it took this one away. Then it goes to failed/.
    fn is_superseded(
        &self,
        record: &JobRecord,
        job: &mut HeldJob,
        out: &mut Vec<PendingWork>,
    ) -> Result<bool, StoreError> {
        let Some(key) = record.meta.get(RecordKey::IdempotencyKey) else { return Ok(false) };
        let Some(other) = holder(self.context.queue, key)?.filter(|holder| holder.id != record.id)
        else {
            return Ok(false);
        };
        let why = format!("its idempotency key {key:?} has passed to job {}", other.id);
        let invalid = InvalidJobFile::whole(&format!("{}.md", record.id), why);
        refuse(self.context.queue, job, &invalid, Timestamp::now())?;
        let id = record.id.clone();
        out.push(LoopEvent::JobRefused { id, why: invalid.summary }.into());
        Ok(true)
    }

    fn spawn_worker(&mut self, job: HeldJob) -> io::Result<()> {
        let id = job.id().clone();
        let (line, of_worker) = self.listeners.line_to_worker(job.meta()).unzip();
        let mut child = start_worker(
            self.context.queue,
            &self.context.options.worker,
            &self.context.settings.environment,
            job,
            of_worker,
        )?;
        self.context.source.after(WakeCause::WorkerEnded(id), move || {
            // Before the wait: the next worker of the job speaks only when this one has been heard.
            if let Some(line) = line {
                line.serve();
            }
            // How it ended does not matter: what it left on disk does.
            let _ = child.wait();
        })
    }

    pub(super) fn reject(&self, id: JobId, why: &HostRejection, out: &mut Vec<PendingWork>) {
        let (cause, message) = match why {
            HostRejection::MissingCapabilities(missing) => {
                let list: Vec<String> = missing.iter().map(ToString::to_string).collect();
                (
                    RefusalCause::MissingCapabilities(missing),
                    format!("this host lacks {}", list.join(" and ")),
                )
            }
            HostRejection::NoEngine { .. } => (RefusalCause::NoEngine, self.lacks_engine(&id)),
        };
        let moved = HeldJob::lock(self.context.queue, &id).and_then(|mut job| {
            job.step(&RefuseJob { cause, message: &message }, Timestamp::now())
        });
        match moved {
            Ok(()) => out.push(LoopEvent::JobRefused { id: id.clone(), why: message }.into()),
            Err(StoreError::Busy(_)) => return out.push(LoopEvent::JobBusy(id).into()),
            // It is not as the plan saw it.
            Err(StoreError::WrongStage { .. } | StoreError::NoSuchJob(_)) => {}
            Err(e) => return out.push(self.troubled(&id, &e)),
        }
        out.push(LoopEvent::NotAsPlanned(id).into());
    }

    fn lacks_engine(&self, id: &JobId) -> String {
        let record = JobRecord::read(self.context.queue, Stage::Inbox, id.clone());
        let problem =
            record.ok().and_then(|record| lacks_engine(&self.context.settings, &record.meta));
        problem.unwrap_or_else(|| "none of its engines is installed".to_owned())
    }
}
