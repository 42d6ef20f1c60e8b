//! The answers of stores.

use std::time::Duration;

use aq_caps::CapabilityToken;
use aq_fleet::protocol::{
    Epoch, FactoryId, FeedEvent, FleetJobId, InstanceId, LeaseRef, PushedCheckpoint, QueueDepth,
    RunMetrics, ShadowAgreement, ShadowVerdict,
};
use aq_manifest::Stage;
use uuid::Uuid;

use super::JobTotals;
use super::columns::small;
use crate::ledger::{DbTime, FleetJob, GrantRecord};

/// An answer with the moment at which it was true, to count ages from.
#[derive(Clone, Debug, PartialEq)]
pub struct DatedAnswer<T> {
    /// The database's clock then.
    pub now: DbTime,
    /// The value at that time.
    pub value: T,
}

/// The findings of a tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Number of leases that lapsed.
    pub lapsed: usize,
    /// Time for which nobody had ticked, when that was an outage: now nothing lapses for one lease
    /// time.
    pub outage: Option<Duration>,
    /// After a restore, hosts have had their time just now; so many jobs wait for a person.
    pub settled: Option<usize>,
}

/// The result of a submission. The job is as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitResult {
    /// A new job: 201.
    Created(FleetJob),
    /// The same key and body were there: 200.
    Same(FleetJob),
    /// It took the place of one that nobody had begun with: 200.
    Superseded(FleetJob),
    /// The key belongs to another body that has left the queue: 409 `existing`.
    Clash(FleetJob),
    /// Somebody has added dependencies since the given version of the graph, so a cycle could
    /// close: nothing was written. Read [`changes`](super::CoordinatorStore::changes), check again,
    /// submit again.
    GraphMoved,
}

/// A job that a factory got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedJob {
    /// The row, with the epoch and the lease.
    pub job: FleetJob,
    /// The manifest, byte for byte.
    pub manifest: String,
    /// Time that is left of the lease. Shorter than a lease when a claim is repeated.
    pub expires_in: Duration,
}

/// The result of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimAnswer {
    /// The grants, in the order of the plan. What somebody else took meanwhile is left out.
    pub grants: Vec<GrantedJob>,
    /// The same claim was answered before; these are its grants that are still current, and nothing
    /// was granted now.
    pub repeated: bool,
    /// The factory is to drain: nothing new is granted to it.
    pub draining: bool,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BeatAnswer {
    /// The host is known, and has registered since the latest restore. Its leases are renewed in
    /// any case.
    pub registered: bool,
    /// It is to take no more jobs.
    pub draining: bool,
    /// Each lease, in the order of the heartbeat.
    pub leases: Vec<LeaseStand>,
    /// Jobs among them that the holder is to stop.
    pub cancel: Vec<FleetJobId>,
}

/// The answer to a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationAnswer {
    /// The database, the same also after a restore.
    pub database: Uuid,
    /// The number of the latest end that the factory has said and that is on disk.
    pub ended: u64,
}

/// The state of a lease after a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseStand {
    /// As the heartbeat named it.
    pub lease: LeaseRef,
    /// Time that is left of it; `None` when it is lost.
    pub expires_in: Option<Duration>,
}

/// Where a reader of [`changes`](super::CoordinatorStore::changes) is. The default is the
/// beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeCursor {
    /// The life of the database: another one after an outage or a restore.
    pub(crate) generation: Uuid,
    /// All changes below this stamp were read.
    pub(crate) stamp: i64,
}

/// Rows that have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedRows {
    /// These are all rows there are: forget what was read before. So it is at the beginning, and
    /// after an outage or a restore.
    pub reset: bool,
    /// The rows as they are now. A row may come again unchanged: its version shows it.
    pub jobs: Vec<FleetJob>,
    /// Where to go on.
    pub cursor: ChangeCursor,
    /// The version of the dependency graph that these rows make, for
    /// [`submit`](super::CoordinatorStore::submit).
    pub graph: u64,
}

/// A page of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<FleetJob>,
    /// [`JobFilter::after`](super::JobFilter::after) of the next page, when there may be one.
    pub next: Option<u64>,
}

/// A job with its past.
#[derive(Clone, Debug, PartialEq)]
pub struct JobDetail {
    /// The row.
    pub job: FleetJob,
    /// The manifest, byte for byte.
    pub manifest: String,
    /// Its grants, the oldest first; the latest thousand.
    pub grants: Vec<GrantRecord>,
    /// Its reports, the oldest first; the latest thousand.
    pub reports: Vec<ReportRecord>,
}

/// One report of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportRecord {
    /// The host that sent it.
    pub factory: FactoryId,
    /// Under which grant; 0 for a shadow's.
    pub epoch: Epoch,
    /// Its place there.
    pub seq: u64,
    /// A shadow sent it.
    pub shadow: bool,
    /// Where the job was.
    pub stage: Stage,
    /// When it came.
    pub at: DbTime,
    /// Where its work could be fetched from.
    pub checkpoint: Option<PushedCheckpoint>,
    /// Its numbers.
    pub metrics: Option<RunMetrics>,
    /// The verdict of a shadow's comparison.
    pub verdict: Option<ShadowVerdict>,
}

/// A factory, as it last showed itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactoryRow {
    /// The host.
    pub id: FactoryId,
    /// The host's name.
    pub host: String,
    /// The version of aq there.
    pub version: String,
    /// The life of its loop.
    pub instance: InstanceId,
    /// Its capabilities when it registered.
    pub capabilities: Vec<CapabilityToken>,
    /// Maximum of jobs that it runs.
    pub capacity: u32,
    /// Free slots at its last heartbeat.
    pub free: u32,
    /// When it was heard of last: a registration or a heartbeat.
    pub seen: DbTime,
    /// It is to take no more jobs.
    pub draining: bool,
    /// Its leases, lapsed or not.
    pub holds: Vec<LeaseRef>,
}

/// The numbers of the fleet. Shadow jobs do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetNumbers {
    /// Factories that were heard of within one lease time.
    pub factories_alive: u32,
    /// Factories that ever registered.
    pub factories_known: u32,
    /// Jobs by stage and priority; what has none is left out.
    pub depth: Vec<QueueDepth>,
    /// Jobs that somebody holds, lapsed or not.
    pub held: u64,
    /// Age of the oldest job in the inbox, counted from when it was submitted.
    pub oldest_wait: Option<Duration>,
    /// The time since a backup was restored, when one was.
    pub restored: Option<Duration>,
    /// Jobs that may have ended in the time that was lost with it.
    pub in_doubt: u64,
    /// The reports of shadows, when there are any.
    pub agreement: Option<ShadowAgreement>,
    /// The slots of factories that were heard of within one lease time, by id.
    pub slots: Vec<HostSlots>,
    /// The sums over all jobs that ever were.
    pub totals: JobTotals,
}

/// The slots of a factory at its last heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSlots {
    /// Whose.
    pub id: FactoryId,
    /// Those with a job, of the fleet or of its own.
    pub in_use: u32,
    /// Those without.
    pub free: u32,
}

impl HostSlots {
    pub(crate) fn of(id: FactoryId, capacity: i64, free: i64) -> Self {
        let (capacity, free) = (small(capacity), small(free));
        Self { id, in_use: capacity.saturating_sub(free), free }
    }
}

/// Messages of the feed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedMessages {
    /// The messages, the oldest first.
    pub events: Vec<FeedEvent>,
    /// Where to go on.
    pub next: u64,
    /// The last message that is no longer kept, where it comes after the given one: what comes
    /// between is missing.
    pub gone: Option<u64>,
}
