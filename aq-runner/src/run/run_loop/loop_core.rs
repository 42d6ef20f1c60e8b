//! The decisions of the run loop: an event in, effects out. It opens no file and reads no clock, so
//! that every decision can be tried without a queue on disk.
//!
//! A turn: what woke the loop is sent as events, then `Woken`, which answers with looks at what is
//! due and at the host. When all that is done, `AllHandled` asks for the plan; its effects are
//! done, and again, until there is nothing to start. Then the loop sleeps, or ends.

mod host_lacks;
mod job_backoff;
mod jobs;
mod loop_effect;
mod loop_event;
#[cfg(test)]
mod naive_host;
mod planning;
#[cfg(test)]
mod property;
mod summary;
#[cfg(test)]
mod tests;
mod trains;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use aq_manifest::JobId;
use aq_scheduler::{HostId, JobQueue, JobState, PlannedStart, QueueCounts};
use jiff::Timestamp;

use crate::run::queue::model::QueueModel;
use host_lacks::HostLacks;
pub(in crate::run) use host_lacks::LOOK_AGAIN;
use job_backoff::JobBackoff;
pub(in crate::run) use loop_effect::{LoopEffect, LoopNotice, LoopReport};
pub(in crate::run) use loop_event::{JobLook, JobTrouble, LoopEvent, MetLack, RunLack};
pub use summary::LoopSummary;
use trains::MergeTrains;

/// The time between two looks at the folders, for file systems that report no change: no sleep is
/// longer.
pub(in crate::run) const SWEEP: Duration = Duration::from_secs(30);

/// The state of a run loop, apart from what is on disk.
#[derive(Debug)]
pub(in crate::run) struct LoopCore {
    model: QueueModel,
    /// Drain the queue and end.
    once: bool,
    /// Jobs whose worker is alive: its end is sent.
    running: HashSet<JobId>,
    /// Jobs that somebody else holds for a moment: the end of that is sent.
    busy: HashSet<JobId>,
    /// Hand-dropped files that may still be written, and when to look again.
    unsettled: BTreeMap<JobId, Timestamp>,
    /// Jobs whose deps do not go together, and when to look whether a branch has moved.
    conflicting: BTreeMap<JobId, Timestamp>,
    /// Jobs whose files or workers made trouble.
    backoff: JobBackoff,
    lacks: HostLacks,
    trains: MergeTrains,
    /// The engines were read for the plan that is to be made now.
    are_engines_fresh: bool,
    /// Jobs that the last plan starts after the one that is being started.
    starts: VecDeque<PlannedStart>,
    /// The time at which time alone may change the plan.
    wake_at: Option<Timestamp>,
    summary: LoopSummary,
    effects: Vec<LoopEffect>,
}

impl LoopCore {
    /// The core of a loop that has looked at nothing yet. With `once` it ends when nothing more
    /// will happen by itself.
    pub(in crate::run) fn new(model: QueueModel, once: bool) -> Self {
        Self {
            model,
            once,
            running: HashSet::new(),
            busy: HashSet::new(),
            unsettled: BTreeMap::new(),
            conflicting: BTreeMap::new(),
            backoff: JobBackoff::default(),
            lacks: HostLacks::default(),
            trains: MergeTrains::default(),
            are_engines_fresh: false,
            starts: VecDeque::new(),
            wake_at: None,
            summary: LoopSummary::default(),
            effects: Vec::new(),
        }
    }

