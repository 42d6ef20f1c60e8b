//! The run loop: it plans, starts workers and sleeps until something happens. It holds nothing
//! that is not on disk, so it can end at any moment.

mod clock;
mod echo;
mod fleet;
mod folders;
mod lacks;
mod lock;
mod look;
mod shadow;
mod start;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aq_manifest::{JobId, Stage};
use aq_scheduler::{Counts, Limits, SeenBy, State};
use jiff::Timestamp;

use crate::store::{JobRecord, QueueDir, StoreError, remove_old_spares};

use super::echo::{EchoError, Echoes};
use super::engine_sightings::note_engines;
use super::engine_use::Sight;
use super::engine_versions::{AskedPrograms, ask_engine_versions};
use super::fleet::FleetSettingsError;
use super::host::ProbePolicy;
use super::host_capabilities;
use super::model::Model;
use super::options::RunOptions;
use super::queue_reading::{read_engines, read_host, resting_state};
use super::settings::{Settings, SettingsError};
use super::stop::LoopStopRequest;
use super::tokens::TokenFileError;
use super::troubles::Troubles;
use super::wake::{Wake, WakeChannel, Wakes};
use clock::Clock;
pub use folders::LostPart;
use folders::{FolderState, QueueIdentity, shown_jobs};
pub(super) use lock::{LoopLock, become_the_loop};

/// How often the folders are looked at on file systems that do not tell what changed.
const SWEEP: Duration = Duration::from_secs(30);

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
    /// Something about the fleet that is no trouble.
    Fleet(&'a str),
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
    /// Of these, those that wait for something that the host lacks, or for an engine that is out
    /// of use.
    pub kept: u32,
    /// Workers that go on without the loop, because a signal ended it.
    pub left_running: u32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its handle ended it, or somebody who asked by `aq stop`.
    pub stopped: bool,
}

