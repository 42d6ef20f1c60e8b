//! Telling trackers what becomes of their items' jobs (SPEC section 11), beside the loop and never
//! in its way: the loop says which jobs may have moved, and a thread of its own does the rest.
//!
//! What happened is read out of the jobs' records, so nothing is lost when no loop is there to see
//! it. What was told is in `.state/tracker/` and, once nobody holds the job, in its record.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender as ToThread, channel};
use std::time::{Duration, Instant};

use aq_manifest::{JobId, Stage};
use aq_tracker::{Echo, StatusMap, Trackers};

use crate::store::{HeldJob, JobRecord, Meta, Move, QueueDir, Record, Result, StoreError, moves};
use crate::sync::tracker::{Happened, Outbox, Sender, Told};

use super::settings::{Environment, Settings};
use super::wake::Wake;

/// How often jobs whose item is not done are looked at when nobody says that they moved.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How long a loop that ends waits for what is still to be told. The next loop tells the rest.
const LAST_CALL: Duration = Duration::from_secs(5);

/// Jobs whose steps are told while they are not over.
const LIVE: [Stage; 4] = [Stage::Inbox, Stage::Building, Stage::Review, Stage::Testing];

/// The loop's side of the thread; nothing at all unless `AQ_TRACKER_AUTO=1`.
#[derive(Debug)]
pub(crate) struct Echoes {
    thread: Option<Thread>,
}

#[derive(Debug)]
struct Thread {
    to_thread: ToThread<Look>,
    troubles: Receiver<String>,
    /// Nothing ever comes; it closes when the thread has ended.
    ended: Receiver<()>,
}

/// What the thread is to look at.
#[derive(Debug)]
enum Look {
    Job(JobId),
    Everything,
}

impl Echoes {
    /// Starts the thread, if the environment asks for it.
    pub(crate) fn start(queue: &QueueDir, settings: &Settings) -> std::io::Result<Self> {
        if settings.environment.get("AQ_TRACKER_AUTO").is_none_or(|value| value != "1") {
            return Ok(Self { thread: None });
        }
        let (to_thread, looks) = channel();
        let (tell, troubles) = channel();
        let (alive, ended) = channel();
        let trackers = trackers(&settings.environment);
        let connect = Box::new(move |kind| trackers.tracker(kind));
        let outbox = outbox(queue);
        let statuses = settings.statuses.clone();
        let teller = Teller {
            queue: queue.clone(),
            sender: Sender::new(outbox.clone(), statuses.clone(), connect),
            outbox,
            statuses,
            troubles: tell,
        };
        std::thread::Builder::new().name("aq-tracker".to_owned()).spawn(move || {
            let _alive: ToThread<()> = alive;
            teller.run(&looks);
        })?;
        Ok(Self { thread: Some(Thread { to_thread, troubles, ended }) })
    }

    /// Passes on that something may have moved.
    pub(crate) fn saw(&self, wake: &Wake) {
        let Some(thread) = &self.thread else { return };
        let look = match wake {
            Wake::Job(id) | Wake::WorkerEnded(id) | Wake::Free(id) => Look::Job(id.clone()),
            Wake::Everything => Look::Everything,
            Wake::Settings | Wake::Signal(_) => return,
        };
        // A thread that is gone has said why.
        let _ = thread.to_thread.send(look);
    }

    /// What went wrong since the last time.
    pub(crate) fn troubles(&self) -> Vec<String> {
        self.thread.iter().flat_map(|thread| thread.troubles.try_iter()).collect()
    }

    /// Gives the thread a moment to tell what is still to be told, and answers what went wrong.
    pub(crate) fn finish(self) -> Vec<String> {
        let Some(thread) = self.thread else { return Vec::new() };
        drop(thread.to_thread);
        let _ = thread.ended.recv_timeout(LAST_CALL);
        thread.troubles.try_iter().collect()
    }
}

