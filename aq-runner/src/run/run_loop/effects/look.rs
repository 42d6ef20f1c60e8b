//! Looking at jobs: each look reads one job's folder and record, and recovers it when its worker is
//! dead.

use std::time::Duration;

use aq_ledger::{JobRow, RecordContent, RecordKey};
use aq_manifest::{JobId, ShipMode, Stage};
use aq_scheduler::JobState;
use jiff::Timestamp;

use super::EffectPerformer;
use crate::run::at_work::worker;
use crate::run::host_lack::{is_worth_a_wait, recorded_lack};
use crate::run::operator::ship::{ShipError, ship};
use crate::run::queue::reading::{ended_job, read_job, resting_state, settled};
use crate::run::queue::train::{TrainSeat, ship_mode};
use crate::run::recovery::recover_job;
use crate::run::run_loop::context::PendingWork;
use crate::run::run_loop::event_source::WakeCause;
use crate::run::run_loop::loop_core::{JobLook, LoopEvent, MetLack};
use crate::run::start_point::present_conflict;
use crate::store::{
    HeldJob, IngestResult, JobRecord, QueueDir, StoreError, ingest, rename_if_taken,
};

/// The pause when it is unknown whether a job is held.
const WAIT_PAUSE: Duration = Duration::from_secs(1);

