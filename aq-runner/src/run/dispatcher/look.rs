//! Looking at jobs: each look brings the model in line with one job's folder and record.

use std::io;
use std::time::Duration;

use aq_ledger::{JobRow, RecordKey};
use aq_manifest::{JobId, Stage};
use aq_scheduler::State;
use jiff::Timestamp;

use crate::store::{
    HeldJob, Ingested, Invalid, JobRecord, QueueDir, StoreError, ingest, refuse, rename_if_taken,
};

use super::super::queue_reading::{ended_job, read_job, resting_state, settled};
use super::super::recovery::{Recovered, recover_job, undouble, worker};
use super::super::wake::Wake;
use super::{Dispatcher, Progress, RunError};

/// The pause when it cannot be told whether a job is held.
const WAIT_PAUSE: Duration = Duration::from_secs(1);

impl Dispatcher<'_> {
    /// Leaves each job in one folder before any is looked at: a job that has ended must not run again because
    /// a power cut brought its name in the inbox back.
    pub(super) fn undouble(&mut self) -> Result<(), RunError> {
        for (id, undoubled) in undouble(self.queue, Timestamp::now())? {
            match undoubled {
                Ok(Recovered::Undoubled(files)) => {
                    for file in files {
                        (self.observer)(Progress::Trouble(&format!("{id}: {file}")));
                    }
                }
                Ok(_) => {}
                Err(e) => self.trouble(&id, &e),
            }
        }
        Ok(())
    }

    pub(super) fn look_at_settled(&mut self) {
        let now = Timestamp::now();
        let unsettled = self.unsettled.iter().filter(|&(_, &at)| at <= now).map(|(id, _)| id);
        let unshipped = self.unshipped().filter(|&(_, again)| again <= now).map(|(id, _)| id);
        let due = unsettled.chain(unshipped).chain(self.troubles.due(now));
        let due: Vec<JobId> = due.cloned().collect();
        for id in due {
            self.look_at(&id);
        }
    }

    /// Brings the model in line with one job's folder and record, recovering it when its worker
    /// is dead. What goes wrong with one job does not stop the others.
    pub(super) fn look_at(&mut self, id: &JobId) {
        if self.running.contains(id) {
            return self.fleet_job_runs(id);
        }
        if self.busy.contains(id) || self.troubles.pauses(id, Timestamp::now()) {
            return;
        }
        self.unsettled.remove(id);
        self.troubles.looked(id);
        match self.try_look_at(id) {
            Ok(()) => self.fleet_looked(id),
            Err(e @ StoreError::Record { .. }) => self.leave_alone(id, &e),
            Err(StoreError::Busy(_)) => self.wait_until_free(id),
            // Somebody moves it at this moment, and that is told.
            Err(StoreError::Moved(_) | StoreError::WrongStage { .. }) => {}
            Err(e) => self.trouble(id, &e),
        }
    }

    /// Something went wrong with one job: it is left alone for a while. One that `--once` has
    /// tried often enough is left where it is.
    pub(super) fn trouble(&mut self, id: &JobId, error: &StoreError) {
        self.tell_trouble(id, error);
        // As long as somebody is at work on it, it keeps its slot and its lock.
        if !matches!(HeldJob::take(self.queue, id), Err(StoreError::Busy(_))) {
            self.model.forget(id);
        }
        if !self.troubles.add(id, Timestamp::now(), self.options.once) {
            self.summary.failed += 1;
            let place = self.queue.find(id).map_or("its place", Stage::folder);
            let message = format!("{id} stays in {place}/: the trouble with it does not pass");
            (self.observer)(Progress::Trouble(&message));
        }
    }

    /// The record of a job cannot be used: that is told once, and nothing is done with the job until
    /// the record is mended.
    pub(super) fn leave_alone(&mut self, id: &JobId, error: &StoreError) {
        self.model.forget(id);
        if self.troubles.leave(id, Timestamp::now(), self.options.once) {
            self.summary.failed += u32::from(self.options.once);
            (self.observer)(Progress::Trouble(&error.to_string()));
        }
    }

    /// Another process holds the job, as `aq add` or `aq stop` do for a moment: it is looked at
    /// again when it is free, and not before.
    pub(super) fn wait_until_free(&mut self, id: &JobId) {
        self.model.forget(id);
        let (queue, job) = (self.queue.clone(), id.clone());
        match self.wakes.after(Wake::Free(id.clone()), move || wait_free(&queue, &job)) {
            Ok(()) => {
                self.busy.insert(id.clone());
            }
            Err(e) => self.trouble(id, &cannot_wait(self.queue, id, e)),
        }
    }

    fn try_look_at(&mut self, id: &JobId) -> Result<(), StoreError> {
        let Some(stage) = self.queue.find(id) else {
            self.model.forget(id);
            self.troubles.over(id);
            return Ok(());
        };
        match stage {
            Stage::Inbox => self.look_at_inbox(id),
            Stage::Building | Stage::Review => self.look_at_work(id, stage),
            Stage::Testing if self.options.ship => self.ship(id),
            _ => self.rest(id, stage),
        }
    }

    /// A job in `building/` is worked on or has lost its worker; one in `review/` may rest, too.
    fn look_at_work(&mut self, id: &JobId, stage: Stage) -> Result<(), StoreError> {
        recover_job(self.queue, &self.settings.scratch, id, Timestamp::now())?;
        if !self.queue.has(stage, id) {
            return self.try_look_at(id);
        }
        let is_held = match HeldJob::take(self.queue, id) {
            Ok(job) if worker(job.meta()).is_some_and(|worker| worker.is_alive()) => true,
            // Its worker died after recovery had found it at work.
            Ok(job) if job.stage() == Stage::Building => {
                drop(job);
                return self.try_look_at(id);
            }
            Ok(_) => false,
            Err(StoreError::Busy(_)) => true,
            Err(e) => return Err(e),
        };
        if is_held { self.adopt(id, stage) } else { self.rest(id, stage) }
    }

    pub(super) fn rest(&mut self, id: &JobId, stage: Stage) -> Result<(), StoreError> {
        let record = JobRecord::read(self.queue, stage, id.clone())?;
        if let Some(settled) = settled(stage) {
            self.model.end(ended_job(&record, settled));
            return Ok(());
        }
        let row = record.sound(self.queue)?;
        self.troubles.mended(id);
        if let Some(state) = resting_state(row, Timestamp::now()) {
            self.put(row, state);
        }
        Ok(())
    }

    fn look_at_inbox(&mut self, id: &JobId) -> Result<(), StoreError> {
        let record = JobRecord::read(self.queue, Stage::Inbox, id.clone())?;
        let row = record.sound(self.queue)?;
        self.troubles.mended(id);
        if record.is_current(self.queue) {
            if let Some(state) = resting_state(row, Timestamp::now()) {
                self.put(row, self.unless_unsure(row, state));
            }
            return Ok(());
        }
        if let Some(new) = rename_if_taken(self.queue, id)? {
            let message = format!("there is a job {id} already: the new file is {new} now");
            (self.observer)(Progress::Trouble(&message));
            self.look_at(&new);
            return self.try_look_at(id);
        }
        let job = match HeldJob::take(self.queue, id) {
            Ok(job) if job.stage() == Stage::Inbox => job,
            Ok(_) | Err(StoreError::NoSuchJob(_)) => return Ok(()),
            Err(StoreError::Busy(_)) => {
                self.wait_until_free(id);
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        let home = self.settings.environment.path("HOME");
        match ingest(self.queue, job, home.as_deref(), Timestamp::now())? {
            Ingested::Job(record) => {
                let row = record.sound(self.queue)?;
                if let Some(state) = resting_state(row, Timestamp::now()) {
                    self.put(row, state);
                }
            }
            Ingested::Unsettled(rest) => {
                let at = Timestamp::now().saturating_add(rest).unwrap_or(Timestamp::MAX);
                self.unsettled.insert(id.clone(), at);
            }
            Ingested::Refused(invalid) => {
                self.model.forget(id);
                self.summary.failed += 1;
                (self.observer)(Progress::Refused { id, why: &invalid.summary });
            }
        }
        Ok(())
    }

    fn put(&mut self, row: JobRow<'_>, state: State) {
        let (state, lack) = self.with_lack(row, state);
        let mut read = read_job(self.queue, &self.settings.engines, row);
        read.job.lack = lack;
        if let Err(e) = self.model.put(read, state) {
            // `aq add` refuses circles; this one came by hand, and this job is its last link.
            let invalid = Invalid::whole(&format!("{}.md", row.id), &e);
            let refused = HeldJob::take(self.queue, row.id)
                .and_then(|mut job| refuse(self.queue, &mut job, &invalid, Timestamp::now()));
            match refused {
                Ok(()) => {
                    self.summary.failed += 1;
                    (self.observer)(Progress::Refused { id: row.id, why: &invalid.summary });
                }
                Err(StoreError::Busy(_)) => self.wait_until_free(row.id),
                Err(e) => self.trouble(row.id, &e),
            }
        }
    }

    /// A worker that this loop did not start is at work: its end is the end of its lock.
    fn adopt(&mut self, id: &JobId, stage: Stage) -> Result<(), StoreError> {
        let record = JobRecord::read(self.queue, stage, id.clone())?;
        let engine = record.meta.get(RecordKey::Engine).unwrap_or_default().to_owned();
        self.put(record.unchecked(), self.model.running(&engine));
        let (queue, job, worker) = (self.queue.clone(), id.clone(), worker(&record.meta));
        let waiting = self.wakes.after(Wake::WorkerEnded(id.clone()), move || {
            wait_free(&queue, &job);
            if let Some(worker) = worker {
                let _ = worker.wait_gone(None);
            }
        });
        match waiting {
            Ok(()) => {
                self.running.insert(id.clone());
            }
            Err(e) => return Err(cannot_wait(self.queue, id, e)),
        }
        Ok(())
    }
}

/// Blocks until nobody holds the job. Where that cannot be told, a pause keeps the loop from
/// asking at full speed.
fn wait_free(queue: &QueueDir, id: &JobId) {
    if HeldJob::wait_free(queue, id).is_err() {
        std::thread::sleep(WAIT_PAUSE);
    }
}

fn cannot_wait(queue: &QueueDir, id: &JobId, source: io::Error) -> StoreError {
    StoreError::Io { action: "start a thread that waits for", path: queue.meta(id), source }
}
