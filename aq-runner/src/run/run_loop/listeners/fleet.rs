//! The loop's part in a fleet: it says how this host stands, takes what it is given, ends what it
//! has lost, and reports how its jobs ended.

mod ends;
mod joining;
mod lines;
mod places;
mod ships;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aq_fleet::protocol::{LeaseGrant, LeaseRef, ReleaseOutcome};
use aq_fleet::switches::FleetMode;
use aq_ledger::{JobRow, RecordKey};
use aq_manifest::{JobId, Outcome, Stage};
use aq_scheduler::JobState;
use jiff::Timestamp;

use crate::run::fleet::{GrantOutcome, LeaseNote, ReportedSteps, fleet_dir, lease, take};
use crate::run::run_loop::context::{ListenerContext, LoopContext, PendingWork};
use crate::run::run_loop::event_source::WakeCause;
use crate::run::run_loop::loop_core::{LoopEvent, LoopNotice};
use crate::run::run_loop::progress::LoopProgress;
use crate::store::{QueueDir, StoreError, read_values};
use crate::sync::fleet::{EndedLog, FleetHolder, FleetMembership, HostStatus, MemberNews};

use ends::cancel;
pub(super) use joining::advertised;
pub(super) use lines::WorkerLine;

/// How long one call to the coordinator may take, retries included.
const CALL: Duration = Duration::from_secs(10);

/// The pause before a job of the fleet is started whose lease has not been renewed lately: it may
/// be another host's by now.
const UNSURE: Duration = Duration::from_secs(2);

/// How often a loop with `--once` tries a ship that could not be checked.
const SHIP_TRIES: u32 = 3;

/// The time for which a loop that is to end sends what waits in the outbox; the next one sends the
/// rest.
const LEAVE: Duration = Duration::from_secs(4);

/// This host in a fleet, while the loop runs.
pub(super) struct FleetMember {
    membership: FleetMembership,
    holder: FleetHolder,
    /// The same for what workers report.
    for_workers: FleetHolder,
    news: Arc<Mutex<Vec<MemberNews>>>,
    /// News whose turn has not come: the events of one are handled before the next is taken.
    unheard: VecDeque<MemberNews>,
    /// The grants of the last claim were put into the queue, all of them or not, and the
    /// membership does not know yet.
    taking: Option<bool>,
    mode: FleetMode,
    /// The fleet's jobs that are here and have not ended.
    jobs: BTreeMap<JobId, LeaseRef>,
    /// Those with a note on disk, until the coordinator knows of their end.
    noted: BTreeSet<JobId>,
    /// Which of their steps were posted as events; those that are not known are posted again.
    steps: BTreeMap<JobId, ReportedSteps>,
    /// The running jobs as of the last status, and the locks of those that are not the fleet's.
    seen: BTreeSet<JobId>,
    locks: Vec<String>,
    /// The last status that was sent, and whether there was nothing to claim since.
    told: HostStatus,
    empty: bool,
    /// Jobs in testing/ that are being shipped, or could not be.
    ships: BTreeMap<JobId, ShipTry>,
    /// Jobs that ended here, for a coordinator that has lost what it knew.
    ended: EndedLog,
    /// Jobs that were noted when the loop began, and that it has not looked at yet.
    unlooked: BTreeSet<JobId>,
    /// Ends the thread that pushes snapshots when it is dropped.
    pushing: Option<Sender<()>>,
}

/// A ship that could not be checked, or is being checked.
#[derive(Clone, Copy)]
struct ShipTry {
    times: u32,
    again: Timestamp,
}

fn unwritable(queue: &QueueDir, source: io::Error) -> StoreError {
    StoreError::Io { action: "write in", path: fleet_dir(queue), source }
}

fn tell(news: &Mutex<Vec<MemberNews>>, one: MemberNews) {
    news.lock().unwrap_or_else(PoisonError::into_inner).push(one);
}

impl FleetMember {
    /// Hears of a change in the loop.
    pub(super) fn hear(&mut self, notice: &LoopNotice, at: &mut ListenerContext<'_, '_>) {
        match notice {
            LoopNotice::Job { id, before: Some(_), after: Some(JobState::Running { .. }) } => {
                self.job_runs(id, at);
            }
            LoopNotice::Job { id, .. } => self.looked(id, at),
            LoopNotice::Idle => self.tell_status(at),
            LoopNotice::Woken => self.look_at_unshipped(at),
            LoopNotice::ClockSetBack => self.ship_now(),
            LoopNotice::Started(_) | LoopNotice::Queue(_) | LoopNotice::FoldersChanged => {}
        }
    }