/// The trackers that an environment names.
pub(super) fn trackers(environment: &Environment) -> Trackers {
    Trackers::new(|name| environment.get(name)?.into_string().ok())
}

/// What waits to be told.
pub(super) fn outbox(queue: &QueueDir) -> Outbox {
    Outbox::new(queue.state().join("tracker"))
}

/// The item that is told of this job, by this host. Fleet jobs are told of by the coordinator.
pub(super) fn item_of(meta: &Meta) -> Option<&str> {
    if meta.get("fleet_job_id").is_some() { None } else { meta.get("tracker_item") }
}

/// What a record says to a tracker.
pub(super) fn echo(stage: Stage, meta: &Meta) -> Echo {
    Echo::read(stage, |key| meta.get(key))
}

/// Writes down in the job's record what its tracker was told.
///
/// # Errors
/// [`StoreError::Busy`] while a worker holds it.
pub(super) fn record_told(queue: &QueueDir, id: &JobId, told: &Told) -> Result<()> {
    let mut job = HeldJob::take(queue, id)?;
    job.append(
        &Record::new()
            .set("tracker_told", &told.item)
            .set_some("tracker_echoed", told.echoed.as_deref())
            .set_some("tracker_comment", told.comment.as_deref()),
    )
}

/// Whether the record says what its tracker was told.
fn is_recorded(meta: &Meta, told: &Told) -> bool {
    meta.get("tracker_told") == Some(&told.item)
        && told.echoed.as_deref().is_none_or(|echoed| meta.get("tracker_echoed") == Some(echoed))
        && told.comment.as_deref().is_none_or(|number| meta.get("tracker_comment") == Some(number))
}

/// What is known of a job that its tracker may have been told of before.
pub(super) fn known(outbox: &Outbox, id: &JobId, item: &str, meta: &Meta) -> Told {
    let there = outbox.read(id).filter(|told| told.item == item);
    // The job's file may name another item by now.
    let is_same = meta.get("tracker_told") == Some(item);
    let recorded = |key| meta.get(key).filter(|_| is_same).map(str::to_owned);
    there.unwrap_or_else(|| Told {
        item: item.to_owned(),
        echoed: recorded("tracker_echoed"),
        comment: recorded("tracker_comment"),
        ..Told::default()
    })
}

/// The thread.
struct Teller {
    queue: QueueDir,
    outbox: Outbox,
    sender: Sender,
    statuses: StatusMap,
    troubles: ToThread<String>,
}

