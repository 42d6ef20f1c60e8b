//! The contract, each call one transaction.

use std::sync::Arc;
use std::time::Duration;

use aq_fleet::protocol::{
    EventsRequest, FactoryId, FleetJobId, RegisterRequest, ReleaseRequest, ReportRequest, RequestId,
};
use aq_tracker::TrackerKind;

use super::pool::PooledConnections;
use super::tx::{PostgresTransaction, TransactionMode};
use crate::ledger::{FleetJob, JobSubmission, LeaseHolder, LeaseTiming, cancel};
use crate::store::{
    Answer, BeatAnswer, ChangeCursor, ChangedRows, ClaimAnswer, ClaimPlan, ClockSource,
    CoordinatorStore, DatedAnswer, DeliveryAck, FactoryRow, FeedMessages, FleetNumbers,
    ForgetReport, GrantedJob, HeartbeatRow, JobDetail, JobFilter, JobPage, PendingUpdates,
    RegistrationAnswer, SenderLease, StoreError, SubmitResult, TickReport,
};

/// Leases that one transaction renews at most; a larger batch is several.
const LEASES: usize = 10_000;

/// The ledger in PostgreSQL 13 or newer.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    connections: PooledConnections,
}

impl PostgresStore {
    /// That of a `postgres://` URL. Opens no connection yet; [`CoordinatorStore::migrate`] comes
    /// next. The URL's `sslmode` and `sslrootcert` say how much of TLS is wanted, as with other
    /// clients of PostgreSQL; without them it is used where the server has it, and shows nobody's
    /// name.
    ///
    /// # Errors
    /// When the URL, or the file of certificates that it names, cannot be read.
    pub fn new(url: &str, timing: LeaseTiming, clock: ClockSource) -> Result<Self, StoreError> {
        Ok(Self { connections: PooledConnections::to(url, timing, clock)? })
    }
}

impl PostgresStore {
    async fn read_changes(&self, cursor: ChangeCursor) -> Result<ChangedRows, StoreError> {
        let read = self.connections.run_after(
            TransactionMode::Glance,
            PostgresTransaction::changed(cursor),
            move |tx| {
                let changes = tx.changes(cursor);
                Box::pin(async { changes })
            },
        );
        read.await
    }
}

/// Runs a method of `PostgresTransaction` in a transaction. What it is given is kept for when it
/// has to run again.
macro_rules! transact {
    ($self:ident, $mode:ident, |$tx:ident $(, $given:ident)*| $call:expr) => {{
        let given = Arc::new(($($given,)*));
        Box::pin($self.connections.run(TransactionMode::$mode, move |$tx| {
            let given = Arc::clone(&given);
            Box::pin(async move {
                let ($($given,)*) = &*given;
                $call.await
            })
        }))
    }};
}

