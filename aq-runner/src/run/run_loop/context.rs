//! The surroundings of a run loop, which effects and listeners share.

use std::collections::VecDeque;

use aq_manifest::{JobId, Stage};

use super::event_source::{EventSource, WakeCause};
use super::loop_core::{JobTrouble, LoopCore, LoopEffect, LoopEvent, LoopReport};
use super::progress::LoopProgress;
use crate::run::host_lack::HostError as _;
use crate::run::run_loop::options::RunOptions;
use crate::run::settings::QueueSettings;
use crate::store::{HeldJob, QueueDir, StoreError};

/// The queue, its settings, and whoever watches the loop.
pub(super) struct LoopContext<'a> {
    pub(super) queue: &'a QueueDir,
    pub(super) settings: QueueSettings,
    pub(super) options: &'a RunOptions,
    pub(super) observer: &'a mut dyn FnMut(LoopProgress<'_>),
    pub(super) source: EventSource,
}

/// Something that is still to be handled or done, in its turn.
#[derive(Debug)]
pub(super) enum PendingWork {
    Wake(WakeCause),
    Event(LoopEvent),
    LoopEffect(LoopEffect),
}

/// The work that is left, the next piece first.
#[derive(Debug, Default)]
pub(super) struct WorkList(VecDeque<PendingWork>);

impl WorkList {
    pub(super) fn next(&mut self) -> Option<PendingWork> {
        self.0.pop_front()
    }

    /// Puts what follows from the piece that was just taken before everything else.
    pub(super) fn put_first<T: Into<PendingWork>>(&mut self, follows: Vec<T>) {
        for work in follows.into_iter().rev() {
            self.0.push_front(work.into());
        }
    }
}

impl From<LoopEvent> for PendingWork {
    fn from(event: LoopEvent) -> Self {
        Self::Event(event)
    }
}

impl From<LoopEffect> for PendingWork {
    fn from(effect: LoopEffect) -> Self {
        Self::LoopEffect(effect)
    }
}

impl LoopContext<'_> {
    /// Reports something that went wrong to the observer.
    pub(super) fn report_trouble(&mut self, words: &str) {
        (self.observer)(LoopProgress::Trouble(words));
    }

    pub(super) fn report(&mut self, report: &LoopReport) {
        (self.observer)(match report {
            LoopReport::Started { id, engine } => LoopProgress::Started { id, engine },
            LoopReport::Ended(record) => {
                LoopProgress::Ended { id: &record.id, stage: record.stage, record }
            }
            LoopReport::Merged(record) => {
                LoopProgress::Merged { id: &record.id, stage: record.stage, record }
            }
            LoopReport::Refused { id, why } => LoopProgress::Refused { id, why },
            LoopReport::Trouble(words) => LoopProgress::Trouble(words),
            LoopReport::Idle(counts) => LoopProgress::Idle(*counts),
        });
    }

    /// The error of one job as the core takes it in.
    pub(super) fn trouble_of(&self, id: &JobId, error: &StoreError) -> JobTrouble {
        JobTrouble {
            text: error.to_string(),
            lack: error.lack(),
            is_held: matches!(HeldJob::lock(self.queue, id), Err(StoreError::Busy(_))),
            place: self.queue.find(id),
        }
    }

    /// The jobs of a folder as touched ones.
    pub(super) fn touch_jobs(
        &self,
        stage: Stage,
        out: &mut Vec<PendingWork>,
    ) -> Result<(), StoreError> {
        let touched = |id| PendingWork::Event(LoopEvent::JobTouched(id));
        out.extend(self.queue.jobs(stage)?.into_iter().map(touched));
        Ok(())
    }
}

/// The surroundings of a listener while it hears of something.
pub(super) struct ListenerContext<'c, 'a> {
    pub(super) context: &'c mut LoopContext<'a>,
    /// For reading: a listener decides nothing but by the events that it sends.
    pub(super) core: &'c LoopCore,
    pub(super) out: &'c mut Vec<PendingWork>,
}

impl<'a> ListenerContext<'_, 'a> {
    pub(super) fn queue(&self) -> &'a QueueDir {
        self.context.queue
    }

    pub(super) fn send(&mut self, event: LoopEvent) {
        self.out.push(event.into());
    }

    pub(super) fn report_trouble(&mut self, words: &str) {
        self.context.report_trouble(words);
    }
}