impl Teller {
    fn run(mut self, looks: &Receiver<Look>) {
        self.look_at_everything();
        let mut goes_on = true;
        while goes_on {
            self.send();
            let pause = self.sender.pause(Instant::now()).unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN);
            match looks.recv_timeout(pause) {
                Ok(first) => {
                    let mut jobs = BTreeSet::new();
                    for look in [first].into_iter().chain(looks.try_iter()) {
                        match look {
                            Look::Job(id) => _ = jobs.insert(id),
                            Look::Everything => self.look_at_everything(),
                        }
                    }
                    for id in jobs {
                        self.look_at(&id);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.look_at_known(),
                Err(RecvTimeoutError::Disconnected) => goes_on = false,
            }
        }
        // The loop is about to end: what happened up to now is told, if the trackers are well.
        self.look_at_known();
        self.send();
    }

    fn look_at_everything(&mut self) {
        for stage in LIVE {
            for id in self.queue.jobs(stage).unwrap_or_default() {
                self.look_at(&id);
            }
        }
        self.look_at_known();
    }

    fn look_at_known(&mut self) {
        for id in self.outbox.jobs() {
            self.look_at(&id);
        }
    }

    fn look_at(&mut self, id: &JobId) {
        match self.try_look_at(id) {
            // Its worker holds the job, or somebody moves it: there will be another look.
            Ok(()) | Err(StoreError::Busy(_) | StoreError::NoSuchJob(_)) => {}
            Err(e) => self.trouble(format!("tracker: {e}")),
        }
    }

    /// Puts what has happened to a job since the last look into the outbox, and what its tracker was
    /// told into its record.
    fn try_look_at(&mut self, id: &JobId) -> Result<()> {
        let Some(stage) = self.queue.find(id) else { return self.forget(id) };
        let record = JobRecord::read(&self.queue, stage, id.clone())?;
        let Some(item) = item_of(&record.meta) else { return self.forget(id) };
        if self.is_old_news(id, item, &record) {
            return Ok(());
        }
        let lock = self.outbox.lock().map_err(|e| self.broken(e))?;
        let before = known(&self.outbox, id, item, &record.meta);
        let mut told = before.clone();
        let steps = moves(&self.queue, id, told.read)?;
        let (echoes, read) = news(steps, stage, &record.meta, &told);
        told.note(echoes, &self.statuses);
        told.read = read.or(told.read).or(Some(0));
        if told != before {
            self.outbox.write(&lock, id, &told).map_err(|e| self.broken(e))?;
        }
        drop(lock);
        if !told.waiting.is_empty() {
            self.sender.add(id.clone());
        } else if !matches!(stage, Stage::Inbox | Stage::Building) {
            if !is_recorded(&record.meta, &told) {
                record_told(&self.queue, id, &told)?;
            }
            if stage.is_final() {
                // The record has it all.
                return self.forget(id);
            }
        }
        Ok(())
    }

    /// Whether a job that is not in the outbox need not be there.
    fn is_old_news(&self, id: &JobId, item: &str, record: &JobRecord) -> bool {
        let told = known(&self.outbox, id, item, &record.meta);
        let is_untold =
            record.stage == Stage::Inbox && self.statuses.status(Stage::Inbox).is_none();
        told.read.is_none() && (is_untold || told.is_last(record.stage))
    }

    fn forget(&self, id: &JobId) -> Result<()> {
        if self.outbox.read(id).is_none() {
            return Ok(());
        }
        let removed = self.outbox.lock().and_then(|lock| self.outbox.remove(&lock, id));
        removed.map_err(|e| self.broken(e))
    }

    fn broken(&self, source: std::io::Error) -> StoreError {
        StoreError::Io { action: "write the outbox in", path: self.queue.state(), source }
    }

    fn send(&mut self) {
        let mut told = BTreeSet::new();
        let mut troubles = Vec::new();
        self.sender.send(&mut |happened| match happened {
            Happened::Told(id, _) => _ = told.insert(id),
            Happened::Dropped(id, stage, why) => {
                troubles.push(format!("tracker: {id} in {stage}/ is not told: {why}"));
                told.insert(id);
            }
            Happened::Rests(_, pause, why) => {
                let pause = pause.as_secs();
                troubles.push(format!("tracker: {why}; the next try is in {pause} s"));
            }
            Happened::Broken(why) => troubles.push(format!("tracker: the outbox: {why}")),
        });
        for why in troubles {
            self.trouble(why);
        }
        for id in told {
            self.look_at(&id);
        }
    }

    fn trouble(&self, why: String) {
        // A loop that is gone does not need to know.
        let _ = self.troubles.send(why);
    }
}

/// What happened in `steps` to a job that lies in `stage`, and how far its record was read then.
fn news(mut steps: Vec<Move>, stage: Stage, meta: &Meta, told: &Told) -> (Vec<Echo>, Option<u64>) {
    // The rename of the last step may still be to come, or was never made.
    if steps.last().is_some_and(|last| last.to != stage) {
        steps.pop();
    }
    let read = steps.last().map(|last| last.end);
    let mut echoes: Vec<Echo> = steps.iter().map(|step| echo(step.to, &step.meta)).collect();
    let last = echoes.last().map(|last| last.stage);
    // A person has moved the file: the folder is the truth.
    if last.map_or(!told.is_last(stage), |last| last != stage) {
        echoes.push(echo(stage, meta));
    }
    (echoes, read)
}
