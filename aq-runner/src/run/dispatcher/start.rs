//! Obeying the plan: jobs are started, or refused when they can never run here.

use std::io;

use aq_ledger::RecordKey;
use aq_ledger::steps::{Launch, RefusalCause, Refuse};
use aq_manifest::{JobId, Stage};
use aq_scheduler::{Rejection, Start};
use jiff::Timestamp;

use crate::store::{HeldJob, Invalid, JobRecord, StoreError, holder, refuse};

use super::super::foresight::lacks_engine;
use super::super::host_lack::{lack_of_io, put_back};
use super::super::launch::start_worker;
use super::super::recovery::recover_job;
use super::super::wake::Wake;
use super::{Dispatcher, Progress};

impl Dispatcher<'_> {
    /// Plans and does what the plan says until it says nothing more. Answers when time alone may
    /// change that.
    pub(super) fn obey_plan(&mut self) -> Option<Timestamp> {
        self.look_at_room();
        loop {
            let plan = self.model.plan(Timestamp::now());
            self.tell_absent(&plan.absent);
            if plan.start.is_empty() && plan.reject.is_empty() {
                return plan.wake_at;
            }
            let engines_missing =
                plan.reject.iter().any(|(_, why)| matches!(why, Rejection::NoEngine { .. }));
            if engines_missing {
                // One may have been installed since.
                self.refresh_engines();
            }
            let plan = if engines_missing { self.model.plan(Timestamp::now()) } else { plan };
            for (id, why) in plan.reject {
                self.reject(&id, &why);
            }
            for Start { job, engine } in plan.start {
                self.launch(&job, &engine);
            }
        }
    }

    fn launch(&mut self, id: &JobId, engine: &str) {
        match self.try_launch(id, engine) {
            Ok(true) => {
                self.running.insert(id.clone());
                self.troubles.over(id);
                self.shadow_started(id);
                self.model.started(id, engine);
                (self.observer)(Progress::Started { id, engine });
            }
            Ok(false) => {
                // It is not as the plan saw it: look again.
                self.model.forget(id);
                self.look_at(id);
            }
            Err(StoreError::Busy(_)) => self.wait_until_free(id),
            Err(e @ StoreError::Record { .. }) => self.leave_alone(id, &e),
            Err(e) => {
                self.model.started(id, engine);
                self.trouble(id, &e);
            }
        }
    }

    /// Records the launch, which takes the slot, then starts the worker.
    fn try_launch(&mut self, id: &JobId, engine: &str) -> Result<bool, StoreError> {
        let mut job = match HeldJob::take(self.queue, id) {
            Ok(job) => job,
            Err(StoreError::NoSuchJob(_)) => return Ok(false),
            Err(e) => return Err(e),
        };
        job.expect_sound()?;
        match job.stage() {
            Stage::Inbox => {
                let record =
                    JobRecord { id: id.clone(), stage: Stage::Inbox, meta: job.meta().clone() };
                if !record.is_current(self.queue) || record.meta.get(RecordKey::Held).is_some() {
                    return Ok(false);
                }
                if self.is_superseded(&record, &mut job)? {
                    return Ok(false);
                }
                job.step(&Launch { engine }, Timestamp::now())?;
            }
            Stage::Review => {}
            _ => return Ok(false),
        }
        let stage = job.stage();
        let started = self.spawn_worker(job);
        if let Err(e) = started {
            if stage == Stage::Building {
                recover_job(self.queue, &self.settings.scratch, id, Timestamp::now())?;
            }
            if let Some(lack) = lack_of_io(&e, &format!("cannot start its supervisor: {e}"))
                && let Ok(mut job) = HeldJob::take(self.queue, id)
            {
                put_back(&mut job, &lack)?;
            }
            let path = self.options.worker.clone();
            return Err(StoreError::Io { action: "start the worker", path, source: e });
        }
        Ok(true)
    }

    /// Whether another job holds this one's key: an `aq add` that put that one in its place was
    /// killed before it took this one away. Then it goes to failed/.
    fn is_superseded(&mut self, record: &JobRecord, job: &mut HeldJob) -> Result<bool, StoreError> {
        let Some(key) = record.meta.get(RecordKey::IdempotencyKey) else { return Ok(false) };
        let Some(other) = holder(self.queue, key)?.filter(|holder| holder.id != record.id) else {
            return Ok(false);
        };
        let why = format!("its idempotency key {key:?} has passed to job {}", other.id);
        let invalid = Invalid::whole(&format!("{}.md", record.id), why);
        refuse(self.queue, job, &invalid, Timestamp::now())?;
        self.summary.failed += 1;
        (self.observer)(Progress::Refused { id: &record.id, why: &invalid.summary });
        Ok(true)
    }

    fn spawn_worker(&mut self, job: HeldJob) -> io::Result<()> {
        let id = job.id().clone();
        let (line, of_worker) = self.line_to_worker(job.meta()).unzip();
        let mut child = start_worker(
            self.queue,
            &self.options.worker,
            &self.settings.environment,
            job,
            of_worker,
        )?;
        self.wakes.after(Wake::WorkerEnded(id), move || {
            // Before the wait: the next worker of the job speaks only when this one has been heard.
            if let Some(line) = line {
                line.serve();
            }
            // How it ended does not matter: what it left on disk does.
            let _ = child.wait();
        })
    }

    fn reject(&mut self, id: &JobId, why: &Rejection) {
        let (cause, message) = match why {
            Rejection::MissingCapabilities(missing) => {
                let list: Vec<String> = missing.iter().map(ToString::to_string).collect();
                (
                    RefusalCause::MissingCapabilities(missing),
                    format!("this host lacks {}", list.join(" and ")),
                )
            }
            Rejection::NoEngine { .. } => (RefusalCause::NoEngine, self.lacks_engine(id)),
        };
        let moved = HeldJob::take(self.queue, id)
            .and_then(|mut job| job.step(&Refuse { cause, message: &message }, Timestamp::now()));
        match moved {
            Ok(()) => {
                self.summary.failed += 1;
                (self.observer)(Progress::Refused { id, why: &message });
            }
            Err(StoreError::Busy(_)) => return self.wait_until_free(id),
            // It is not as the plan saw it.
            Err(StoreError::WrongStage { .. } | StoreError::NoSuchJob(_)) => {}
            Err(e) => return self.trouble(id, &e),
        }
        self.model.forget(id);
        self.look_at(id);
    }

    fn lacks_engine(&self, id: &JobId) -> String {
        let record = JobRecord::read(self.queue, Stage::Inbox, id.clone());
        let problem = record.ok().and_then(|record| lacks_engine(&self.settings, &record.meta));
        problem.unwrap_or_else(|| "none of its engines is installed".to_owned())
    }
}
