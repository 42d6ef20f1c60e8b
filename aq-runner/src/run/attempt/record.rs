//! The record and the log of a job while an attempt is made.

use std::time::Duration;

use aq_ledger::steps::{JobStep, StepWrites};
use aq_ledger::{JobRow, RecordContent, RecordKey, RecordUpdate};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::super::job_log::JobLog;
use super::super::stop::StopRequest;
use crate::checkpoint::StopCheck;
use crate::store::{HeldJob, QueueDir, StoreError};

/// The pause before a full disk is tried again.
const ROOM_PAUSE: Duration = Duration::from_secs(2);

/// The job as its worker holds it.
pub(super) struct AttemptRecord {
    queue: QueueDir,
    job: HeldJob,
    log: JobLog,
    stop: StopCheck,
}

impl AttemptRecord {
    pub(super) fn new(queue: &QueueDir, job: HeldJob, log: JobLog, stop: StopCheck) -> Self {
        Self { queue: queue.clone(), job, log, stop }
    }

    pub(super) fn id(&self) -> &JobId {
        self.job.id()
    }

    pub(super) fn stage(&self) -> Stage {
        self.job.stage()
    }

    pub(super) fn content(&self) -> &RecordContent {
        self.job.meta()
    }

    pub(super) fn row(&self) -> JobRow<'_> {
        self.job.row()
    }

    pub(super) fn log(&mut self) -> &mut JobLog {
        &mut self.log
    }

    /// A check for a stop, for those who have no record at hand.
    pub(super) fn stop_check(&self) -> StopCheck {
        self.stop.clone()
    }

    /// The request that the job end, made or not.
    pub(super) fn stop_request(&self) -> StopRequest {
        StopRequest::of(&self.queue, self.job.id())
    }

    /// Says that another host has pushed work of the job.
    pub(super) fn is_handed_over(&self) -> bool {
        self.content().get(RecordKey::ResumeCommit).is_some()
    }

    /// Adds a line of aq's own to the log.
    pub(super) fn note(&mut self, text: &str) {
        self.log.note(Timestamp::now(), text);
    }

    /// Adds a reason to the log, unless the record gives it as the last one: such a job is tried
    /// again and again, and says so once.
    pub(super) fn note_once(&mut self, before: &str, why: &str) {
        if self.content().get(RecordKey::Message) != Some(why) {
            self.note(&format!("{before}{why}"));
        }
    }

    /// Records a fact that is for people, or that is only known later without it: not worth more
    /// than an attempt to write it.
    pub(super) fn try_append(&mut self, update: &RecordUpdate) {
        let _ = self.job.append(update);
    }

    /// Records a fact.
    pub(super) fn append(&mut self, update: &RecordUpdate) -> Result<(), StoreError> {
        self.with_room(|job| job.append(update))
    }

    /// Makes a step whose loss is harmless.
    pub(super) fn try_make<S: JobStep>(&mut self, step: &S) {
        let _ = self.job.step(step, Timestamp::now());
    }

    /// Makes a step.
    pub(super) fn make<S: JobStep>(&mut self, step: &S, now: Timestamp) -> Result<(), StoreError> {
        let step = self.job.decide(step, now)?;
        self.apply(&step)
    }

    /// Makes a step that ends a part of the attempt, and records whether the log has all of it.
    pub(super) fn end<S: JobStep>(&mut self, step: &S, now: Timestamp) -> Result<(), StoreError> {
        let log = RecordUpdate::new().set_some(RecordKey::LogIncomplete, self.log.incomplete());
        let step = self.job.decide(step, now)?.with(log);
        self.apply(&step)
    }

    fn apply(&mut self, step: &StepWrites) -> Result<(), StoreError> {
        self.with_room(|job| job.apply(step))
    }

    /// Tries until there is room on the disk, or this process is asked to stop: how a job ended is
    /// worth waiting for.
    pub(super) fn with_room(
        &mut self,
        mut write: impl FnMut(&mut HeldJob) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        loop {
            match write(&mut self.job) {
                Err(e) if e.is_full() && !(self.stop)() => std::thread::sleep(ROOM_PAUSE),
                other => return other,
            }
        }
    }
}
