//! The run loop: it plans, starts workers and sleeps until something happens. It holds nothing
//! that is not on disk, so it can end at any moment.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use aq_manifest::{JobId, Outcome, Stage};
use aq_scheduler::{Counts, Limits, Rejection, Start, State};
use jiff::Timestamp;

use crate::process::ProcessId;
use crate::store::{
    FileLock, HeldJob, Ingested, Invalid, JobRecord, Promise, QueueDir, Record, StoreError, holder,
    ingest, refuse, rename_if_taken,
};

use super::actions::ship;
use super::engine_use;
use super::foresight::lacks_engine;
use super::host_capabilities;
use super::launch::start_worker;
use super::model::{Model, resting_state, settled};
use super::recovery::{WORKER_KEYS, recover_job, worker};
use super::settings::{Settings, SettingsError};
use super::troubles::Troubles;
use super::wake::{Wake, Wakes};

/// How often the folders are looked at on file systems that do not tell what changed.
const SWEEP: Duration = Duration::from_secs(30);

/// The folders of jobs that have not ended, in the order in which they are looked at: what runs
/// already comes before what could.
const LIVE: [Stage; 4] = [Stage::Building, Stage::Inbox, Stage::Review, Stage::Testing];

/// The pause when it cannot be told whether a job is held.
const WAIT_PAUSE: Duration = Duration::from_secs(1);

/// How long the lock of a loop that is dead is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// How a loop runs.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Jobs at once.
    pub max: u32,
    /// Start nothing while this many jobs wait in review/.
    pub max_review: Option<u32>,
    /// Drain the queue and end.
    pub once: bool,
    /// Ship what reaches testing/.
    pub ship: bool,
    /// The program that is started as `PROGRAM worker QUEUE JOB` and calls [`super::work`].
    pub worker: PathBuf,
}

/// What a loop tells while it runs. It prints nothing itself.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// A job was started.
    Started {
        /// The job.
        id: &'a JobId,
        /// Its engine.
        engine: &'a str,
    },
    /// A job that ran has come to rest in a folder.
    Ended {
        /// The job.
        id: &'a JobId,
        /// Its folder.
        stage: Stage,
        /// Its record.
        record: &'a JobRecord,
    },
    /// A job was moved to failed/ without having run.
    Refused {
        /// The job.
        id: &'a JobId,
        /// Why.
        why: &'a str,
    },
    /// Something went wrong that the loop can go on with.
    Trouble(&'a str),
    /// The loop is about to sleep.
    Idle(Counts),
}

/// What a loop did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Jobs that were started, or taken up again, and came to an end.
    pub ended: u32,
    /// Jobs that are in failed/ because of this loop.
    pub failed: u32,
    /// Jobs that still wait when it ends.
    pub waiting: u32,
    /// Workers that go on without the loop, because a signal ended it.
    pub left_running: u32,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// Why a loop did not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// One is running.
    #[error(
        "a run loop is at work on this queue already: process {pid}, since {since}; `aq stop` ends it"
    )]
    AlreadyRunning {
        /// Its process.
        pid: String,
        /// When it started.
        since: String,
    },
    /// The queue's config.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The queue's files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system.
    #[error("cannot {0}: {1}")]
    System(&'static str, io::Error),
}

