//! The task that decides.

use std::collections::HashSet;
use std::sync::Arc;

use aq_fleet::protocol::{ClaimRequest, FleetJobId};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep_until};
use tracing::warn;

use super::assign_request::{AssignRequest, CycleCheck};
use super::mirror_set::MirrorSet;
use super::pending_claims::{PendingClaim, PendingClaims};
use super::queue_mirror::{HostOffer, QueueMirror, Schedulability};
use super::share::share;
use crate::ledger::JobNamespace;
use crate::metrics::CoordinatorMetrics;
use crate::store::{ClaimPlan, CoordinatorStore, PlannedPick, StoreError};

/// Questions that are read at once.
const MAX_READ: usize = 1024;

/// Jobs granted in one transaction.
const MAX_BATCH: usize = 256;

/// Number of times that a plan is made again when others have taken what it gave.
const MAX_ROUNDS: usize = 8;

/// Interval of looks for other coordinators' changes while a claim waits.
const WATCH: Duration = Duration::from_millis(100);

/// Greatest age of the picture of the store that a claim is answered from with jobs. What was
/// written to this coordinator is always in it, so only another one's jobs can be missed for so
/// long; with less than it asks for, or nothing, a claim is answered from a new one. A reading for
/// every batch instead is one more exchange with the database, which docs/performance.md has the
/// price of.
const STALE: Duration = Duration::from_millis(20);

/// And while none does, so that the first one finds little to read.
const REST: Duration = Duration::from_secs(1);

/// The question to the store.
#[derive(Debug)]
struct PlannedClaims {
    /// Whose each plan is: the place among those who wait.
    places: Vec<usize>,
    plans: Vec<ClaimPlan>,
    /// There may be more to give than one transaction takes.
    is_full: bool,
    /// Somebody gets less than it asks for.
    is_short: bool,
}

#[derive(Debug)]
pub(super) struct JobAssigner {
    store: Arc<dyn CoordinatorStore>,
    metrics: Arc<CoordinatorMetrics>,
    boards: MirrorSet,
    room: PendingClaims,
    /// Something has changed since all who wait were looked at.
    moved: bool,
    /// When the boards were as the store was.
    read_at: Instant,
    /// This coordinator has written something since.
    told: bool,
    /// The store failed when it was asked last.
    is_away: bool,
}

impl JobAssigner {
    pub(super) fn new(store: Arc<dyn CoordinatorStore>, metrics: Arc<CoordinatorMetrics>) -> Self {
        let (boards, room) = (MirrorSet::new(), PendingClaims::default());
        let read_at = Instant::now();
        Self { store, metrics, boards, room, moved: true, read_at, told: true, is_away: false }
    }

    pub(super) async fn run(
        mut self,
        mut asked: mpsc::Receiver<AssignRequest>,
        mut pulse: watch::Receiver<()>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut look = Instant::now();
        let mut asks = Vec::new();
        loop {
            let wake = self.room.next_end().map_or(look, |end| end.min(look));
            let watched = !self.room.is_empty();
            tokio::select! {
                many = asked.recv_many(&mut asks, MAX_READ) => if many == 0 { break },
                Ok(()) = pulse.changed(), if watched => self.told = true,
                () = sleep_until(wake) => {}
                _ = stop.wait_for(|&stop| stop) => break,
            }
            if pulse.has_changed().unwrap_or(true) {
                pulse.mark_unchanged();
                self.told = true;
            }
            let claims_only =
                !asks.is_empty() && asks.iter().all(|ask| matches!(ask, AssignRequest::Claim(..)));
            let is_fresh = self.told || !claims_only || self.read_at.elapsed() >= STALE;
            let read = if is_fresh { self.refresh().await } else { Ok(()) };
            let outcome = match read {
                Ok(()) => {
                    self.hear(asks.drain(..));
                    self.serve(is_fresh).await
                }
                Err(error) => {
                    self.put_off(asks.drain(..), &error);
                    Err(error)
                }
            };
            self.tell(outcome.as_ref().err());
            let answer = outcome.map(|()| Vec::new());
            let done = self.room.end(Instant::now(), &answer);
            self.metrics.claims.inc_by(done as u64);
            self.metrics.parked.set(i64::try_from(self.room.len()).unwrap_or(i64::MAX));
            look = Instant::now() + if self.room.is_empty() { REST } else { WATCH };
        }
        self.close(asked);
    }

