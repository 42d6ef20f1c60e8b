//! The contract, kept by the thread that owns the connection.

use std::path::Path;
use std::time::Duration;

use aq_fleet::protocol::{Events, FactoryId, FleetJobId, Register, Release, Report, RequestId};
use aq_tracker::Kind;

use super::actor::Actor;
use super::schema;
use crate::ledger::{Caller, Job, Submission, Timing, cancel};
use crate::store::{
    Answer, Beat, BeatAnswer, Changes, ClaimAnswer, ClaimPlan, Clock, Cursor, Dated, FactoryRow,
    Feed, Forgotten, Granted, JobDetail, JobFilter, JobPage, NewsPage, Numbers, Registration,
    Store, StoreError, Submitted, Ticked, Told, Turn,
};

/// The ledger in a SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    actor: Actor,
}

impl SqliteStore {
    /// Opens the file, or makes it. [`Store::migrate`] comes next.
    ///
    /// # Errors
    /// When the file cannot be opened, or is no database.
    pub fn open(path: &Path, timing: Timing, clock: Clock) -> Result<Self, StoreError> {
        let (file, connection) = schema::open(path)?;
        let actor = Actor::start(file, connection, timing, clock)?;
        Ok(Self { actor })
    }
}

impl Store for SqliteStore {
    fn migrate(&self) -> Answer<'_, bool> {
        self.actor.ask(schema::migrate)
    }

    fn run_doubted(&self) -> Answer<'_, ()> {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "for any lifetime")]
        self.actor.ask(|session| session.run_doubted())
    }

    fn ping(&self) -> Answer<'_, ()> {
        self.actor.ask(schema::check)
    }

    fn tick(&self) -> Answer<'_, Ticked> {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "for any lifetime")]
        self.actor.ask(|session| session.tick())
    }

    fn forget(&self, keep: Option<Duration>) -> Answer<'_, Forgotten> {
        self.actor.ask(move |session| session.forget(keep))
    }

    fn submit(&self, submission: Submission, graph: Option<u64>) -> Answer<'_, Submitted> {
        self.actor.ask(move |session| session.submit(&submission, graph))
    }

    fn grant(&self, plans: Vec<ClaimPlan>) -> Answer<'_, Vec<ClaimAnswer>> {
        self.actor.ask(move |session| session.grant(&plans))
    }

    fn granted(&self, factory: FactoryId, request: RequestId) -> Answer<'_, Option<Vec<Granted>>> {
        self.actor.ask(move |session| session.granted(&factory, &request))
    }

    fn heartbeat(&self, beats: Vec<Beat>) -> Answer<'_, Vec<BeatAnswer>> {
        self.actor.ask(move |session| beats.iter().map(|beat| session.heartbeat(beat)).collect())
    }

    fn renew(&self, job: FleetJobId, caller: Caller) -> Answer<'_, Duration> {
        let renewed = self.actor.ask(move |session| session.renew(job, &caller));
        Box::pin(async move { Ok(renewed.await??) })
    }

    fn report(&self, job: FleetJobId, report: Report) -> Answer<'_, Job> {
        self.actor.ask(move |session| session.report(job, &report))
    }

    fn release(&self, job: FleetJobId, release: Release) -> Answer<'_, Job> {
        self.actor.ask(move |session| session.release(job, &release))
    }

    fn post(&self, job: FleetJobId, events: Events) -> Answer<'_, usize> {
        self.actor.ask(move |session| session.post(job, &events))
    }

    fn cancel(&self, job: FleetJobId) -> Answer<'_, Dated<Job>> {
        self.actor.ask(move |session| session.change(job, cancel))
    }

    fn requeue(&self, job: FleetJobId) -> Answer<'_, Dated<Job>> {
        self.actor.ask(move |session| session.requeue(job))
    }

    fn register(&self, factory: FactoryId, register: Register) -> Answer<'_, Registration> {
        self.actor.ask(move |session| session.register(&factory, &register))
    }

    fn drain(&self, factory: FactoryId, drain: bool) -> Answer<'_, ()> {
        self.actor.ask(move |session| session.drain(&factory, drain))
    }

    fn changes(&self, cursor: Cursor) -> Answer<'_, Changes> {
        self.actor.ask(move |session| session.changes(cursor))
    }

    fn job(&self, job: FleetJobId) -> Answer<'_, Option<Dated<JobDetail>>> {
        self.actor.ask(move |session| session.job(job))
    }

    fn jobs(&self, filter: JobFilter) -> Answer<'_, Dated<JobPage>> {
        self.actor.ask(move |session| session.jobs(&filter))
    }

    fn factories(
        &self,
        after: Option<FactoryId>,
        limit: u32,
    ) -> Answer<'_, Dated<Vec<FactoryRow>>> {
        self.actor.ask(move |session| session.factories(after.as_ref(), limit))
    }

    fn numbers(&self) -> Answer<'_, Numbers> {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "for any lifetime")]
        self.actor.ask(|session| session.numbers())
    }

    fn feed(&self, after: Option<u64>, limit: u32) -> Answer<'_, Feed> {
        self.actor.ask(move |session| session.feed(after, limit))
    }

    fn feed_before(&self, since: Duration) -> Answer<'_, u64> {
        self.actor.ask(move |session| session.feed_before(since))
    }

    fn news(&self, tracker: Kind, after: u64, limit: u32) -> Answer<'_, NewsPage> {
        self.actor.ask(move |session| session.news(tracker, after, limit))
    }

    fn turn(&self, turn: Turn, time: Duration) -> Answer<'_, Option<u64>> {
        self.actor.ask(move |session| session.turn(turn, time))
    }

    fn told(&self, turn: Turn, told: Told) -> Answer<'_, bool> {
        self.actor.ask(move |session| session.told(turn, &told))
    }
}
