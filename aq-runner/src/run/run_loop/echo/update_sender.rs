//! Sending the outbox to trackers, and writing into the jobs' records what was sent.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender as ToThread};
use std::time::Instant;

use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::{JobId, Stage};

use crate::store::{JobRecord, QueueDir, Result, StoreError};
use crate::sync::tracker::{JobUpdates, OutboxSender, SendResult, UpdateOutbox};

use super::LOOK_AGAIN;
use crate::run::tracking::record_told;

/// The thread.
pub(super) struct UpdateSender {
    pub(super) queue: QueueDir,
    pub(super) outbox: UpdateOutbox,
    pub(super) sender: OutboxSender,
    pub(super) troubles: ToThread<String>,
}

impl UpdateSender {
    /// Goes on until the collector ends, and then once more for what it noted last.
    pub(super) fn run(mut self, jobs: &Receiver<JobId>) {
        let mut goes_on = true;
        while goes_on {
            let pause = self.sender.pause(Instant::now()).unwrap_or(LOOK_AGAIN);
            let mut looked_at = BTreeSet::new();
            match jobs.recv_timeout(pause) {
                Ok(first) => looked_at.extend([first].into_iter().chain(jobs.try_iter())),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => goes_on = false,
            }
            for id in &looked_at {
                self.sender.add(id.clone());
            }
            looked_at.extend(self.send());
            for id in looked_at {
                self.settle(&id);
            }
        }
    }

    /// Sends what may be sent. Returns the jobs of which something was.
    fn send(&mut self) -> BTreeSet<JobId> {
        let mut told = BTreeSet::new();
        let troubles = &self.troubles;
        // A loop that is gone does not need to know.
        let trouble = |why: String| _ = troubles.send(format!("tracker: {why}"));
        self.sender.send(&mut |happened| match happened {
            SendResult::Told(id) => _ = told.insert(id),
            SendResult::Dropped(id, stage, why) => {
                trouble(format!("{id} in {stage}/ is not told: {why}"));
                told.insert(id);
            }
            SendResult::Delayed(id, pause, why) => {
                trouble(format!("{id}: {why}; the next try is in {} s", pause.as_secs()));
            }
            SendResult::Rests(pause, why) => {
                trouble(format!("{why}; the next try is in {} s", pause.as_secs()));
            }
            SendResult::Broken(why) => trouble(format!("the outbox: {why}")),
        });
        told
    }

    fn settle(&self, id: &JobId) {
        match self.try_settle(id) {
            // Its worker holds the job, or somebody moves it: there will be another look.
            Ok(()) | Err(StoreError::Busy(_) | StoreError::NoSuchJob(_)) => {}
            Err(e) => _ = self.troubles.send(format!("tracker: {e}")),
        }
    }

    /// Writes what the tracker got into the job's record, once nobody holds it. A job that is
    /// over and whose updates were all sent leaves the outbox: its record has it all.
    fn try_settle(&self, id: &JobId) -> Result<()> {
        let Some(told) = self.outbox.read(id) else { return Ok(()) };
        let stage = self.queue.find(id);
        if !told.waiting.is_empty() && stage.is_some() {
            return Ok(());
        }
        match stage {
            Some(Stage::Inbox | Stage::Building) => return Ok(()),
            // It has moved since the collector looked.
            Some(stage) if told.seen.as_deref() != Some(stage.folder()) => return Ok(()),
            Some(stage) => {
                let record = JobRecord::read(&self.queue, stage, id.clone())?;
                // A record that `clean` has put away is not begun anew.
                if !record.meta.is_empty() && !is_recorded(&record.meta, &told) {
                    record_told(&self.queue, id, &told)?;
                }
                if !stage.is_final() {
                    return Ok(());
                }
            }
            None => {}
        }
        let removed = self.outbox.lock().and_then(|lock| {
            // Something may have been noted since.
            if self.outbox.read(id) == Some(told) { self.outbox.remove(&lock, id) } else { Ok(()) }
        });
        let path = self.queue.state();
        removed.map_err(|source| StoreError::Io { action: "clear the outbox in", path, source })
    }
}

/// Whether the record says what its tracker got.
fn is_recorded(meta: &RecordContent, told: &JobUpdates) -> bool {
    meta.get(RecordKey::TrackerTold) == Some(&told.item)
        && told
            .echoed
            .as_deref()
            .is_none_or(|echoed| meta.get(RecordKey::TrackerEchoed) == Some(echoed))
        && told
            .comment
            .as_deref()
            .is_none_or(|number| meta.get(RecordKey::TrackerComment) == Some(number))
}