impl CoordinatorStore for PostgresStore {
    fn migrate(&self) -> Answer<'_, bool> {
        transact!(self, Schema, |tx| tx.migrate())
    }

    fn run_doubted(&self) -> Answer<'_, ()> {
        transact!(self, Write, |tx| tx.run_doubted())
    }

    fn ping(&self) -> Answer<'_, ()> {
        transact!(self, Schema, |tx| tx.check())
    }

    fn tick(&self) -> Answer<'_, TickReport> {
        Box::pin(async move {
            let ticked: Answer<'_, _> = transact!(self, Write, |tx| tx.tick());
            let ticked = ticked.await?;
            self.connections.look_elsewhere().await;
            Ok(ticked)
        })
    }

    fn forget(&self, keep: Option<Duration>) -> Answer<'_, ForgetReport> {
        Box::pin(async move {
            let mut forgotten = ForgetReport::default();
            if let Some(keep) = keep {
                let pasts: Answer<'_, _> = transact!(self, Write, |tx, keep| tx.forget(*keep));
                forgotten = pasts.await?;
            }
            // Apart: it waits for the row that ticks lock, and claims wait for none of it.
            let events: Answer<'_, _> = transact!(self, Write, |tx, keep| tx.forget_events(*keep));
            forgotten.events = events.await?;
            Ok(forgotten)
        })
    }

    fn submit(&self, submission: JobSubmission, graph: Option<u64>) -> Answer<'_, SubmitResult> {
        transact!(self, Write, |tx, submission, graph| tx.submit(submission, *graph))
    }

    fn grant(&self, plans: Vec<ClaimPlan>) -> Answer<'_, Vec<ClaimAnswer>> {
        let opening = PostgresTransaction::claimed(&plans);
        let given = Arc::new(plans);
        Box::pin(self.connections.run_after(TransactionMode::Write, opening, move |tx| {
            let plans = Arc::clone(&given);
            Box::pin(async move { tx.grant(&plans).await })
        }))
    }

    fn granted(
        &self,
        factory: FactoryId,
        request: RequestId,
    ) -> Answer<'_, Option<Vec<GrantedJob>>> {
        transact!(self, Read, |tx, factory, request| tx.granted(factory, request))
    }

    fn heartbeat(&self, beats: Vec<HeartbeatRow>) -> Answer<'_, Vec<BeatAnswer>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(beats.len());
            for part in parts(beats) {
                let part: Answer<'_, _> = transact!(self, Write, |tx, part| tx.heartbeat(part));
                answers.extend(part.await?);
            }
            Ok(answers)
        })
    }

    fn renew(&self, job: FleetJobId, caller: LeaseHolder) -> Answer<'_, Duration> {
        let renewed: Answer<'_, _> =
            transact!(self, Write, |tx, job, caller| tx.renew(*job, caller));
        Box::pin(async move { Ok(renewed.await??) })
    }

    fn report(&self, job: FleetJobId, report: ReportRequest) -> Answer<'_, FleetJob> {
        transact!(self, Write, |tx, job, report| tx.report(*job, report))
    }

    fn release(&self, job: FleetJobId, release: ReleaseRequest) -> Answer<'_, FleetJob> {
        transact!(self, Write, |tx, job, release| tx.release(*job, release))
    }

    fn post(&self, job: FleetJobId, events: EventsRequest) -> Answer<'_, usize> {
        transact!(self, Write, |tx, job, events| tx.post(*job, events))
    }

    fn cancel(&self, job: FleetJobId) -> Answer<'_, DatedAnswer<FleetJob>> {
        transact!(self, Write, |tx, job| tx.change(*job, cancel))
    }

    fn requeue(&self, job: FleetJobId) -> Answer<'_, DatedAnswer<FleetJob>> {
        transact!(self, Write, |tx, job| tx.requeue(*job))
    }

    fn register(
        &self,
        factory: FactoryId,
        register: RegisterRequest,
    ) -> Answer<'_, RegistrationAnswer> {
        transact!(self, Write, |tx, factory, register| tx.register(factory, register))
    }

    fn drain(&self, factory: FactoryId, drain: bool) -> Answer<'_, ()> {
        transact!(self, Write, |tx, factory, drain| tx.drain(factory, *drain))
    }

    fn changes(&self, cursor: ChangeCursor) -> Answer<'_, ChangedRows> {
        Box::pin(async move {
            let changes = self.read_changes(cursor).await?;
            if changes.reset && cursor.stamp > ChangeCursor::default().stamp {
                // The place was one of another life.
                return self.read_changes(ChangeCursor::default()).await;
            }
            Ok(changes)
        })
    }

    fn job(&self, job: FleetJobId) -> Answer<'_, Option<DatedAnswer<JobDetail>>> {
        transact!(self, Read, |tx, job| tx.job(*job))
    }

    fn jobs(&self, filter: JobFilter) -> Answer<'_, DatedAnswer<JobPage>> {
        transact!(self, Read, |tx, filter| tx.jobs(filter))
    }

    fn factories(
        &self,
        after: Option<FactoryId>,
        limit: u32,
    ) -> Answer<'_, DatedAnswer<Vec<FactoryRow>>> {
        transact!(self, Read, |tx, after, limit| tx.factories(after.as_ref(), *limit))
    }

    fn numbers(&self) -> Answer<'_, FleetNumbers> {
        transact!(self, Read, |tx| tx.numbers())
    }

    fn feed(&self, after: Option<u64>, limit: u32) -> Answer<'_, FeedMessages> {
        transact!(self, Read, |tx, after, limit| tx.feed(*after, *limit))
    }

    fn feed_before(&self, since: Duration) -> Answer<'_, u64> {
        transact!(self, Read, |tx, since| tx.feed_before(*since))
    }

    fn news(&self, tracker: TrackerKind, after: u64, limit: u32) -> Answer<'_, PendingUpdates> {
        transact!(self, Read, |tx, tracker, after, limit| tx.news(*tracker, *after, *limit))
    }

    fn turn(&self, turn: SenderLease, time: Duration) -> Answer<'_, Option<u64>> {
        transact!(self, Write, |tx, turn, time| tx.turn(*turn, *time))
    }

    fn told(&self, turn: SenderLease, told: DeliveryAck) -> Answer<'_, bool> {
        transact!(self, Write, |tx, turn, told| tx.told(*turn, told))
    }
}

/// Beats in parts that each renew a bounded number of leases. One beat stays whole.
fn parts(beats: Vec<HeartbeatRow>) -> Vec<Vec<HeartbeatRow>> {
    let mut parts: Vec<Vec<HeartbeatRow>> = Vec::new();
    let mut room = 0;
    for beat in beats {
        let leases = beat.leases.len().max(1);
        match parts.last_mut() {
            Some(part) if leases <= room => {
                room -= leases;
                part.push(beat);
            }
            _ => {
                room = LEASES.saturating_sub(leases);
                parts.push(vec![beat]);
            }
        }
    }
    parts
}