    /// Takes in what has happened. Answers what is to be done now, in this order.
    pub(in crate::run) fn handle(&mut self, event: LoopEvent, now: Timestamp) -> Vec<LoopEffect> {
        match event {
            LoopEvent::JobTouched(id) => self.look_at(&id, now),
            LoopEvent::JobFreed(id) => {
                self.busy.remove(&id);
                self.look_at(&id, now);
            }
            LoopEvent::WorkerEnded(id) => {
                self.running.remove(&id);
                self.trains.worker_ended(&id);
                self.look_at(&id, now);
                self.effects.push(LoopEffect::ReadRun(id));
            }
            LoopEvent::FoldersReplaced => {
                // Those of a folder that is gone.
                let known: Vec<JobId> = self.model.order().into_iter().cloned().collect();
                known.iter().for_each(|id| self.look_at(id, now));
                // The profiles, and the settings beside them.
                self.effects.push(LoopEffect::LoadSettings);
                self.list_folders();
            }
            LoopEvent::FoldersChanged => self.list_folders(),
            LoopEvent::SettingsChanged => self.effects.push(LoopEffect::LoadSettings),
            LoopEvent::ClockSetBack => self.clock_set_back(now),
            LoopEvent::Woken => {
                self.effects.push(LoopEffect::Notify(LoopNotice::Woken));
                self.look_at_due(now);
                self.effects.push(LoopEffect::CheckHost);
            }
            LoopEvent::Signal(signal) => {
                self.summary.signal = Some(signal);
                self.end_early();
            }
            LoopEvent::EndAsked => {
                self.summary.stopped = true;
                self.end_early();
            }
            LoopEvent::EnginesRead(engines) => {
                self.model.set_engines(engines);
                self.notify_changes();
            }
            LoopEvent::RoomRead(lack) => self.take_room(lack),
            LoopEvent::AllHandled => self.decide(now),
            LoopEvent::ListenersAsked { is_drained, next } => self.rest(is_drained, next, now),
            LoopEvent::JobLooked(id, look) => self.take_look(id, look, now),
            LoopEvent::CannotWait(id, trouble) => {
                self.busy.remove(&id);
                self.running.remove(&id);
                self.trouble(&id, &trouble, now);
            }
            LoopEvent::Launched { id, engine } => self.launched(id, engine),
            LoopEvent::MergeBegun(id) => _ = self.running.insert(id),
            LoopEvent::LaunchFailed { id, engine, trouble } => {
                self.model.started(&id, &engine);
                self.notify_changes();
                self.trouble(&id, &trouble, now);
            }
            LoopEvent::NotAsPlanned(id) => {
                self.forget(&id);
                self.look_at(&id, now);
            }
            LoopEvent::JobRefused { id, why } => self.refused(id, why),
            LoopEvent::JobBusy(id) => self.wait_until_free(id),
            LoopEvent::JobTaken(id) => {
                self.unsettled.remove(&id);
                self.busy.insert(id);
            }
            LoopEvent::JobWithdrawn(id) => self.forget(&id),
            LoopEvent::RecordDamaged(id, text) => self.leave_alone(&id, text, now),
            LoopEvent::JobTroubled(id, trouble) => self.trouble(&id, &trouble, now),
            LoopEvent::RunRead { record, state, lack } => {
                self.run_ended(record, state.as_ref(), lack, now);
            }
        }
        std::mem::take(&mut self.effects)
    }

    /// A second queue like the one in memory, for a listener that keeps it by
    /// [`LoopNotice::Queue`].
    pub(in crate::run) fn follow(&mut self) -> (JobQueue, HostId) {
        self.model.follow()
    }

    /// The jobs whose worker is alive.
    pub(in crate::run) fn running(&self) -> &HashSet<JobId> {
        &self.running
    }

    /// Tests whether a look at the job waits for something else.
    pub(in crate::run) fn is_left_alone(&self, id: &JobId, now: Timestamp) -> bool {
        self.is_busy(id) || self.backoff.pauses(id, now)
    }

    /// Tests whether somebody else holds the job for a moment.
    pub(in crate::run) fn is_busy(&self, id: &JobId) -> bool {
        self.busy.contains(id)
    }

    /// How many jobs are where.
    pub(in crate::run) fn counts(&self) -> QueueCounts {
        self.model.counts()
    }

    /// The result of the loop as far as it has come.
    pub(in crate::run) fn summary(&self) -> LoopSummary {
        self.summary
    }

    /// What is waited for is reckoned anew from what is on record.
    fn clock_set_back(&mut self, now: Timestamp) {
        self.model.clock_set_back(now);
        self.notify_changes();
        self.unsettled.clear();
        self.effects
            .extend([LoopEffect::ReadEngines, LoopEffect::Notify(LoopNotice::ClockSetBack)]);
        self.list_folders();
    }

    fn list_folders(&mut self) {
        self.effects
            .extend([LoopEffect::Notify(LoopNotice::FoldersChanged), LoopEffect::ListFolders]);
    }

    fn end_early(&mut self) {
        self.summary.left_running = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        self.effects.push(LoopEffect::End(self.summary));
    }

    /// Takes a job out of the queue in memory.
    fn forget(&mut self, id: &JobId) {
        self.trains.leave(id);
        self.model.forget(id);
        self.notify_changes();
    }

    /// Reports a job to the listeners, which may know this state.
    fn notify(&mut self, id: &JobId, before: Option<JobState>) {
        let after = self.model.state(id);
        let id = id.clone();
        self.effects.push(LoopEffect::Notify(LoopNotice::Job { id, before, after }));
    }

    /// Reports a change of the queue in memory to a listener that follows.
    fn notify_changes(&mut self) {
        if let Some(changes) = self.model.changes() {
            let notices =
                changes.drain(..).map(|change| LoopEffect::Notify(LoopNotice::Queue(change)));
            self.effects.extend(notices);
        }
    }
}