/// Runs the loop until a signal ends it or, with `once`, until nothing more will happen by itself.
///
/// # Errors
/// When it cannot start, or the queue's folders cannot be read any more.
pub fn run(
    queue: &QueueDir,
    settings: Settings,
    options: &RunOptions,
    observer: &mut dyn FnMut(Progress<'_>),
) -> Result<Summary, RunError> {
    let mut lock = become_the_loop(queue)?;
    let me = ProcessId::current().map_err(|e| RunError::System("tell who this process is", e))?;
    let signature = Record::new()
        .set("pid", me.pid())
        .set("pidstart", me.start())
        .set("boot", me.boot())
        .set("started_at", Timestamp::now())
        .set("max", options.max)
        .set_some("max_review", options.max_review)
        .set("ship", options.ship);
    lock.sign(&signature, &queue.daemon_pid())?;
    // Watching starts before the first look, so that nothing falls between the two.
    let wakes = Wakes::new(queue).map_err(|e| RunError::System("take signals", e))?;
    let limits = Limits { max: options.max, max_review: options.max_review };
    let engines_as_of = engine_use::changed(queue);
    let capabilities = host_capabilities(Some(queue), &settings, false).capabilities;
    let model = Model::new(queue, &settings, capabilities, limits, Timestamp::now());
    let mut dispatcher = Dispatcher {
        queue,
        settings,
        options,
        observer,
        wakes,
        model,
        running: HashSet::new(),
        busy: HashSet::new(),
        unsettled: BTreeMap::new(),
        troubles: Troubles::default(),
        engines_as_of,
        swept: Vec::new(),
        swept_at: Instant::now(),
        summary: Summary::default(),
    };
    let result = dispatcher.run();
    // A loop that is gone leaves no name behind; the lock says the same, in case this fails.
    let _ = std::fs::remove_file(queue.daemon_pid());
    result
}

/// Takes the lock of the run loop. A loop that was killed may hold it for a moment longer, until
/// the kernel has ended all its threads.
fn become_the_loop(queue: &QueueDir) -> Result<FileLock, RunError> {
    let give_up = Instant::now() + LOCK_PATIENCE;
    loop {
        let holder = match FileLock::run_loop(queue)? {
            Ok(lock) => return Ok(lock),
            Err(holder) => holder,
        };
        if worker(&holder).is_some_and(|process| process.is_alive()) || Instant::now() > give_up {
            let since = holder.time("started_at");
            return Err(RunError::AlreadyRunning {
                pid: holder.get("pid").unwrap_or("unknown").to_owned(),
                since: since.map_or("an unknown time".to_owned(), |at| format!("{at:.0}")),
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Dispatcher<'a> {
    queue: &'a QueueDir,
    settings: Settings,
    options: &'a RunOptions,
    observer: &'a mut dyn FnMut(Progress<'_>),
    wakes: Wakes,
    model: Model,
    /// Jobs whose worker is alive: whoever ends tells.
    running: HashSet<JobId>,
    /// Hand-dropped files that may still be written, and when to look again.
    unsettled: BTreeMap<JobId, Timestamp>,
    /// Jobs that another process holds for a moment.
    busy: HashSet<JobId>,
    /// Jobs whose files or workers made trouble.
    troubles: Troubles,
    /// When what is known of the engines last changed, as of the last look.
    engines_as_of: Option<SystemTime>,
    /// When the folders last changed, as of the last sweep.
    swept: Vec<Option<SystemTime>>,
    /// When that was.
    swept_at: Instant,
    summary: Summary,
}

impl Dispatcher<'_> {
    fn run(&mut self) -> Result<Summary, RunError> {
        self.look_at_everything()?;
        loop {
            if engine_use::changed(self.queue) != self.engines_as_of {
                self.refresh_engines();
            }
            let wake_at = self.obey_plan();
            if self.options.once && self.is_drained() {
                self.summary.waiting = self.model.counts().waiting;
                return Ok(self.summary);
            }
            (self.observer)(Progress::Idle(self.model.counts()));
            let limit = self.sleep_limit(wake_at);
            let wakes = self.wakes.wait(Some(limit));
            if self.swept_at.elapsed() >= SWEEP {
                self.sweep()?;
            }
            for wake in wakes {
                if let Wake::Signal(signal) = wake {
                    self.summary.signal = Some(signal);
                    self.summary.left_running =
                        u32::try_from(self.running.len()).unwrap_or(u32::MAX);
                    return Ok(self.summary);
                }
                self.handle(wake)?;
            }
            self.look_at_settled();
        }
    }

    /// Plans and does what the plan says until it says nothing more. Answers when time alone may
    /// change that.
    fn obey_plan(&mut self) -> Option<Timestamp> {
        loop {
            let plan = self.model.plan(Timestamp::now());
            if plan.start.is_empty() && plan.reject.is_empty() {
                return plan.wake_at;
            }
            let engines_missing =
                plan.reject.iter().any(|(_, why)| matches!(why, Rejection::NoEngine { .. }));
            if engines_missing {
                // One may have been installed since.
                self.refresh_engines();
            }
            let plan = if engines_missing { self.model.plan(Timestamp::now()) } else { plan };
            for (id, why) in plan.reject {
                self.reject(&id, &why);
            }
            for Start { job, engine } in plan.start {
                self.launch(&job, &engine);
            }
        }
    }

    fn is_drained(&self) -> bool {
        self.running.is_empty()
            && self.busy.is_empty()
            && self.unsettled.is_empty()
            && self.troubles.next().is_none()
            && !self.model.will_progress()
    }

    fn sleep_limit(&self, wake_at: Option<Timestamp>) -> Duration {
        let now = Timestamp::now();
        let unsettled = self.unsettled.values().copied();
        let next = wake_at.into_iter().chain(unsettled).chain(self.troubles.next()).min();
        let until =
            |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
        next.map_or(SWEEP, |at| until(at).min(SWEEP))
    }

    fn handle(&mut self, wake: Wake) -> Result<(), RunError> {
        match wake {
            Wake::Job(id) => self.look_at(&id),
            Wake::Free(id) => {
                self.busy.remove(&id);
                self.look_at(&id);
            }
            Wake::WorkerEnded(id) => {
                self.running.remove(&id);
                self.look_at(&id);
                self.report_end(&id);
            }
            Wake::Everything => self.look_at_everything()?,
            Wake::Settings => self.reload(),
            Wake::Signal(_) => {}
        }
        Ok(())
    }

    /// Looks which engines are installed, and which rest.
    fn refresh_engines(&mut self) {
        self.engines_as_of = engine_use::changed(self.queue);
        self.model.refresh_engines(self.queue, &self.settings, Timestamp::now());
    }

    /// A loop with a bad config would refuse to start; one that runs keeps the one it has.
    fn reload(&mut self) {
        match Settings::load(self.queue, self.settings.environment.clone()) {
            Ok(settings) => {
                self.settings = settings;
                self.refresh_engines();
            }
            Err(e) => (self.observer)(Progress::Trouble(&format!("the old settings stay: {e}"))),
        }
        for id in self.queue.jobs(Stage::Inbox).unwrap_or_default() {
            self.look_at(&id);
        }
    }

    fn look_at_everything(&mut self) -> Result<(), RunError> {
        for stage in LIVE {
            for id in self.queue.jobs(stage)? {
                self.look_at(&id);
            }
        }
        Ok(())
    }

    /// Looks at everything when a folder has changed since the last sweep. Where changes are told,
    /// this finds nothing new, and in an idle queue it costs a few system calls.
    fn sweep(&mut self) -> Result<(), RunError> {
        let changed =
            |stage: &Stage| self.queue.stage(*stage).metadata().and_then(|dir| dir.modified()).ok();
        self.swept_at = Instant::now();
        let changes = LIVE.iter().map(changed).collect();
        if self.swept != changes {
            self.swept = changes;
            self.look_at_everything()?;
        }
        Ok(())
    }

    fn look_at_settled(&mut self) {
        let now = Timestamp::now();
        let unsettled = self.unsettled.iter().filter(|&(_, &at)| at <= now).map(|(id, _)| id);
        let due: Vec<JobId> = unsettled.chain(self.troubles.due(now)).cloned().collect();
        for id in due {
            self.look_at(&id);
        }
    }

    /// Brings the model in line with one job's folder and record, recovering it when its worker
    /// is dead. What goes wrong with one job does not stop the others.
    fn look_at(&mut self, id: &JobId) {
        if self.running.contains(id)
            || self.busy.contains(id)
            || self.troubles.pauses(id, Timestamp::now())
        {
            return;
        }
        self.unsettled.remove(id);
        self.troubles.looked(id);
        match self.try_look_at(id) {
            Ok(()) => {}
            Err(StoreError::Busy(_)) => self.wait_until_free(id),
            // Somebody moves it at this moment, and that is told.
            Err(StoreError::Moved(_) | StoreError::WrongStage { .. }) => {}
            Err(e) => self.trouble(id, &e),
        }
    }

    /// Something went wrong with one job: it is left alone for a while. One that `--once` has
    /// tried often enough is left where it is.
    fn trouble(&mut self, id: &JobId, error: &StoreError) {
        (self.observer)(Progress::Trouble(&error.to_string()));
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

    /// Another process holds the job, as `aq add` or `aq stop` do for a moment: it is looked at
    /// again when it is free, and not before.
    fn wait_until_free(&mut self, id: &JobId) {
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
            Stage::Testing if self.options.ship => {
                ship(self.queue, id, Timestamp::now())?;
                self.rest(id, Stage::Shipped)
            }
            _ => self.rest(id, stage),
        }
    }

    /// A job in `building/` is worked on or has lost its worker; one in `review/` may rest, too.
    fn look_at_work(&mut self, id: &JobId, stage: Stage) -> Result<(), StoreError> {
        recover_job(self.queue, id, Timestamp::now())?;
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

    fn rest(&mut self, id: &JobId, stage: Stage) -> Result<(), StoreError> {
        let record = JobRecord::read(self.queue, stage, id.clone())?;
        if let Some(settled) = settled(stage) {
            self.model.end(&record, settled);
        } else if let Some(state) = resting_state(&record, Timestamp::now()) {
            self.put(&record, state);
        }
        Ok(())
    }

    fn look_at_inbox(&mut self, id: &JobId) -> Result<(), StoreError> {
        let record = JobRecord::read(self.queue, Stage::Inbox, id.clone())?;
        if record.is_current(self.queue) {
            if let Some(state) = resting_state(&record, Timestamp::now()) {
                self.put(&record, state);
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
                if let Some(state) = resting_state(&record, Timestamp::now()) {
                    self.put(&record, state);
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

    fn put(&mut self, record: &JobRecord, state: State) {
        if let Err(e) = self.model.put(self.queue, &self.settings.engines, record, state) {
            // `aq add` refuses circles; this one came by hand, and this job is its last link.
            let invalid = Invalid::whole(&format!("{}.md", record.id), &e);
            let refused = HeldJob::take(self.queue, &record.id)
                .and_then(|mut job| refuse(self.queue, &mut job, &invalid, Timestamp::now()));
            match refused {
                Ok(()) => {
                    self.summary.failed += 1;
                    (self.observer)(Progress::Refused { id: &record.id, why: &invalid.summary });
                }
                Err(StoreError::Busy(_)) => self.wait_until_free(&record.id),
                Err(e) => self.trouble(&record.id, &e),
            }
        }
    }

    /// A worker that this loop did not start is at work: its end is the end of its lock.
    fn adopt(&mut self, id: &JobId, stage: Stage) -> Result<(), StoreError> {
        let record = JobRecord::read(self.queue, stage, id.clone())?;
        let engine = record.meta.get("engine").unwrap_or_default().to_owned();
        self.put(&record, self.model.running(&engine));
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

    fn launch(&mut self, id: &JobId, engine: &str) {
        match self.try_launch(id, engine) {
            Ok(true) => {
                self.running.insert(id.clone());
                self.troubles.over(id);
                self.model.started(id, engine);
                (self.observer)(Progress::Started { id, engine });
            }
            Ok(false) => {
                // It is not as the plan saw it: look again.
                self.model.forget(id);
                self.look_at(id);
            }
            Err(StoreError::Busy(_)) => self.wait_until_free(id),
            Err(e) => {
                self.model.started(id, engine);
                self.trouble(id, &e);
            }
        }
    }

    /// Records the launch, which takes the slot, then starts the worker.
    fn try_launch(&mut self, id: &JobId, engine: &str) -> Result<bool, StoreError> {
        let mut job = match HeldJob::take(self.queue, id) {
            Ok(job) => job,
            Err(StoreError::NoSuchJob(_)) => return Ok(false),
            Err(e) => return Err(e),
        };
        match job.stage() {
            Stage::Inbox => {
                let record =
                    JobRecord { id: id.clone(), stage: Stage::Inbox, meta: job.meta().clone() };
                if !record.is_current(self.queue) {
                    return Ok(false);
                }
                if self.is_superseded(&record, &mut job)? {
                    return Ok(false);
                }
                let launch = Record::new()
                    .clear(WORKER_KEYS)
                    .clear(&["result", "exit", "message", "ended_at", "next_eligible"])
                    .set("attempt", record.attempts() + 1)
                    .set("engine", engine)
                    .set("launched_at", Timestamp::now());
                job.move_to(Stage::Building, launch, Promise::None)?;
            }
            Stage::Review => {}
            _ => return Ok(false),
        }
        let stage = job.stage();
        let started = self.spawn_worker(job);
        if let Err(e) = started {
            if stage == Stage::Building {
                recover_job(self.queue, id, Timestamp::now())?;
            }
            let path = self.options.worker.clone();
            return Err(StoreError::Io { action: "start the worker", path, source: e });
        }
        Ok(true)
    }

    /// Whether another job holds this one's key: an `aq add` that put that one in its place was
    /// killed before it took this one away. Then it goes to failed/.
    fn is_superseded(&mut self, record: &JobRecord, job: &mut HeldJob) -> Result<bool, StoreError> {
        let Some(key) = record.meta.get("idempotency_key") else { return Ok(false) };
        let Some(other) = holder(self.queue, key)?.filter(|holder| holder.id != record.id) else {
            return Ok(false);
        };
        let why = format!("its idempotency key {key:?} has passed to job {}", other.id);
        let invalid = Invalid::whole(&format!("{}.md", record.id), why);
        refuse(self.queue, job, &invalid, Timestamp::now())?;
        self.summary.failed += 1;
        (self.observer)(Progress::Refused { id: &record.id, why: &invalid.summary });
        Ok(true)
    }

    fn spawn_worker(&mut self, job: HeldJob) -> io::Result<()> {
        let id = job.id().clone();
        let mut child = start_worker(self.queue, &self.options.worker, job)?;
        self.wakes.after(Wake::WorkerEnded(id), move || {
            // How it ended does not matter: what it left on disk does.
            let _ = child.wait();
        })
    }

    fn reject(&mut self, id: &JobId, why: &Rejection) {
        let (outcome, message) = match why {
            Rejection::MissingCapabilities(missing) => {
                let list: Vec<String> = missing.iter().map(ToString::to_string).collect();
                (Outcome::CapabilityMismatch, format!("this host lacks {}", list.join(" and ")))
            }
            Rejection::NoEngine { .. } => (Outcome::NoEngine, self.lacks_engine(id)),
        };
        let moved = HeldJob::take(self.queue, id).and_then(|mut job| {
            job.require(&[Stage::Inbox], "reject", "inbox/")?;
            let record = Record::new()
                .set("result", outcome)
                .set("ended_at", Timestamp::now())
                .set("message", &message);
            let record = match why {
                Rejection::MissingCapabilities(missing) => record.set_list("missing", missing),
                Rejection::NoEngine { .. } => record,
            };
            job.move_to(Stage::Failed, record, Promise::None)
        });
        match moved {
            Ok(()) => {
                self.summary.failed += 1;
                (self.observer)(Progress::Refused { id, why: &message });
            }
            Err(StoreError::Busy(_)) => return self.wait_until_free(id),
            // It is not as the plan saw it.
            Err(StoreError::WrongStage { .. } | StoreError::NoSuchJob(_)) => {}
            Err(e) => return self.trouble(id, &e),
        }
        self.model.forget(id);
        self.look_at(id);
    }

    fn lacks_engine(&self, id: &JobId) -> String {
        let record = JobRecord::read(self.queue, Stage::Inbox, id.clone());
        let problem = record.ok().and_then(|record| lacks_engine(&self.settings, &record));
        problem.unwrap_or_else(|| "none of its engines is installed".to_owned())
    }

    fn report_end(&mut self, id: &JobId) {
        let Some(stage) = self.queue.find(id) else { return };
        let Ok(record) = JobRecord::read(self.queue, stage, id.clone()) else { return };
        let waits = matches!(resting_state(&record, Timestamp::now()), Some(State::Waiting { .. }));
        if stage == Stage::Building || (waits && stage != Stage::Inbox) {
            // Nobody ended it: it is taken up again.
            return;
        }
        if stage != Stage::Inbox {
            self.summary.ended += 1;
        }
        if stage == Stage::Failed {
            self.summary.failed += 1;
        }
        (self.observer)(Progress::Ended { id, stage, record: &record });
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