    /// Hears what the coordinator has said.
    pub(super) fn woken(&mut self, at: &mut ListenerContext<'_, '_>) {
        let news = std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner));
        self.unheard.extend(news);
        if let Some(all) = self.taking.take() {
            self.tell_status(at);
            if all { self.membership.taken() } else { self.membership.not_taken() }
        }
        match self.unheard.pop_front() {
            None => return,
            Some(MemberNews::Joined) => {
                (at.context.observer)(LoopProgress::Fleet("joined the fleet"));
                self.ship_now();
            }
            Some(MemberNews::Trouble(why)) => at.report_trouble(&why),
            Some(MemberNews::Granted(grants)) => self.take_grants(&grants, at),
            Some(MemberNews::NothingToClaim) => self.empty = true,
            Some(MemberNews::Lost(lease)) => {
                for id in self.jobs_under(|held| held == lease) {
                    self.fence(&id, at);
                }
            }
            Some(MemberNews::Cancel(job)) => {
                for id in self.jobs_under(|held| held.job_id == job) {
                    cancel(id, at);
                }
            }
            Some(MemberNews::Drain) => self.give_waiting_back(at),
        }
        if self.taking.is_some() || !self.unheard.is_empty() {
            at.out.push(PendingWork::Wake(WakeCause::ListenerNews));
        }
    }

    fn jobs_under(&self, is_it: impl Fn(LeaseRef) -> bool) -> Vec<JobId> {
        self.jobs.iter().filter(|&(_, &lease)| is_it(lease)).map(|(id, _)| id.clone()).collect()
    }

    fn take_grants(&mut self, grants: &[LeaseGrant], at: &mut ListenerContext<'_, '_>) {
        let mut all = true;
        for grant in grants {
            let lease = LeaseRef { job_id: grant.job_id, epoch: grant.epoch };
            // The answer to a claim may come twice.
            if !self.jobs_under(|held| held == lease).is_empty() {
                continue;
            }
            let home = at.context.settings.environment.path("HOME");
            match take(at.queue(), home, self.holder.factory(), grant, Timestamp::now()) {
                Ok(GrantOutcome::Job(id)) => at.send(LoopEvent::JobTouched(id)),
                Ok(GrantOutcome::Refused(why)) => {
                    let why = format!("the fleet's job {} cannot run here: {why}", grant.job_id);
                    at.report_trouble(&why);
                    let invalid = Some(Outcome::InvalidManifest);
                    let failed = ReleaseOutcome::Failed;
                    // What cannot be sent is found out again: the claim is repeated.
                    all &= self.holder.post_release(lease, failed, invalid, None).is_ok();
                    self.membership.hurry();
                }
                Err(e) => {
                    all = false;
                    at.report_trouble(&e.to_string());
                }
            }
        }
        // When the jobs have been looked at.
        self.taking = Some(all);
    }

    /// Says how this host stands, when that has changed.
    fn tell_status(&mut self, at: &mut ListenerContext<'_, '_>) {
        let (queue, running) = (at.queue(), at.core.running());
        if self.seen.len() != running.len() || !running.iter().all(|id| self.seen.contains(id)) {
            self.seen = running.iter().cloned().collect();
            let metas = running.iter().filter_map(|id| read_values(&queue.meta(id)).ok());
            let own = metas.filter(|meta| lease(meta).is_none());
            self.locks =
                own.filter_map(|meta| meta.get(RecordKey::Lock).map(str::to_owned)).collect();
            self.locks.sort();
        }
        let waiting = self.jobs.keys().filter(|id| queue.has(Stage::Inbox, id)).count();
        let taken = running.len() + waiting;
        let options = at.context.options;
        let review_full = options.max_review.is_some_and(|max| at.core.counts().review >= max);
        let max = if review_full { 0 } else { options.max };
        let status = HostStatus {
            free: max.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX)),
            held_locks: self.locks.clone(),
            leases: self.jobs.values().copied().collect(),
        };
        if status != self.told {
            self.empty = false;
            self.membership.update(status.clone());
            self.told = status;
        }
    }

    /// Tests whether the coordinator has nothing for this host, for `--once`.
    pub(super) fn is_drained(&self) -> bool {
        let given_up = |tried: &ShipTry| tried.times >= SHIP_TRIES;
        self.ships.values().all(given_up)
            && (self.mode != FleetMode::Route || self.empty || self.told.free == 0)
    }

    /// Sends the last reports before the loop ends. A coordinator that does not answer
    /// does not keep it from ending.
    pub(super) fn leave(self, is_cut_short: bool, context: &mut LoopContext<'_>) {
        let limit = if is_cut_short { LEAVE } else { CALL };
        let (told, problems) = channel();
        let holder = self.holder.clone();
        let sending = std::thread::Builder::new().name("aq-leave".to_owned()).spawn(move || {
            // Nobody may wait for it any more.
            let _ = told.send(holder.deliver(limit));
        });
        if sending.is_ok() {
            for problem in problems.recv_timeout(limit).unwrap_or_default() {
                context.report_trouble(&problem);
            }
        }
    }

    /// State of a job in the inbox. One that may be another host's by now is started a little
    /// later, when the coordinator has answered, or has not.
    pub(super) fn waiting_state(&self, row: JobRow<'_>, state: JobState) -> JobState {
        let Some(lease) = lease(row.content()) else { return state };
        match state {
            JobState::Waiting { not_before } if !self.membership.trusts(lease) => {
                let later = Timestamp::now().saturating_add(UNSURE).unwrap_or(Timestamp::MAX);
                JobState::Waiting { not_before: not_before.max(Some(later)) }
            }
            state => state,
        }
    }

    /// The job is not the fleet's any more, or not here.
    fn forget(&mut self, queue: &QueueDir, id: &JobId) {
        self.ships.remove(id);
        self.jobs.remove(id);
        self.steps.remove(id);
        if self.noted.remove(id) {
            LeaseNote::of(queue, id).forget();
        }
    }
}
