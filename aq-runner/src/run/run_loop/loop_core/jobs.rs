//! Single jobs: which of them are looked at, and what a look or a failure means.

use std::time::Duration;

use aq_manifest::{JobId, Stage};
use aq_scheduler::{JobState, SettledAs};
use jiff::Timestamp;

use super::{JobLook, JobTrouble, LoopCore, LoopEffect, LoopNotice, LoopReport, RunLack};
use crate::run::queue::change::{EndedJob, ReadJob};
use crate::store::JobRecord;

/// The pause between two looks at the branches of deps that do not go together.
const LOOK_AT_DEPS: Duration = Duration::from_secs(10);

impl LoopCore {
    /// Has a job looked at, unless its end, or the end of a pause, is waited for.
    pub(super) fn look_at(&mut self, id: &JobId, now: Timestamp) {
        self.conflicting.remove(id);
        if self.running.contains(id) {
            // It may have moved while its worker holds it.
            let state = self.model.state(id);
            return self.notify(id, state);
        }
        if self.is_left_alone(id, now) {
            return;
        }
        self.unsettled.remove(id);
        self.backoff.looked(id);
        self.effects.push(LoopEffect::Look(id.clone()));
    }

    /// Has the jobs looked at whose pause is over.
    pub(super) fn look_at_due(&mut self, now: Timestamp) {
        let unsettled = self.unsettled.iter().filter(|&(_, &at)| at <= now).map(|(id, _)| id);
        let conflicting = self.conflicting.iter().filter(|&(_, &at)| at <= now).map(|(id, _)| id);
        let mut due: Vec<JobId> =
            unsettled.chain(conflicting).chain(self.backoff.due(now)).cloned().collect();
        due.sort();
        for id in due {
            self.look_at(&id, now);
        }
    }

    /// Brings the queue in memory in line with a job's folder and record.
    pub(super) fn take_look(&mut self, id: JobId, look: JobLook, now: Timestamp) {
        let before = self.model.state(&id);
        if !matches!(look, JobLook::Moving) {
            self.trains.leave(&id);
        }
        match look {
            JobLook::Gone => {
                self.forget(&id);
                self.backoff.over(&id);
                self.notify(&id, before);
            }
            JobLook::Rests { mut read, state, lack } => {
                self.backoff.mended(&id);
                let (state, obstacle) = match read.job.obstacle.take() {
                    Some(conflict) => {
                        let again = now.saturating_add(LOOK_AT_DEPS).unwrap_or(Timestamp::MAX);
                        self.conflicting.insert(id.clone(), again);
                        (JobState::WAITING, Some(conflict))
                    }
                    None => self.with_lack(&id, state, lack),
                };
                read.job.obstacle = obstacle;
                self.put(&id, *read, state, before);
            }
            JobLook::Works { read, engine } => {
                self.running.insert(id.clone());
                let state = self.model.running(&engine);
                self.put(&id, *read, state, before);
            }
            JobLook::Ended(ended) => self.end(ended, before, now),
            JobLook::InTrain { read, seat } => {
                self.backoff.mended(&id);
                self.put(&id, *read, JobState::Testing, before);
                self.trains.put(id, seat);
            }
            JobLook::Merges { read, seat } => {
                self.running.insert(id.clone());
                self.put(&id, *read, JobState::Testing, before);
                self.trains.put(id.clone(), seat);
                self.trains.begin(&id);
            }
            JobLook::Shippable => self.effects.push(LoopEffect::Ship(id)),
            JobLook::Unsettled(until) => {
                self.backoff.mended(&id);
                self.unsettled.insert(id.clone(), until);
                self.notify(&id, before);
            }
            JobLook::Refused(why) => {
                self.forget(&id);
                self.refused(id.clone(), why);
                self.notify(&id, before);
            }
            JobLook::Busy => self.wait_until_free(id),
            JobLook::Moving => {}
            JobLook::Damaged(text) => self.leave_alone(&id, text, now),
            JobLook::Troubled(trouble) => self.trouble(&id, &trouble, now),
        }
    }

