//! The loop's part in a fleet: it says how this host stands, takes what it is given, ends what it has
//! lost, and tells how its jobs ended. Without a fleet none of this does anything.

mod ends;
mod lines;
mod ships;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aq_caps::Token;
use aq_fleet::protocol::{Grant, LeaseRef, ReleaseOutcome};
use aq_fleet::switches::Mode;
use aq_ledger::{JobRow, RecordKey, RecordUpdate};
use aq_manifest::{JobId, Outcome, Stage};
use aq_scheduler::State;
use jiff::Timestamp;

use super::super::fleet::{
    FleetSettings, Held, Steps, Taken, fleet_dir, host_name, lease, metrics, next_report,
    push_snapshots, pushed, take,
};
use super::super::wake::Wake;
use super::{Dispatcher, Progress, RunError};
use crate::store::{HeldJob, JobRecord, QueueDir, StoreError, moves, profile_names, read_values};
use crate::sync::fleet::{Holder, Membership, MembershipSettings, News, Status};

use lines::CALL_FOR_WORKER;

/// How long one call to the coordinator may take, retries included.
const CALL: Duration = Duration::from_secs(10);

/// The pause before a job of the fleet is started whose lease has not been renewed lately: it may be
/// another host's by now.
const UNSURE: Duration = Duration::from_secs(2);

/// The pause before a ship that could not be checked is tried again, at first and at most, and how
/// often a loop with `--once` tries. Each try is a line in the job's record.
const SHIP_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_SHIP_PAUSE: Duration = Duration::from_secs(300);
const SHIP_TRIES: u32 = 3;

/// How long a loop that was told to end sends what waits in the outbox; the next one sends the rest.
const LEAVE: Duration = Duration::from_secs(4);

/// This host in a fleet, while the loop runs.
pub(super) struct Fleet {
    membership: Membership,
    holder: Holder,
    /// What tells the coordinator for workers.
    for_workers: Holder,
    news: Arc<Mutex<Vec<News>>>,
    mode: Mode,
    /// The fleet's jobs that are here and have not ended.
    jobs: BTreeMap<JobId, LeaseRef>,
    /// Those with a note on disk, until the coordinator was told of their end.
    noted: BTreeSet<JobId>,
    /// Which of their steps were posted as events; those that are not known are posted again.
    steps: BTreeMap<JobId, Steps>,
    /// The running jobs as of the last status, and the locks of those that are not the fleet's.
    seen: BTreeSet<JobId>,
    locks: Vec<String>,
    /// The last status that was told, and whether there was nothing to claim since.
    told: Status,
    empty: bool,
    /// Jobs in testing/ that are being shipped, or could not be.
    ships: BTreeMap<JobId, Tried>,
    /// Ends the thread that pushes snapshots when it is dropped.
    pushing: Option<Sender<()>>,
}

impl Fleet {
    /// The job is not the fleet's any more, or not here.
    fn forget(&mut self, queue: &QueueDir, id: &JobId) {
        self.ships.remove(id);
        self.jobs.remove(id);
        self.steps.remove(id);
        if self.noted.remove(id) {
            Held::of(queue, id).forget();
        }
    }
}

impl Fleet {
    /// Posts an event for each step under this grant that was not posted. The coordinator takes each
    /// once, by its number.
    fn post_steps(
        &mut self,
        queue: &QueueDir,
        id: &JobId,
        stage: Stage,
        lease: LeaseRef,
    ) -> Result<(), StoreError> {
        let known = self.steps.get(id).filter(|known| known.lease() == lease);
        let mut steps = known.copied().unwrap_or_else(|| Steps::new(lease));
        let events = steps.news(moves(queue, id, Some(steps.read()))?, stage, Timestamp::now());
        self.steps.insert(id.clone(), steps);
        if !events.is_empty() {
            self.holder.post_events(lease, &events);
            self.membership.hurry();
        }
        Ok(())
    }
}

/// A ship that could not be checked, or is being checked.
#[derive(Clone, Copy)]
struct Tried {
    times: u32,
    again: Timestamp,
}

fn unwritable(queue: &QueueDir, source: io::Error) -> StoreError {
    StoreError::Io { action: "write in", path: fleet_dir(queue), source }
}

fn tell(news: &Mutex<Vec<News>>, one: News) {
    news.lock().unwrap_or_else(PoisonError::into_inner).push(one);
}

