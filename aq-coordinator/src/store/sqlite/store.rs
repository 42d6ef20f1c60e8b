//! The contract, kept by the thread that owns the connection.

use std::path::Path;
use std::time::Duration;

use aq_fleet::protocol::{
    EventsRequest, FactoryId, FleetJobId, RegisterRequest, ReleaseRequest, ReportRequest, RequestId,
};
use aq_tracker::TrackerKind;

use super::database_thread::DatabaseThread;
use super::schema;
use crate::ledger::{FleetJob, JobSubmission, LeaseHolder, LeaseTiming, cancel};
use crate::store::{
    Answer, BeatAnswer, ChangeCursor, ChangedRows, ClaimAnswer, ClaimPlan, ClockSource,
    CoordinatorStore, DatedAnswer, DeliveryAck, FactoryRow, FeedMessages, FleetNumbers,
    ForgetReport, GrantedJob, HeartbeatRow, JobDetail, JobFilter, JobPage, PendingUpdates,
    RegistrationAnswer, SenderLease, StoreError, SubmitResult, TickReport,
};

/// The ledger in a SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    actor: DatabaseThread,
}

impl SqliteStore {
    /// Opens the file, or makes it. [`CoordinatorStore::migrate`] comes next.
    ///
    /// # Errors
    /// When the file cannot be opened, or is no database.
    pub fn open(path: &Path, timing: LeaseTiming, clock: ClockSource) -> Result<Self, StoreError> {
        let (file, connection) = schema::open(path)?;
        let actor = DatabaseThread::start(file, connection, timing, clock)?;
        Ok(Self { actor })
    }
}

impl CoordinatorStore for SqliteStore {
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

    fn tick(&self) -> Answer<'_, TickReport> {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "for any lifetime")]
        self.actor.ask(|session| session.tick())
    }

    fn forget(&self, keep: Option<Duration>) -> Answer<'_, ForgetReport> {
        self.actor.ask(move |session| session.forget(keep))
    }

    fn submit(&self, submission: JobSubmission, graph: Option<u64>) -> Answer<'_, SubmitResult> {
        self.actor.ask(move |session| session.submit(&submission, graph))
    }

    fn grant(&self, plans: Vec<ClaimPlan>) -> Answer<'_, Vec<ClaimAnswer>> {
        self.actor.ask(move |session| session.grant(&plans))
    }

    fn granted(
        &self,
        factory: FactoryId,
        request: RequestId,
    ) -> Answer<'_, Option<Vec<GrantedJob>>> {
        self.actor.ask(move |session| session.granted(&factory, &request))
    }

    fn heartbeat(&self, beats: Vec<HeartbeatRow>) -> Answer<'_, Vec<BeatAnswer>> {
        self.actor.ask(move |session| beats.iter().map(|beat| session.heartbeat(beat)).collect())
    }

    fn renew(&self, job: FleetJobId, caller: LeaseHolder) -> Answer<'_, Duration> {
        let renewed = self.actor.ask(move |session| session.renew(job, &caller));
        Box::pin(async move { Ok(renewed.await??) })
    }

    fn report(&self, job: FleetJobId, report: ReportRequest) -> Answer<'_, FleetJob> {
        self.actor.ask(move |session| session.report(job, &report))
    }

    fn release(&self, job: FleetJobId, release: ReleaseRequest) -> Answer<'_, FleetJob> {
        self.actor.ask(move |session| session.release(job, &release))
    }

    fn post(&self, job: FleetJobId, events: EventsRequest) -> Answer<'_, usize> {
        self.actor.ask(move |session| session.post(job, &events))
    }

    fn cancel(&self, job: FleetJobId) -> Answer<'_, DatedAnswer<FleetJob>> {
        self.actor.ask(move |session| session.change(job, cancel))
    }

    fn requeue(&self, job: FleetJobId) -> Answer<'_, DatedAnswer<FleetJob>> {
        self.actor.ask(move |session| session.requeue(job))
    }

    fn register(
        &self,
        factory: FactoryId,
        register: RegisterRequest,
    ) -> Answer<'_, RegistrationAnswer> {
        self.actor.ask(move |session| session.register(&factory, &register))
    }

    fn drain(&self, factory: FactoryId, drain: bool) -> Answer<'_, ()> {
        self.actor.ask(move |session| session.drain(&factory, drain))
    }

    fn changes(&self, cursor: ChangeCursor) -> Answer<'_, ChangedRows> {
        self.actor.ask(move |session| session.changes(cursor))
    }

    fn job(&self, job: FleetJobId) -> Answer<'_, Option<DatedAnswer<JobDetail>>> {
        self.actor.ask(move |session| session.job(job))
    }

    fn jobs(&self, filter: JobFilter) -> Answer<'_, DatedAnswer<JobPage>> {
        self.actor.ask(move |session| session.jobs(&filter))
    }

    fn factories(
        &self,
        after: Option<FactoryId>,
        limit: u32,
    ) -> Answer<'_, DatedAnswer<Vec<FactoryRow>>> {
        self.actor.ask(move |session| session.factories(after.as_ref(), limit))
    }

    fn numbers(&self) -> Answer<'_, FleetNumbers> {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "for any lifetime")]
        self.actor.ask(|session| session.numbers())
    }

    fn feed(&self, after: Option<u64>, limit: u32) -> Answer<'_, FeedMessages> {
        self.actor.ask(move |session| session.feed(after, limit))
    }

    fn feed_before(&self, since: Duration) -> Answer<'_, u64> {
        self.actor.ask(move |session| session.feed_before(since))
    }

    fn news(&self, tracker: TrackerKind, after: u64, limit: u32) -> Answer<'_, PendingUpdates> {
        self.actor.ask(move |session| session.news(tracker, after, limit))
    }

    fn turn(&self, turn: SenderLease, time: Duration) -> Answer<'_, Option<u64>> {
        self.actor.ask(move |session| session.turn(turn, time))
    }

    fn told(&self, turn: SenderLease, told: DeliveryAck) -> Answer<'_, bool> {
        self.actor.ask(move |session| session.told(turn, &told))
    }
}