    fn put(&mut self, id: &JobId, read: ReadJob, state: JobState, before: Option<JobState>) {
        let circle = self.model.put(read, state).err();
        self.notify_changes();
        if let Some(circle) = circle {
            // `aq add` refuses circles; this one came by hand, and this job is its last link.
            self.effects.push(LoopEffect::Refuse(id.clone(), circle.to_string()));
        }
        self.notify(id, before);
    }

    fn end(&mut self, ended: EndedJob, before: Option<JobState>, now: Timestamp) {
        let (id, after) = (ended.id.clone(), Some(JobState::Settled(ended.settled)));
        if after == Some(JobState::Settled(SettledAs::Shipped)) {
            self.trains.shipped(&id);
        }
        self.model.end(ended);
        self.notify_changes();
        self.effects.push(LoopEffect::Notify(LoopNotice::Job { id, before, after }));
        self.look_at_conflicting(now);
    }

    /// Has the jobs looked at whose deps do not go together: what has ended may have moved a
    /// branch.
    fn look_at_conflicting(&mut self, now: Timestamp) {
        for id in std::mem::take(&mut self.conflicting).into_keys() {
            self.look_at(&id, now);
        }
    }

    pub(super) fn refused(&mut self, id: JobId, why: String) {
        self.summary.failed += 1;
        self.effects.push(LoopEffect::LoopReport(LoopReport::Refused { id, why }));
    }

    /// Something went wrong with one job: it is left alone for a while. One that `--once` has
    /// tried often enough is left where it is.
    pub(super) fn trouble(&mut self, id: &JobId, trouble: &JobTrouble, now: Timestamp) {
        self.report_error(id, &trouble.text, trouble.lack.as_ref());
        self.unsettled.remove(id);
        self.trains.leave(id);
        if !trouble.is_held {
            self.forget(id);
        }
        if !self.backoff.add(id, now, self.once) {
            self.summary.failed += 1;
            let place = trouble.place.map_or("its place", Stage::folder);
            self.report_trouble(format!(
                "{id} stays in {place}/: the trouble with it does not pass"
            ));
        }
    }

    /// The record of a job cannot be used: that is reported once, and nothing is done with the job
    /// until the record is mended.
    pub(super) fn leave_alone(&mut self, id: &JobId, text: String, now: Timestamp) {
        self.unsettled.remove(id);
        self.forget(id);
        if self.backoff.leave(id, now, self.once) {
            self.summary.failed += u32::from(self.once);
            self.report_trouble(text);
        }
    }

    /// Another process holds the job, as `aq add` or `aq stop` do for a moment: it is looked at
    /// again when it is free, and not before.
    pub(super) fn wait_until_free(&mut self, id: JobId) {
        self.unsettled.remove(&id);
        self.forget(&id);
        if self.busy.insert(id.clone()) {
            self.effects.push(LoopEffect::AwaitFree(id));
        }
    }

    /// A worker has ended, and its job was looked at.
    pub(super) fn run_ended(
        &mut self,
        record: Box<JobRecord>,
        state: Option<&JobState>,
        lack: Option<RunLack>,
        now: Timestamp,
    ) {
        let stage = record.stage;
        let waits = matches!(state, Some(JobState::Waiting { .. }));
        if stage == Stage::Building || (waits && stage != Stage::Inbox) {
            // Nobody ended it: it is taken up again.
            return;
        }
        if self.merge_ended(&record, lack.clone(), now) {
            return;
        }
        if self.came_back(&record.id, lack, now) {
            // Its line is out. The model took it in before this was known.
            return self.look_at(&record.id, now);
        }
        if stage != Stage::Inbox {
            self.summary.ended += 1;
            self.look_at_conflicting(now);
        }
        if stage == Stage::Failed {
            self.summary.failed += 1;
        }
        self.effects.push(LoopEffect::LoopReport(LoopReport::Ended(record)));
    }
}