impl EffectPerformer<'_> {
    /// Looks at one job. What goes wrong with it does not stop the others.
    pub(super) fn look(&mut self, id: JobId, out: &mut Vec<PendingWork>) {
        // What comes of the look comes before what follows from it.
        let mut follows = Vec::new();
        let look = self.try_look(&id, &mut follows);
        out.push(self.looked(id, look));
        out.append(&mut follows);
    }

    /// Ships a job of this host's own from testing/.
    pub(super) fn ship(&mut self, id: JobId, out: &mut Vec<PendingWork>) {
        let look = self.try_ship(&id);
        out.push(self.looked(id, look));
    }

    fn looked(&self, id: JobId, look: Result<JobLook, StoreError>) -> PendingWork {
        let look = look.unwrap_or_else(|error| match error {
            StoreError::Record { .. } => JobLook::Damaged(error.to_string()),
            StoreError::Busy(_) => JobLook::Busy,
            // Somebody moves it at this moment, and the watch sees that.
            StoreError::Moved(_) | StoreError::WrongStage { .. } => JobLook::Moving,
            error => JobLook::Troubled(self.context.trouble_of(&id, &error)),
        });
        LoopEvent::JobLooked(id, look).into()
    }

    fn try_look(&mut self, id: &JobId, out: &mut Vec<PendingWork>) -> Result<JobLook, StoreError> {
        let Some(stage) = self.context.queue.find(id) else { return Ok(JobLook::Gone) };
        match stage {
            Stage::Inbox => self.look_at_inbox(id, out),
            Stage::Building | Stage::Review => self.look_at_work(id, stage, out),
            Stage::Testing => self.look_at_tested(id, out),
            _ => self.rest(id, stage),
        }
    }

    /// A job in `building/` is worked on or has lost its worker; one in `review/` may rest, too.
    fn look_at_work(
        &mut self,
        id: &JobId,
        stage: Stage,
        out: &mut Vec<PendingWork>,
    ) -> Result<JobLook, StoreError> {
        let queue = self.context.queue;
        recover_job(queue, &self.context.settings.scratch, id, Timestamp::now())?;
        if !queue.has(stage, id) {
            return self.try_look(id, out);
        }
        let is_held = match HeldJob::lock(queue, id) {
            Ok(job) if worker(job.meta()).is_some_and(|worker| worker.is_alive()) => true,
            // Its worker died after recovery had found it at work.
            Ok(job) if job.stage() == Stage::Building => {
                drop(job);
                return self.try_look(id, out);
            }
            Ok(_) => false,
            Err(StoreError::Busy(_)) => true,
            Err(e) => return Err(e),
        };
        if is_held { self.adopt(id, stage, out) } else { self.rest(id, stage) }
    }

    /// A job in `testing/` may be shipped, be in a train, or have lost the worker that merged it.
    /// About work that is not on the branch a person decides; the table says so.
    fn look_at_tested(
        &mut self,
        id: &JobId,
        out: &mut Vec<PendingWork>,
    ) -> Result<JobLook, StoreError> {
        let (queue, now) = (self.context.queue, Timestamp::now());
        let mut record = JobRecord::read(queue, Stage::Testing, id.clone())?;
        if record.meta.has(RecordKey::Pid) || record.meta.has(RecordKey::Landing) {
            recover_job(queue, &self.context.settings.scratch, id, now)?;
            if !queue.has(Stage::Testing, id) {
                return self.try_look(id, out);
            }
            record = JobRecord::read(queue, Stage::Testing, id.clone())?;
        }
        let row = record.sound(queue)?;
        let settings = &self.context.settings;
        let seat = || TrainSeat::of(queue, row, now);
        let read = || Box::new(read_job(queue, &settings.engines, row));
        if record.meta.has(RecordKey::Pid) {
            let look = JobLook::Merges { read: read(), seat: seat() };
            self.follow_worker(id, &record.meta, out);
            return Ok(look);
        }
        let mode = ship_mode(row, settings);
        // Of a job that has a pull request, people decide there.
        let rests = !self.context.options.ship
            || self.listeners.ships(&record.meta, mode)
            || row.has_pull_request()
            || record.meta.has(RecordKey::LeftOut);
        match mode {
            _ if rests => self.rest(id, Stage::Testing),
            ShipMode::Merge => Ok(JobLook::InTrain { read: read(), seat: seat() }),
            ShipMode::Accept => Ok(JobLook::Shippable),
            ShipMode::Pr => self.rest(id, Stage::Testing),
        }
    }

    fn try_ship(&mut self, id: &JobId) -> Result<JobLook, StoreError> {
        let environment = &self.context.settings.environment;
        match ship(self.context.queue, environment, id, false, Timestamp::now()) {
            Ok(()) => self.rest(id, Stage::Shipped),
            Err(ShipError::Store(e)) => Err(e),
            Err(e) => {
                self.context.report_trouble(&e.to_string());
                self.rest(id, Stage::Testing)
            }
        }
    }

    fn rest(&self, id: &JobId, stage: Stage) -> Result<JobLook, StoreError> {
        let queue = self.context.queue;
        let record = JobRecord::read(queue, stage, id.clone())?;
        if let Some(settled) = settled(stage) {
            return Ok(JobLook::Ended(ended_job(&record, settled)));
        }
        let row = record.sound(queue)?;
        Ok(resting_state(row, Timestamp::now())
            .map_or(JobLook::Moving, |state| self.resting(row, state)))
    }

    fn resting(&self, row: JobRow<'_>, state: JobState) -> JobLook {
        let mut read = Box::new(read_job(self.context.queue, &self.context.settings.engines, row));
        if row.stage == Stage::Inbox {
            read.job.obstacle = present_conflict(self.context.queue, row, Timestamp::now());
        }
        let lack = recorded_lack(row.content())
            .map(|lack| MetLack { lack, is_worth_a_wait: is_worth_a_wait(row.content()) });
        JobLook::Rests { read, state, lack }
    }

    fn look_at_inbox(
        &mut self,
        id: &JobId,
        out: &mut Vec<PendingWork>,
    ) -> Result<JobLook, StoreError> {
        let queue = self.context.queue;
        let record = JobRecord::read(queue, Stage::Inbox, id.clone())?;
        let row = record.sound(queue)?;
        if record.is_current(queue) {
            let state = resting_state(row, Timestamp::now());
            return Ok(state.map_or(JobLook::Moving, |state| {
                self.resting(row, self.listeners.waiting_state(row, state))
            }));
        }
        if let Some(new) = rename_if_taken(queue, id)? {
            let message = format!("there is a job {id} already: the new file is {new} now");
            self.context.report_trouble(&message);
            out.push(LoopEvent::JobTouched(new).into());
            return self.try_look(id, out);
        }
        let job = match HeldJob::lock(queue, id) {
            Ok(job) if job.stage() == Stage::Inbox => job,
            Ok(_) | Err(StoreError::NoSuchJob(_)) => return Ok(JobLook::Moving),
            Err(e) => return Err(e),
        };
        let home = self.context.settings.environment.path("HOME");
        Ok(match ingest(queue, job, home.as_deref(), Timestamp::now())? {
            IngestResult::Job(record) => {
                let row = record.sound(queue)?;
                resting_state(row, Timestamp::now())
                    .map_or(JobLook::Moving, |state| self.resting(row, state))
            }
            IngestResult::Unsettled(rest) => {
                JobLook::Unsettled(Timestamp::now().saturating_add(rest).unwrap_or(Timestamp::MAX))
            }
            IngestResult::Refused(invalid) => JobLook::Refused(invalid.summary),
        })
    }

    /// A worker that this loop did not start is at work: its end is the end of its lock.
    fn adopt(
        &mut self,
        id: &JobId,
        stage: Stage,
        out: &mut Vec<PendingWork>,
    ) -> Result<JobLook, StoreError> {
        let queue = self.context.queue;
        let record = JobRecord::read(queue, stage, id.clone())?;
        let engine = record.meta.get(RecordKey::Engine).unwrap_or_default().to_owned();
        let row = record.unchecked();
        let read = Box::new(read_job(queue, &self.context.settings.engines, row));
        self.follow_worker(id, &record.meta, out);
        Ok(JobLook::Works { read, engine })
    }

    fn follow_worker(&self, id: &JobId, meta: &RecordContent, out: &mut Vec<PendingWork>) {
        let (queue, job, worker) = (self.context.queue.clone(), id.clone(), worker(meta));
        let waiting = self.context.source.after(WakeCause::WorkerEnded(id.clone()), move || {
            wait_free(&queue, &job);
            if let Some(worker) = worker {
                let _ = worker.wait_gone(None);
            }
        });
        out.extend(waiting.err().map(|e| self.cannot_wait(id, e)));
    }

    pub(super) fn await_free(&self, id: &JobId, out: &mut Vec<PendingWork>) {
        let (queue, job) = (self.context.queue.clone(), id.clone());
        let waiting =
            self.context.source.after(WakeCause::Free(id.clone()), move || wait_free(&queue, &job));
        out.extend(waiting.err().map(|e| self.cannot_wait(id, e)));
    }
}

/// Blocks until nobody holds the job. Where that is unknown, a pause keeps the loop from
/// asking at full speed.
fn wait_free(queue: &QueueDir, id: &JobId) {
    if HeldJob::wait_free(queue, id).is_err() {
        std::thread::sleep(WAIT_PAUSE);
    }
}
