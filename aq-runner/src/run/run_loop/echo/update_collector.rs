//! Collecting updates for trackers: the steps of jobs go from their records into the outbox.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender as ToThread};

use aq_ledger::RecordContent;
use aq_manifest::{JobId, Stage};
use aq_tracker::{StatusMap, TrackerUpdate};

use crate::store::{JobRecord, QueueDir, RecordedMove, Result, StoreError, moves};
use crate::sync::tracker::{JobUpdates, UpdateOutbox};

use super::LOOK_AGAIN;
use crate::run::tracking::{echo, item_of, known};

/// Work for the thread.
#[derive(Debug)]
pub(super) enum CollectRequest {
    Job(JobId),
    /// Those with earlier updates, which may have more.
    Known,
}

/// The thread.
pub(super) struct UpdateCollector {
    pub(super) queue: QueueDir,
    pub(super) outbox: UpdateOutbox,
    pub(super) statuses: StatusMap,
    pub(super) to_sender: ToThread<JobId>,
    pub(super) troubles: ToThread<String>,
}

impl UpdateCollector {
    /// Goes on until the loop ends.
    pub(super) fn run(self, looks: &Receiver<CollectRequest>) {
        loop {
            match looks.recv_timeout(LOOK_AGAIN) {
                Ok(first) => {
                    let mut jobs = BTreeSet::new();
                    for look in [first].into_iter().chain(looks.try_iter()) {
                        match look {
                            CollectRequest::Job(id) => _ = jobs.insert(id),
                            CollectRequest::Known => self.look_at_known(),
                        }
                    }
                    jobs.iter().for_each(|id| self.look_at(id));
                }
                Err(RecvTimeoutError::Timeout) => self.look_at_known(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // The last step of a job may not have been passed on.
        self.look_at_known();
    }

    fn look_at_known(&self) {
        for id in self.outbox.jobs() {
            self.look_at(&id);
        }
    }

    fn look_at(&self, id: &JobId) {
        match self.try_look_at(id) {
            Ok(true) => _ = self.to_sender.send(id.clone()),
            Ok(false) => {}
            // A loop that is gone does not need to know.
            Err(e) => _ = self.troubles.send(format!("tracker: {e}")),
        }
    }

    /// Puts what has happened to a job since the last look into the outbox. `true`: there is
    /// something of it.
    fn try_look_at(&self, id: &JobId) -> Result<bool> {
        if self.has_nothing_new(id)? {
            return Ok(false);
        }
        let lock = self.outbox.lock().map_err(|e| self.broken(e))?;
        // Only now: what leaves the outbox is in the record from then on.
        loop {
            let Some(stage) = self.queue.find(id) else {
                return Ok(self.outbox.read(id).is_some());
            };
            let record = JobRecord::read(&self.queue, stage, id.clone())?;
            let Some(item) = item_of(&record.meta) else {
                return Ok(self.outbox.read(id).is_some());
            };
            let before = known(&self.outbox, id, item, &record.meta);
            if is_old_news(&before, stage) {
                return Ok(false);
            }
            let mut told = before.clone();
            let steps = moves(&self.queue, id, told.read)?;
            if !self.queue.has(stage, id) {
                // It has moved meanwhile: folder and record are of different moments.
                continue;
            }
            let (mut echoes, read) = news(steps, stage, &record.meta, &told);
            if told.read.is_none() && stage == Stage::Inbox {
                // What an earlier run came to is past.
                echoes.retain(|echo| echo.stage == Stage::Inbox);
            }
            told.note(echoes, &self.statuses);
            told.read = read.or(told.read).or(Some(0));
            told.seen = Some(stage.folder().to_owned());
            if told != before {
                self.outbox.write(&lock, id, &told).map_err(|e| self.broken(e))?;
            }
            return Ok(true);
        }
    }

    /// Whether that is certain without the lock: the job has no item, or is over and its record
    /// complete.
    fn has_nothing_new(&self, id: &JobId) -> Result<bool> {
        let Some(stage) = self.queue.find(id) else { return Ok(self.outbox.read(id).is_none()) };
        let record = JobRecord::read(&self.queue, stage, id.clone())?;
        let Some(item) = item_of(&record.meta) else {
            return Ok(self.outbox.read(id).is_none());
        };
        Ok(is_old_news(&known(&self.outbox, id, item, &record.meta), stage))
    }

    fn broken(&self, source: std::io::Error) -> StoreError {
        StoreError::Io { action: "write the outbox in", path: self.queue.state(), source }
    }
}

/// Whether a job that is not in the outbox need not be there. One that waits is put there, so that
/// nothing which happens to it is missed.
fn is_old_news(told: &JobUpdates, stage: Stage) -> bool {
    told.read.is_none() && stage != Stage::Inbox && told.is_last(stage)
}

/// What happened in `steps` to a job that lies in `stage`, and how far its record was read then.
fn news(
    mut steps: Vec<RecordedMove>,
    stage: Stage,
    meta: &RecordContent,
    told: &JobUpdates,
) -> (Vec<TrackerUpdate>, Option<u64>) {
    // The rename of the last step may still be to come, or was never made.
    if steps.last().is_some_and(|last| last.to != stage) {
        steps.pop();
    }
    let read = steps.last().map(|last| last.end);
    let mut echoes: Vec<TrackerUpdate> =
        steps.iter().map(|step| echo(step.to, &step.meta)).collect();
    let last = echoes.last().map(|last| last.stage);
    // A person has moved the file: the folder is the truth.
    if last.map_or(!told.is_last(stage), |last| last != stage) {
        echoes.push(echo(stage, meta));
    }
    (echoes, read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(stages: &[Stage]) -> Vec<RecordedMove> {
        let step = |(n, &to): (usize, &Stage)| RecordedMove {
            to,
            meta: RecordContent::parse(&format!("attempts={n}\n")),
            end: n as u64,
        };
        stages.iter().enumerate().map(step).collect()
    }

    fn told(
        steps: Vec<RecordedMove>,
        stage: Stage,
        echoed: &str,
    ) -> (Vec<(Stage, u32)>, Option<u64>) {
        let told = JobUpdates { echoed: Some(echoed.to_owned()), ..JobUpdates::default() };
        let (echoes, read) = news(steps, stage, &RecordContent::parse("attempts=9\n"), &told);
        (echoes.iter().map(|echo| (echo.stage, echo.attempts.unwrap_or(99))).collect(), read)
    }

    #[test]
    fn steps_are_told_with_the_numbers_of_then() {
        use Stage::{Building, Review};
        let both = vec![(Building, 0), (Review, 1)];
        assert_eq!(told(steps(&[Building, Review]), Review, ""), (both, Some(1)));
        assert_eq!(told(Vec::new(), Review, "review"), (Vec::new(), None));
    }

    #[test]
    fn unrenamed_step_waits() {
        use Stage::{Building, Review};
        let first = vec![(Building, 0)];
        assert_eq!(told(steps(&[Building, Review]), Building, ""), (first, Some(0)));
        assert_eq!(told(steps(&[Review]), Building, "building"), (Vec::new(), None));
    }

    #[test]
    fn move_by_hand_is_sent() {
        let by_hand = vec![(Stage::Shipped, 9)];
        assert_eq!(told(Vec::new(), Stage::Shipped, "testing"), (by_hand, None));
    }
}
