//! Telling trackers what becomes of their items' jobs (docs/trackers.md), beside the loop and never
//! in its way. The loop says which jobs may have moved; one thread collects the updates,
//! and another one sends them, so that a tracker that hangs keeps none from being noted.
//!
//! What happened is read out of the jobs' records, so nothing is lost when no loop is there to see
//! it. What was sent is in `.state/tracker/` and, once nobody holds the job, in its record.

mod update_collector;
mod update_sender;

use std::sync::mpsc::{Receiver, Sender as ToThread, channel};
use std::time::Duration;

use aq_manifest::{JobId, Stage};

use crate::store::QueueDir;
use crate::sync::tracker::OutboxSender;

use crate::run::run_loop::LoopNotice;
use crate::run::settings::QueueSettings;
use crate::run::tokens::TokenFileError;
use crate::run::tracking::{outbox, trackers};
use update_collector::{CollectRequest, UpdateCollector};
use update_sender::UpdateSender;

/// How often jobs whose item is not done are looked at when nobody says that they moved.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Time that a loop that ends waits for what is still to be sent. The next loop sends the rest.
const LAST_CALL: Duration = Duration::from_secs(5);

/// The loop's side of the threads; nothing at all unless `AQ_TRACKER_AUTO=1`.
#[derive(Debug)]
pub(crate) struct TrackerThreads {
    threads: Option<RunningThreads>,
}

/// Reason why trackers cannot get updates.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EchoError {
    /// A thread could not be started.
    #[error("cannot start a thread for trackers: {0}")]
    Thread(#[from] std::io::Error),
    /// A token cannot be read.
    #[error(transparent)]
    Token(#[from] TokenFileError),
}

#[derive(Debug)]
struct RunningThreads {
    to_collector: ToThread<CollectRequest>,
    troubles: Receiver<String>,
    /// Nothing ever comes; it closes when the threads have ended.
    ended: Receiver<()>,
}

impl TrackerThreads {
    /// Starts the threads, if the environment asks for it.
    pub(crate) fn start(queue: &QueueDir, settings: &QueueSettings) -> Result<Self, EchoError> {
        if settings.environment.get("AQ_TRACKER_AUTO").is_none_or(|value| value != "1") {
            return Ok(Self { threads: None });
        }
        let (to_collector, looks) = channel();
        // Before the loop moves any: it may do so and end before the thread has started.
        for id in live_jobs(queue).into_iter().chain(outbox(queue).jobs()) {
            let _ = to_collector.send(CollectRequest::Job(id));
        }
        let (to_sender, jobs) = channel();
        let (tell, troubles) = channel();
        let (alive, ended) = channel::<()>();
        let (trackers, warnings) = trackers(settings)?;
        for warning in warnings {
            let _ = tell.send(format!("tracker: warning: {warning}"));
        }
        let (outbox, statuses) = (outbox(queue), settings.statuses.clone());
        let sender = UpdateSender {
            queue: queue.clone(),
            outbox: outbox.clone(),
            sender: OutboxSender::new(outbox.clone(), statuses.clone(), trackers),
            troubles: tell.clone(),
        };
        let collector =
            UpdateCollector { queue: queue.clone(), outbox, statuses, to_sender, troubles: tell };
        std::thread::Builder::new()
            .name("aq-collector".to_owned())
            .spawn(move || collector.run(&looks))?;
        std::thread::Builder::new().name("aq-sender".to_owned()).spawn(move || {
            let _alive = alive;
            sender.run(&jobs);
        })?;
        Ok(Self { threads: Some(RunningThreads { to_collector, troubles, ended }) })
    }

    /// Hears that a job may have moved, or that any may have.
    pub(crate) fn hear(&self, notice: &LoopNotice) {
        let Some(threads) = &self.threads else { return };
        let look = match notice {
            LoopNotice::Job { id, .. } => CollectRequest::Job(id.clone()),
            LoopNotice::FoldersChanged => CollectRequest::Known,
            _ => return,
        };
        // A thread that is gone has said why.
        let _ = threads.to_collector.send(look);
    }

    /// What went wrong since the last time.
    pub(crate) fn troubles(&self) -> Vec<String> {
        self.threads.iter().flat_map(|threads| threads.troubles.try_iter()).collect()
    }

    /// Gives the threads a moment to send what is left, and returns what went wrong.
    pub(crate) fn finish(self) -> Vec<String> {
        let Some(threads) = self.threads else { return Vec::new() };
        drop(threads.to_collector);
        let _ = threads.ended.recv_timeout(LAST_CALL);
        threads.troubles.try_iter().collect()
    }
}

/// Jobs that are not over.
fn live_jobs(queue: &QueueDir) -> Vec<JobId> {
    let live = [Stage::Inbox, Stage::Building, Stage::Review, Stage::Testing];
    live.into_iter().flat_map(|stage| queue.jobs(stage).unwrap_or_default()).collect()
}