    /// Logs that nothing can be granted, once until it can again.
    fn tell(&mut self, error: Option<&StoreError>) {
        let was_away = std::mem::replace(&mut self.is_away, error.is_some());
        if let (Some(error), false) = (error, was_away) {
            warn!(%error, "nothing can be granted for now");
        }
    }

    async fn refresh(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        self.moved |= self.boards.refresh(&*self.store).await?;
        (self.read_at, self.told) = (now, false);
        Ok(())
    }

    /// Answers what needs no store, and lets claims in.
    fn hear(&mut self, asks: impl Iterator<Item = AssignRequest>) {
        let now = Instant::now();
        for ask in asks {
            match ask {
                AssignRequest::Claim(claim, reply) => self.room.enter(claim, reply, now),
                AssignRequest::Dry(claim, reply) => {
                    let _ = reply.send(Ok(self.dry(claim)));
                }
                AssignRequest::Check { world, key, deps, reply } => {
                    let board = self.boards.of(&world);
                    let circle = match board {
                        Some(board) => board.cycle(key.as_deref(), &deps),
                        None => QueueMirror::new().cycle(key.as_deref(), &deps),
                    };
                    let graph = self.boards.graph();
                    let _ =
                        reply.send(Ok(circle.map_or(CycleCheck::Fits(graph), CycleCheck::Circle)));
                }
                AssignRequest::Why { world, job, reply } => {
                    let board = self.boards.of(&world);
                    let _ = reply.send(Ok(board.and_then(|board| board.why(job))));
                }
            }
        }
    }

    /// The database is away: only claims that may wait are kept.
    fn put_off(&mut self, asks: impl Iterator<Item = AssignRequest>, error: &StoreError) {
        let now = Instant::now();
        for ask in asks {
            let error = error.clone();
            // Who does not listen any more needs no answer.
            match ask {
                AssignRequest::Claim(claim, reply) => self.room.enter(claim, reply, now),
                AssignRequest::Dry(_, reply) => drop(reply.send(Err(error))),
                AssignRequest::Check { reply, .. } => drop(reply.send(Err(error))),
                AssignRequest::Why { reply, .. } => drop(reply.send(Err(error))),
            }
        }
    }

    /// Answers a claim that only asks. A shadow sees the mirror of its owner's jobs, others the
    /// fleet's.
    fn dry(&mut self, claim: ClaimRequest) -> Vec<FleetJobId> {
        let world = claim.factory_id.owner().map_or(JobNamespace::Fleet, JobNamespace::Shadow);
        let Some(board) = self.boards.of(&world) else { return Vec::new() };
        let mut capabilities = claim.capabilities;
        capabilities.sort_unstable();
        capabilities.dedup();
        let offer = HostOffer { capabilities: &capabilities, held_locks: &claim.held_locks };
        board.plan(offer, claim.free.min(super::pending_claims::MAX_GRANTS))
    }

    /// Plans and grants until nothing is left to give, or to ask the store. `is_fresh`: the boards
    /// were read just now.
    async fn serve(&mut self, mut is_fresh: bool) -> Result<(), StoreError> {
        for _ in 0..MAX_ROUNDS {
            self.room.forget_the_gone();
            let moved = self.moved;
            let PlannedClaims { places, plans, is_full, is_short } = self.plan();
            if is_short && !is_fresh {
                let picks = plans.iter().flat_map(|plan| &plan.picks);
                give_back(self.boards.fleet(), picks.map(|pick| pick.job));
                self.refresh().await?;
                self.moved |= moved;
                is_fresh = true;
                continue;
            }
            self.moved = is_full;
            if plans.is_empty() {
                return Ok(());
            }
            if !self.grant(&places, plans).await? && !is_full {
                return Ok(());
            }
            self.refresh().await?;
            self.moved = true;
        }
        Ok(())
    }