impl Summary {
    /// Tells whether somebody wanted the loop to end.
    fn is_cut_short(&self) -> bool {
        self.stopped || self.signal.is_some()
    }
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
        /// When it started, in local time: it is for people.
        since: String,
    },
    /// The queue's config.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What this host is to be in a fleet.
    #[error(transparent)]
    Fleet(#[from] FleetSettingsError),
    /// A file that should hold a token.
    #[error(transparent)]
    Token(#[from] TokenFileError),
    /// The queue's files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory that the loop works on has not its place any more.
    #[error("{}{}{}", part.words(queue), folders::now_at(now_at.as_deref()), shown_jobs(going_on))]
    Lost {
        /// The path of the queue.
        queue: PathBuf,
        /// The part that is gone, or is another directory now.
        part: LostPart,
        /// The place of that part now, when the system tells.
        now_at: Option<PathBuf>,
        /// Jobs whose supervisors go on without the loop.
        going_on: Vec<JobId>,
    },
    /// The operating system.
    #[error("cannot {0}: {1}")]
    System(&'static str, io::Error),
}

impl From<EchoError> for RunError {
    fn from(error: EchoError) -> Self {
        match error {
            EchoError::Thread(e) => Self::System("start a thread for trackers", e),
            EchoError::Token(e) => Self::Token(e),
        }
    }
}

/// Runs the loop until a signal ends it or, with `once`, until nothing more will happen by itself.
/// [`start`](super::start) gives it a thread and a handle.
///
/// # Errors
/// When it cannot start, or the queue's folders cannot be read any more.
pub fn run(
    queue: &QueueDir,
    settings: Settings,
    options: &RunOptions,
    observer: &mut dyn FnMut(Progress<'_>),
) -> Result<Summary, RunError> {
    run_as(become_the_loop(queue, options)?, WakeChannel::new(), queue, settings, options, observer)
}

/// Runs the loop of a queue whose lock is taken.
pub(super) fn run_as(
    lock: LoopLock,
    channel: WakeChannel,
    queue: &QueueDir,
    settings: Settings,
    options: &RunOptions,
    observer: &mut dyn FnMut(Progress<'_>),
) -> Result<Summary, RunError> {
    let identity = QueueIdentity::of(queue);
    if !lock.is_signed() {
        observer(Progress::Trouble(
            "the disk is full: `aq status` and `aq stop` do not find this loop until there is room",
        ));
    }
    keep(queue, &settings, observer);
    // Watching starts before the first look, so that nothing falls between the two.
    let wakes = Wakes::new(queue, channel, options.take_signals)
        .map_err(|e| RunError::System("take signals", e))?;
    let limits = Limits { max: options.max, max_review: options.max_review };
    // First, since a program may turn out to be no engine.
    let capabilities =
        host_capabilities(Some(queue), &settings, ProbePolicy::AsNeeded).capabilities;
    // What was not noted is not missed later, and no more than that.
    let _ = note_engines(queue, &settings, SeenBy::RunLoop);
    let engines_seen = Sight::take(queue, &settings);
    let echoes = Echoes::start(queue, &settings)?;
    let tokens = capabilities.iter().cloned().collect();
    let host = read_host(queue, &settings, capabilities, limits, Timestamp::now());
    let model = Model::new(host);
    let mut dispatcher = Dispatcher {
        lock,
        queue,
        settings,
        options,
        observer,
        wakes,
        stop_request: LoopStopRequest::of(queue),
        echoes,
        model,
        running: HashSet::new(),
        busy: HashSet::new(),
        unsettled: BTreeMap::new(),
        troubles: Troubles::default(),
        lacks: lacks::Lacks::default(),
        engines_seen,
        identity,
        missing: BTreeSet::new(),
        swept: Vec::new(),
        swept_at: Instant::now(),
        clock: Clock::new(),
        summary: Summary::default(),
        fleet: None,
        shadow: None,
    };
    let result = dispatcher.join_fleet(tokens).and_then(|()| dispatcher.run());
    dispatcher.end_shadow();
    dispatcher.leave_fleet();
    for trouble in dispatcher.echoes.finish() {
        (dispatcher.observer)(Progress::Trouble(&trouble));
    }
    dispatcher.stop_request.withdraw();
    result
}

/// Hands the settings on to workers. Without that a job cannot start while the file has an error.
fn keep(queue: &QueueDir, settings: &Settings, observer: &mut dyn FnMut(Progress<'_>)) {
    if let Err(e) = settings.keep(queue) {
        observer(Progress::Trouble(&format!("the settings are not kept for workers: {e}")));
    }
}

struct Dispatcher<'a> {
    /// The right to be the loop. It goes first, while signals are still taken.
    lock: LoopLock,
    queue: &'a QueueDir,
    settings: Settings,
    options: &'a RunOptions,
    observer: &'a mut dyn FnMut(Progress<'_>),
    wakes: Wakes,
    /// The request to end of somebody whose signal would end the whole program.
    stop_request: LoopStopRequest,
    /// What trackers are told.
    echoes: Echoes,
    model: Model,
    /// Jobs whose worker is alive: whoever ends tells.
    running: HashSet<JobId>,
    /// Hand-dropped files that may still be written, and when to look again.
    unsettled: BTreeMap<JobId, Timestamp>,
    /// Jobs that another process holds for a moment.
    busy: HashSet<JobId>,
    /// Jobs whose files or workers made trouble.
    troubles: Troubles,
    /// Lacks of the host that jobs have met.
    lacks: lacks::Lacks,
    /// The engines as of the last look.
    engines_seen: Sight,
    /// The directories that it works on.
    identity: QueueIdentity,
    /// Folders that are not there.
    missing: BTreeSet<Stage>,
    /// The folders as of the last sweep.
    swept: Vec<Option<FolderState>>,
    /// When that was.
    swept_at: Instant,
    clock: Clock,
    summary: Summary,
    /// This host in a fleet; `None` offline.
    fleet: Option<fleet::Fleet>,
    /// The comparison of decisions; `None` in any other mode than shadow.
    shadow: Option<shadow::Watch>,
}

impl Dispatcher<'_> {
    fn run(&mut self) -> Result<Summary, RunError> {
        self.undouble()?;
        remove_old_spares(self.queue);
        self.swept = self.folder_states();
        self.look_at_everything()?;
        self.expect_all_folders()?;
        loop {
            if self.is_asked_to_end() {
                self.summary.stopped = true;
                return Ok(self.end_early());
            }
            if !self.engines_seen.is_current(self.queue, &self.settings) {
                self.refresh_engines();
            }
            self.put_shipped_away();
            let wake_at = self.obey_plan();
            self.tell_fleet();
            self.shadow_idle();
            if self.options.once && self.is_drained() {
                // Without an inbox there is nothing in it, and that is no end to be content with.
                self.expect_queue()?;
                QueueDir::open(self.queue.root())?;
                self.summary.waiting = self.model.counts().waiting;
                self.summary.kept = self.tell_kept();
                return Ok(self.summary);
            }
            (self.observer)(Progress::Idle(self.model.counts()));
            let limit = self.sleep_limit(wake_at);
            let wakes = self.wakes.wait(Some(limit));
            self.pass_on(&wakes);
            if self.clock.was_set_back() {
                self.look_at_times_again()?;
            }
            if self.swept_at.elapsed() >= SWEEP {
                self.sweep()?;
            }
            self.lock.sign()?;
            for wake in wakes {
                if let Wake::Signal(signal) = wake {
                    self.summary.signal = Some(signal);
                    return Ok(self.end_early());
                }
                self.handle(wake)?;
            }
            self.look_at_settled();
        }
    }

    /// Tests for a request to end by its handle or, where a signal would end the whole program, on
    /// disk.
    fn is_asked_to_end(&self) -> bool {
        self.wakes.is_stopped() || (!self.options.take_signals && self.stop_request.is_made())
    }

    fn end_early(&mut self) -> Summary {
        self.summary.left_running = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        self.summary
    }

    fn is_drained(&self) -> bool {
        self.running.is_empty()
            && self.busy.is_empty()
            && self.unsettled.is_empty()
            && self.troubles.next().is_none()
            && !self.model.will_progress()
            && self.fleet_is_drained()
    }

    fn sleep_limit(&self, wake_at: Option<Timestamp>) -> Duration {
        let now = Timestamp::now();
        let unsettled = self.unsettled.values().copied();
        let unsettled = unsettled.chain(self.unshipped().map(|(_, again)| again));
        let next = wake_at.into_iter().chain(unsettled).chain(self.troubles.next()).min();
        let until =
            |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
        let most = self.lacks.sleep_limit().unwrap_or(SWEEP);
        next.map_or(most, |at| until(at).min(most))
    }

    /// The clock was set back: what is waited for is reckoned anew from what is on record.
    fn look_at_times_again(&mut self) -> Result<(), RunError> {
        self.model.clock_set_back(Timestamp::now());
        self.refresh_engines();
        self.ship_now();
        self.unsettled.clear();
        self.look_at_everything()
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
            Wake::Folders => self.look_at_folders(true)?,
            Wake::Everything => self.look_at_everything()?,
            Wake::Settings => self.reload(),
            Wake::Fleet => self.hear_fleet(),
            // Engines and requests to end are looked at after each wake.
            Wake::Engines | Wake::Stop | Wake::Signal(_) => {}
        }
        Ok(())
    }

    /// Looks which engines are installed, and which rest.
    fn refresh_engines(&mut self) {
        let (new, as_needed) = (AskedPrograms::New, ProbePolicy::AsNeeded);
        ask_engine_versions(Some(self.queue), &self.settings, new, as_needed);
        let _ = note_engines(self.queue, &self.settings, SeenBy::RunLoop);
        self.engines_seen = Sight::take(self.queue, &self.settings);
        self.model.set_engines(read_engines(self.queue, &self.settings, Timestamp::now()));
    }

    /// A loop with a bad config would refuse to start; one that runs keeps the one it has.
    fn reload(&mut self) {
        match Settings::load(self.queue, self.settings.environment.clone()) {
            Ok(mut settings) => {
                settings.trackers = std::mem::take(&mut self.settings.trackers);
                keep(self.queue, &settings, self.observer);
                self.settings = settings;
                self.lacks.look_soon();
                self.refresh_engines();
            }
            Err(e) => (self.observer)(Progress::Trouble(&format!("the old settings stay: {e}"))),
        }
        for id in self.queue.jobs(Stage::Inbox).unwrap_or_default() {
            self.look_at(&id);
        }
    }

    fn report_end(&mut self, id: &JobId) {
        let Some(stage) = self.queue.find(id) else { return };
        let Ok(record) = JobRecord::read(self.queue, stage, id.clone()) else { return };
        // A damaged record was told of when the model took the job in.
        let Ok(row) = record.sound(self.queue) else { return };
        let waits = matches!(resting_state(row, Timestamp::now()), Some(State::Waiting { .. }));
        if stage == Stage::Building || (waits && stage != Stage::Inbox) {
            // Nobody ended it: it is taken up again.
            return;
        }
        if self.came_back(&record) {
            // Its line is out. The model took it in before this was known.
            return self.look_at(id);
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