impl Dispatcher<'_> {
    /// Joins the fleet when the switches say so.
    pub(super) fn join_fleet(&mut self, capabilities: Vec<Token>) -> Result<(), RunError> {
        let Some(mut settings) = FleetSettings::read(&self.settings.environment)? else {
            return Ok(());
        };
        if let Some(warning) = settings.switches.take_warning() {
            (self.observer)(Progress::Trouble(warning));
        }
        if let Some(warning) = settings.address_warning() {
            (self.observer)(Progress::Trouble(&format!("warning: {warning}")));
        }
        if let Some(warning) = settings.token_warning() {
            (self.observer)(Progress::Trouble(&format!("warning: {warning}")));
        }
        let holder = settings.holder(self.queue, CALL)?;
        let dir = fleet_dir(self.queue);
        std::fs::create_dir_all(dir.join("held"))
            .map_err(|e| RunError::System("make .state/fleet", e))?;
        let mode = settings.switches.mode();
        let news = Arc::new(Mutex::new(Vec::new()));
        let (told, wake) = (news.clone(), self.wakes.waker(Wake::Fleet));
        let deliver = { holder.clone() };
        let capabilities = self.advertised(capabilities);
        let membership = Membership::start(
            holder.client(),
            &MembershipSettings {
                factory: settings.factory.clone(),
                host: host_name(),
                capabilities: capabilities.clone(),
                capacity: self.options.max,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                route: mode == Mode::Route,
                once: self.options.once,
                request_file: dir.join("claim"),
            },
            move |limit| drop(deliver.deliver(limit)),
            move |one| {
                tell(&told, one);
                wake();
            },
        )
        .map_err(|e| RunError::System("start the threads of the fleet", e))?;
        if mode == Mode::Shadow {
            let (told, wake) = (news.clone(), self.wakes.waker(Wake::Fleet));
            self.start_shadow(&settings, holder.client(), capabilities, move |words| {
                tell(&told, News::Trouble(words));
                wake();
            })?;
        }
        self.fleet = Some(Fleet {
            membership,
            for_workers: holder.within(CALL_FOR_WORKER),
            holder,
            news,
            mode,
            jobs: BTreeMap::new(),
            noted: Held::all(self.queue).into_iter().collect(),
            steps: BTreeMap::new(),
            seen: BTreeSet::new(),
            locks: Vec::new(),
            told: Status::default(),
            empty: false,
            ships: BTreeMap::new(),
            pushing: None,
        });
        // Jobs that ended while no loop was there to tell it.
        for id in Held::all(self.queue) {
            self.look_at(&id);
        }
        self.start_pushing();
        Ok(())
    }

    /// What this host has, and the profiles that it knows.
    fn advertised(&self, mut tokens: Vec<Token>) -> Vec<Token> {
        let profiles = profile_names(self.queue.profiles());
        tokens.extend(profiles.iter().filter_map(|name| format!("profile:{name}").parse().ok()));
        tokens
    }

    /// Says how this host stands, when that has changed.
    pub(super) fn tell_fleet(&mut self) {
        let Some(fleet) = &mut self.fleet else { return };
        if fleet.seen.len() != self.running.len()
            || !self.running.iter().all(|id| fleet.seen.contains(id))
        {
            fleet.seen = self.running.iter().cloned().collect();
            let metas = self.running.iter().filter_map(|id| read_values(&self.queue.meta(id)).ok());
            let own = metas.filter(|meta| lease(meta).is_none());
            fleet.locks =
                own.filter_map(|meta| meta.get(RecordKey::Lock).map(str::to_owned)).collect();
            fleet.locks.sort();
        }
        let waiting = fleet.jobs.keys().filter(|id| self.queue.has(Stage::Inbox, id)).count();
        let taken = self.running.len() + waiting;
        let review_full =
            self.options.max_review.is_some_and(|max| self.model.counts().review >= max);
        let max = if review_full { 0 } else { self.options.max };
        let status = Status {
            free: max.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX)),
            held_locks: fleet.locks.clone(),
            leases: fleet.jobs.values().copied().collect(),
        };
        if status != fleet.told {
            fleet.empty = false;
            fleet.membership.update(status.clone());
            fleet.told = status;
        }
    }

    /// Whether the coordinator has nothing for this host, for `--once`.
    pub(super) fn fleet_is_drained(&self) -> bool {
        let Some(fleet) = &self.fleet else { return true };
        let given_up = |tried: &Tried| tried.times >= SHIP_TRIES;
        fleet.ships.values().all(given_up)
            && (fleet.mode != Mode::Route || fleet.empty || fleet.told.free == 0)
    }

    /// The last things that are to be told before the loop ends. A coordinator that does not answer
    /// does not keep it from ending.
    pub(super) fn leave_fleet(&mut self) {
        let Some(fleet) = self.fleet.take() else { return };
        let limit = if self.summary.is_cut_short() { LEAVE } else { CALL };
        let (told, problems) = channel();
        let holder = fleet.holder.clone();
        let sending = std::thread::Builder::new().name("aq-leave".to_owned()).spawn(move || {
            // Nobody may wait for it any more.
            let _ = told.send(holder.deliver(limit));
        });
        if sending.is_ok() {
            for problem in problems.recv_timeout(limit).unwrap_or_default() {
                (self.observer)(Progress::Trouble(&problem));
            }
        }
    }

    pub(super) fn hear_fleet(&mut self) {
        let Some(fleet) = &mut self.fleet else { return };
        let news = std::mem::take(&mut *fleet.news.lock().unwrap_or_else(PoisonError::into_inner));
        for one in news {
            match one {
                News::Joined => {
                    (self.observer)(Progress::Fleet("joined the fleet"));
                    self.ship_now();
                }
                News::Trouble(why) => (self.observer)(Progress::Trouble(&why)),
                News::Granted(grants) => self.take_grants(&grants),
                News::NothingToClaim => {
                    if let Some(fleet) = &mut self.fleet {
                        fleet.empty = true;
                    }
                }
                News::Lost(lease) => {
                    for id in self.jobs_under(|held| held == lease) {
                        self.fence(&id);
                    }
                }
                News::Cancel(job) => {
                    for id in self.jobs_under(|held| held.job_id == job) {
                        self.cancel(id);
                    }
                }
                News::Drain => self.give_waiting_back(),
            }
        }
    }

    fn jobs_under(&self, is_it: impl Fn(LeaseRef) -> bool) -> Vec<JobId> {
        let jobs = self.fleet.iter().flat_map(|fleet| &fleet.jobs);
        jobs.filter(|&(_, &lease)| is_it(lease)).map(|(id, _)| id.clone()).collect()
    }

    fn take_grants(&mut self, grants: &[Grant]) {
        let mut all = true;
        for grant in grants {
            let lease = LeaseRef { job_id: grant.job_id, epoch: grant.epoch };
            // The answer to a claim may come twice.
            if !self.jobs_under(|held| held == lease).is_empty() {
                continue;
            }
            let home = self.settings.environment.path("HOME");
            let Some(fleet) = &self.fleet else { return };
            match take(self.queue, home, fleet.holder.factory(), grant, Timestamp::now()) {
                Ok(Taken::Job(id)) => self.look_at(&id),
                Ok(Taken::Refused(why)) => {
                    let why = format!("the fleet's job {} cannot run here: {why}", grant.job_id);
                    (self.observer)(Progress::Trouble(&why));
                    if let Some(fleet) = &self.fleet {
                        let invalid = Some(Outcome::InvalidManifest);
                        let failed = ReleaseOutcome::Failed;
                        // What cannot be told is found out again: the claim is repeated.
                        all &= fleet.holder.post_release(lease, failed, invalid, None).is_ok();
                        fleet.membership.hurry();
                    }
                }
                Err(e) => {
                    all = false;
                    (self.observer)(Progress::Trouble(&e.to_string()));
                }
            }
        }
        self.tell_fleet();
        match &self.fleet {
            Some(fleet) if all => fleet.membership.taken(),
            Some(fleet) => fleet.membership.not_taken(),
            None => {}
        }
    }

    /// A job may have moved while its worker holds it.
    pub(super) fn fleet_job_runs(&mut self, id: &JobId) {
        let Some(fleet) = &mut self.fleet else { return };
        let (Some(&lease), Some(stage)) = (fleet.jobs.get(id), self.queue.find(id)) else { return };
        if let Err(e) = fleet.post_steps(self.queue, id, stage, lease) {
            (self.observer)(Progress::Trouble(&e.to_string()));
        }
    }

    /// Looks what a job's place means for the fleet: whether it is held here, and whether the
    /// coordinator is to be told how far it has come.
    pub(super) fn fleet_looked(&mut self, id: &JobId) {
        if self.fleet.is_none() {
            return;
        }
        match self.try_fleet_looked(id) {
            Ok(()) | Err(StoreError::NoSuchJob(_)) => {}
            // Such as `aq reject`, which moves the job and lets go of it a moment later. Nothing else
            // would tell when, and the fleet would never hear of it.
            Err(StoreError::Busy(_)) if self.busy.contains(id) => {}
            Err(StoreError::Busy(_)) => self.wait_until_free(id),
            Err(e) => self.trouble(id, &e),
        }
    }

    fn try_fleet_looked(&mut self, id: &JobId) -> Result<(), StoreError> {
        let Some(fleet) = &mut self.fleet else { return Ok(()) };
        let found = self.queue.find(id);
        let record = match found {
            Some(stage) => JobRecord::read(self.queue, stage, id.clone())?,
            None => {
                fleet.forget(self.queue, id);
                return Ok(());
            }
        };
        let Some(lease) = lease(&record.meta) else {
            fleet.forget(self.queue, id);
            return Ok(());
        };
        let (stage, told) = (record.stage, format!("{}@{}", record.stage, lease.epoch));
        if !stage.is_final() {
            if fleet.jobs.insert(id.clone(), lease) != Some(lease) {
                fleet.membership.hurry();
            }
            if !fleet.noted.contains(id) {
                Held::of(self.queue, id).note().map_err(|e| unwritable(self.queue, e))?;
                fleet.noted.insert(id.clone());
            }
        }
        if record.meta.get(RecordKey::FleetTold) == Some(&told) {
            if stage == Stage::Testing && self.options.ship {
                self.ship_for_the_fleet(id);
            }
            return Ok(());
        }
        // Before what is told below, which may be the last that the coordinator takes.
        if stage != Stage::Quarantine || Held::of(self.queue, id).is_noted() {
            fleet.post_steps(self.queue, id, stage, lease)?;
        }
        match stage {
            Stage::Inbox | Stage::Building | Stage::Review => return Ok(()),
            Stage::Testing => {
                let mut job = HeldJob::take(self.queue, id)?;
                let seq = next_report(job.meta());
                // Before it is sent, and that it was told after: a kill in between tells it twice,
                // under another number, and not never.
                job.append(&RecordUpdate::new().set(RecordKey::FleetReports, seq))?;
                let (at, numbers) = (pushed(job.meta()), metrics(job.meta()));
                let report = fleet.holder.report_of(lease, seq, Stage::Testing, at, Some(numbers));
                let posted = fleet.holder.post_report(lease, report);
                posted.map_err(|e| unwritable(self.queue, io::Error::other(e)))?;
                job.append(&RecordUpdate::new().set(RecordKey::FleetTold, told))?;
            }
            Stage::Shipped | Stage::Failed => {
                let mut job = HeldJob::take(self.queue, id)?;
                let (outcome, result) = match stage {
                    Stage::Shipped => (ReleaseOutcome::Shipped, Outcome::Shipped),
                    _ => {
                        let result = job.meta().parsed(RecordKey::Result).unwrap_or(Outcome::Crash);
                        (ReleaseOutcome::Failed, result)
                    }
                };
                let numbers = metrics(job.meta());
                let posted = fleet.holder.post_release(lease, outcome, Some(result), Some(numbers));
                posted.map_err(|e| unwritable(self.queue, io::Error::other(e)))?;
                job.append(&RecordUpdate::new().set(RecordKey::FleetTold, told))?;
                fleet.forget(self.queue, id);
            }
            Stage::Quarantine => fleet.forget(self.queue, id),
        }
        fleet.membership.hurry();
        if stage == Stage::Testing && self.options.ship {
            self.ship_for_the_fleet(id);
        }
        Ok(())
    }

    /// The state of a job in the inbox. One that may be another host's by now is started a little
    /// later, when the coordinator has answered, or has not.
    pub(super) fn unless_unsure(&self, row: JobRow<'_>, state: State) -> State {
        let (Some(fleet), Some(lease)) = (&self.fleet, lease(row.content())) else { return state };
        match state {
            State::Waiting { not_before } if !fleet.membership.trusts(lease) => {
                let later = Timestamp::now().saturating_add(UNSURE).unwrap_or(Timestamp::MAX);
                State::Waiting { not_before: not_before.max(Some(later)) }
            }
            state => state,
        }
    }

    /// Pushes snapshots of what the agents do, from time to time, when the config says where to.
    fn start_pushing(&mut self) {
        let Some(remote) = self.settings.config.fleet.push_wip.clone() else { return };
        let (queue, every) = (self.queue.clone(), self.settings.push_every);
        let Some(fleet) = &mut self.fleet else { return };
        let (news, wake) = (fleet.news.clone(), self.wakes.waker(Wake::Fleet));
        let (stop, stopped) = channel::<()>();
        let pushing = std::thread::Builder::new().name("aq-push".to_owned()).spawn(move || {
            let mut last = None;
            // Until the loop lets go of the other end.
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let problem = push_snapshots(&queue, &remote).pop();
                let words = problem.map(|(id, e)| format!("the work of {id} is not pushed: {e}"));
                // Told once until it changes.
                if words != last
                    && let Some(words) = &words
                {
                    tell(&news, News::Trouble(words.clone()));
                    wake();
                }
                last = words;
            }
        });
        match pushing {
            Ok(_) => fleet.pushing = Some(stop),
            Err(e) => {
                (self.observer)(Progress::Trouble(&format!("cannot push work in progress: {e}")));
            }
        }
    }
}
