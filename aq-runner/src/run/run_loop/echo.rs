//! Telling trackers what becomes of their items' jobs (docs/trackers.md), beside the loop and never
//! in its way. The loop says which jobs may have moved; one thread notes down what is to be told,
//! and another one tells it, so that a tracker that hangs keeps nothing from being noted.
//!
//! What happened is read out of the jobs' records, so nothing is lost when no loop is there to see
//! it. What was told is in `.state/tracker/` and, once nobody holds the job, in its record.

mod noter;
mod teller;

use std::sync::mpsc::{Receiver, Sender as ToThread, channel};
use std::time::Duration;

use aq_ledger::{RecordContent, RecordKey, RecordUpdate};
use aq_manifest::{JobId, Stage};
use aq_tracker::{Echo, Trackers};

use crate::store::{HeldJob, QueueDir, StoreError};
use crate::sync::tracker::{Outbox, Sender, Told};

use crate::run::run_loop::LoopNotice;
use crate::run::settings::Settings;
use crate::run::tokens::{TRACKER_TOKENS, TokenFileError};
use noter::{Look, Noter};
use teller::Teller;

/// How often jobs whose item is not done are looked at when nobody says that they moved.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How long a loop that ends waits for what is still to be told. The next loop tells the rest.
const LAST_CALL: Duration = Duration::from_secs(5);

/// The loop's side of the threads; nothing at all unless `AQ_TRACKER_AUTO=1`.
#[derive(Debug)]
pub(crate) struct Echoes {
    threads: Option<Threads>,
}

/// Why trackers cannot be told.
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
struct Threads {
    to_noter: ToThread<Look>,
    troubles: Receiver<String>,
    /// Nothing ever comes; it closes when the threads have ended.
    ended: Receiver<()>,
}

impl Echoes {
    /// Starts the threads, if the environment asks for it.
    pub(crate) fn start(queue: &QueueDir, settings: &Settings) -> Result<Self, EchoError> {
        if settings.environment.get("AQ_TRACKER_AUTO").is_none_or(|value| value != "1") {
            return Ok(Self { threads: None });
        }
        let (to_noter, looks) = channel();
        // Before the loop moves any: it may do so and end before the thread has started.
        for id in live_jobs(queue).into_iter().chain(outbox(queue).jobs()) {
            let _ = to_noter.send(Look::Job(id));
        }
        let (to_teller, jobs) = channel();
        let (tell, troubles) = channel();
        let (alive, ended) = channel::<()>();
        let (trackers, warnings) = trackers(settings)?;
        for warning in warnings {
            let _ = tell.send(format!("tracker: warning: {warning}"));
        }
        let (outbox, statuses) = (outbox(queue), settings.statuses.clone());
        let teller = Teller {
            queue: queue.clone(),
            outbox: outbox.clone(),
            sender: Sender::new(outbox.clone(), statuses.clone(), trackers),
            troubles: tell.clone(),
        };
        let noter = Noter { queue: queue.clone(), outbox, statuses, to_teller, troubles: tell };
        std::thread::Builder::new().name("aq-noter".to_owned()).spawn(move || noter.run(&looks))?;
        std::thread::Builder::new().name("aq-teller".to_owned()).spawn(move || {
            let _alive = alive;
            teller.run(&jobs);
        })?;
        Ok(Self { threads: Some(Threads { to_noter, troubles, ended }) })
    }

    /// Hears that a job may have moved, or that any may have.
    pub(crate) fn hear(&self, notice: &LoopNotice) {
        let Some(threads) = &self.threads else { return };
        let look = match notice {
            LoopNotice::Job { id, .. } => Look::Job(id.clone()),
            LoopNotice::FoldersChanged => Look::Known,
            _ => return,
        };
        // A thread that is gone has said why.
        let _ = threads.to_noter.send(look);
    }

    /// What went wrong since the last time.
    pub(crate) fn troubles(&self) -> Vec<String> {
        self.threads.iter().flat_map(|threads| threads.troubles.try_iter()).collect()
    }

    /// Gives the threads a moment to tell what is still to be told, and answers what went wrong.
    pub(crate) fn finish(self) -> Vec<String> {
        let Some(threads) = self.threads else { return Vec::new() };
        drop(threads.to_noter);
        let _ = threads.ended.recv_timeout(LAST_CALL);
        threads.troubles.try_iter().collect()
    }
}

/// Jobs that are not over.
fn live_jobs(queue: &QueueDir) -> Vec<JobId> {
    let live = [Stage::Inbox, Stage::Building, Stage::Review, Stage::Testing];
    live.into_iter().flat_map(|stage| queue.jobs(stage).unwrap_or_default()).collect()
}

/// The trackers that the environment names or the program brings, and why others may know their
/// tokens.
pub(crate) fn trackers(settings: &Settings) -> Result<(Trackers, Vec<String>), TokenFileError> {
    let (environment, warnings) = settings.environment.with_tokens(&TRACKER_TOKENS)?;
    let trackers = Trackers::new(|name| environment.get(name)?.into_string().ok());
    Ok((trackers.with(settings.trackers.clone()), warnings))
}

/// What waits to be told.
pub(crate) fn outbox(queue: &QueueDir) -> Outbox {
    Outbox::new(queue.state().join("tracker"))
}

/// The item that is told of this job, by this host. Fleet jobs are told of by the coordinator.
pub(crate) fn item_of(meta: &RecordContent) -> Option<&str> {
    if meta.get(RecordKey::FleetJobId).is_some() { None } else { meta.get(RecordKey::TrackerItem) }
}

/// What a record says to a tracker.
pub(crate) fn echo(stage: Stage, meta: &RecordContent) -> Echo {
    Echo::read(stage, |key| meta.get_named(key))
}

/// Writes down in the job's record what its tracker was told.
///
/// # Errors
/// [`StoreError::Busy`] while a worker holds it.
pub(crate) fn record_told(queue: &QueueDir, id: &JobId, told: &Told) -> Result<(), StoreError> {
    let mut job = HeldJob::take(queue, id)?;
    job.append(
        &RecordUpdate::new()
            .set(RecordKey::TrackerTold, &told.item)
            .set_some(RecordKey::TrackerEchoed, told.echoed.as_deref())
            .set_some(RecordKey::TrackerComment, told.comment.as_deref()),
    )
}

/// What is known of a job that its tracker may have been told of before.
pub(crate) fn known(outbox: &Outbox, id: &JobId, item: &str, meta: &RecordContent) -> Told {
    let there = outbox.read(id).filter(|told| told.item == item);
    // The job's file may name another item by now.
    let is_same = meta.get(RecordKey::TrackerTold) == Some(item);
    let recorded = |key| meta.get(key).filter(|_| is_same).map(str::to_owned);
    there.unwrap_or_else(|| Told {
        item: item.to_owned(),
        echoed: recorded(RecordKey::TrackerEchoed),
        comment: recorded(RecordKey::TrackerComment),
        ..Told::default()
    })
}