    /// Plans for claims that could get something: all when anything has changed, else the new ones.
    /// A new one is brought to the store also with nothing, which knows whether it was answered
    /// before.
    fn plan(&mut self) -> PlannedClaims {
        let waiting = self.room.all();
        let may_get = |waiting: &PendingClaim| self.moved && !waiting.is_draining;
        let tried: Vec<usize> = (0..waiting.len())
            .filter(|&place| waiting[place].is_new || may_get(&waiting[place]))
            .collect();
        let asking: Vec<_> = tried.iter().map(|&place| waiting[place].asking()).collect();
        let board = self.boards.fleet();
        let dealt = share(board, &asking, MAX_BATCH);
        let given: usize = dealt.iter().map(Vec::len).sum();
        let mut wants = asking.iter().zip(&dealt);
        let is_short = wants.any(|(asking, jobs)| jobs.len() < asking.wants as usize);
        let mut planned =
            PlannedClaims { places: vec![], plans: vec![], is_full: given >= MAX_BATCH, is_short };
        for (place, jobs) in tried.into_iter().zip(dealt) {
            let waiting = &waiting[place];
            if jobs.is_empty() && !waiting.is_new {
                continue;
            }
            let pick = |job| Some(PlannedPick { job, version: board.version(job)? });
            let picks = jobs.into_iter().filter_map(pick).collect();
            let (factory, request) = (waiting.factory.clone(), waiting.request.clone());
            planned.places.push(place);
            planned.plans.push(ClaimPlan { factory, request, picks });
        }
        planned
    }

    /// Writes a plan and answers who got something. `true`: some of it was not to be had.
    async fn grant(&mut self, places: &[usize], plans: Vec<ClaimPlan>) -> Result<bool, StoreError> {
        let picked: Vec<FleetJobId> =
            plans.iter().flat_map(|plan| &plan.picks).map(|pick| pick.job).collect();
        let answers = self.store.grant(plans).await;
        let board = self.boards.fleet();
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                // Perhaps it was done all the same; then the rows will say so.
                give_back(board, picked.into_iter());
                self.moved = true;
                return Err(error);
            }
        };
        self.metrics.batches.inc();
        let mut rows = Vec::new();
        let mut told = Vec::with_capacity(places.len());
        for (&place, answer) in places.iter().zip(answers) {
            rows.extend(answer.grants.iter().map(|granted| granted.job.clone()));
            self.metrics.claims.inc_by(u64::from(!answer.grants.is_empty()));
            if !answer.repeated {
                self.metrics.grants.inc_by(answer.grants.len() as u64);
            }
            told.push((place, answer));
        }
        let got: HashSet<FleetJobId> = rows.iter().map(|row| row.id).collect();
        let missed: Vec<FleetJobId> = picked.into_iter().filter(|job| !got.contains(job)).collect();
        let any_missed = !missed.is_empty();
        give_back(board, missed.into_iter());
        board.follow(&rows);
        self.room.granted(told);
        Ok(any_missed)
    }

    /// Nothing is granted any more: an empty answer lets hosts go and ask another coordinator.
    fn close(mut self, mut asked: mpsc::Receiver<AssignRequest>) {
        asked.close();
        let now = Instant::now();
        while let Ok(ask) = asked.try_recv() {
            if let AssignRequest::Claim(claim, reply) = ask {
                self.room.enter(claim, reply, now);
            }
        }
        self.room.close(&Ok(Vec::new()));
    }
}

fn give_back(board: &mut QueueMirror, jobs: impl Iterator<Item = FleetJobId>) {
    for job in jobs {
        board.note(job, Schedulability::Waiting);
    }
}
