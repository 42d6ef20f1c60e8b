//! The contract that every database keeps.

use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use aq_fleet::protocol::{
    EventsRequest, FactoryId, FleetJobId, RegisterRequest, ReleaseRequest, ReportRequest, RequestId,
};
use aq_tracker::TrackerKind;

use super::{
    BeatAnswer, ChangeCursor, ChangedRows, ClaimAnswer, ClaimPlan, DatedAnswer, DeliveryAck,
    FactoryRow, FeedMessages, FleetNumbers, ForgetReport, GrantedJob, HeartbeatRow, JobDetail,
    JobFilter, JobPage, PendingUpdates, RegistrationAnswer, SenderLease, StoreError, SubmitResult,
    TickReport,
};
use crate::ledger::{FleetJob, JobSubmission, LeaseHolder};

/// What a store answers, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The ledger in a database. Each call is one transaction, or several where a batch is large and
/// its parts have nothing to do with one another; when a call has answered, what it says is on disk
/// (but plain renewals, which a crash may take back: the holder renews again).
///
/// Any number of stores, in any number of processes, may work on one database at the same time.
/// Every call may be repeated when its answer was lost. A future that is dropped may have done its
/// work or not.
///
/// Every call can fail with [`StoreError::Unavailable`] and [`StoreError::Broken`].
pub trait CoordinatorStore: Debug + Send + Sync {
    /// Brings the schema up to date and begins epochs above all that a lost database could have
    /// drawn. To be called once before anything else. `true`: a backup was restored since it was
    /// called last.
    ///
    /// # Errors
    /// [`StoreError::TooNew`] for a schema of a newer program, which is left as it is.
    fn migrate(&self) -> Answer<'_, bool>;

    /// Lets jobs run that may have ended in the time that was lost with the restore of a backup, as
    /// soon as hosts have had the time to say which did.
    fn run_doubted(&self) -> Answer<'_, ()>;

    /// Whether the database answers and has the schema of this program.
    ///
    /// # Errors
    /// [`StoreError::TooNew`], [`StoreError::TooOld`].
    fn ping(&self) -> Answer<'_, ()>;

    /// To be called every second: says that this coordinator lives, and ends leases whose time is
    /// over. After an outage nothing ends for one lease time.
    fn tick(&self) -> Answer<'_, TickReport>;

    /// Forgets some of what is not kept for good: of jobs that ended, and hosts that were heard of
    /// last, longer ago than `keep`, grants, reports and texts, and the hosts; nothing with `None`.
    /// Messages of the feed go after `keep` too, and not before seven days. Key, digest, outcome
    /// and epoch of a job stay.
    fn forget(&self, keep: Option<Duration>) -> Answer<'_, ForgetReport>;

    /// A new job. `graph` is the version of the graph that it was checked against for cycles; it is
    /// looked at only when the job has deps, and `None` takes any.
    fn submit(&self, submission: JobSubmission, graph: Option<u64>) -> Answer<'_, SubmitResult>;

    /// Grants what a plan gives to claims, all in one transaction; the answers are in the order of
    /// the plans. What another coordinator took meanwhile, what has changed since, and what needs a
    /// lock that is held is left out. A claim that was answered before gets its grants again
    /// instead.
    fn grant(&self, plans: Vec<ClaimPlan>) -> Answer<'_, Vec<ClaimAnswer>>;

    /// The grants of a claim that was answered before, as far as they are still current; `None` for
    /// a claim that has got nothing yet.
    fn granted(
        &self,
        factory: FactoryId,
        request: RequestId,
    ) -> Answer<'_, Option<Vec<GrantedJob>>>;

    /// Renews leases. The answers are in the order of the beats.
    fn heartbeat(&self, beats: Vec<HeartbeatRow>) -> Answer<'_, Vec<BeatAnswer>>;

    /// Renews one lease; answers how long it holds from now.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], and `Refused` when fenced.
    fn renew(&self, job: FleetJobId, caller: LeaseHolder) -> Answer<'_, Duration>;

    /// A report; answers the row after it. With `shadow` it is kept, and moves only a mirror of the
    /// reporter's own.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], and `Refused` when fenced or of a stage that cannot be reported.
    fn report(&self, job: FleetJobId, report: ReportRequest) -> Answer<'_, FleetJob>;

    /// Ends a grant; answers the row after it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], and `Refused` when fenced.
    fn release(&self, job: FleetJobId, release: ReleaseRequest) -> Answer<'_, FleetJob>;

    /// Adds events to the feed; one that is there already changes nothing. Answers how many were
    /// new.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], and `Refused` when fenced.
    fn post(&self, job: FleetJobId, events: EventsRequest) -> Answer<'_, usize>;

    /// Stops a job, or has its holder stop it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], and `Refused` when it is shipped.
    fn cancel(&self, job: FleetJobId) -> Answer<'_, DatedAnswer<FleetJob>>;

    /// Puts a failed job back.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], and `Refused` when it is neither failed nor waiting.
    fn requeue(&self, job: FleetJobId) -> Answer<'_, DatedAnswer<FleetJob>>;

    /// Notes a factory, and what it has ended. Its leases stay as they are, also under a new
    /// instance.
    fn register(
        &self,
        factory: FactoryId,
        register: RegisterRequest,
    ) -> Answer<'_, RegistrationAnswer>;

    /// Whether a factory is to take no more jobs, from now on and until this is taken back. What it
    /// holds stays its own.
    ///
    /// # Errors
    /// [`StoreError::NoSuchFactory`].
    fn drain(&self, factory: FactoryId, drain: bool) -> Answer<'_, ()>;

    /// The rows that have changed since the cursor was given. Nothing that was committed before
    /// this call is missed.
    fn changes(&self, cursor: ChangeCursor) -> Answer<'_, ChangedRows>;

    /// A job with its past, or `None`.
    fn job(&self, job: FleetJobId) -> Answer<'_, Option<DatedAnswer<JobDetail>>>;

    /// A page of jobs.
    fn jobs(&self, filter: JobFilter) -> Answer<'_, DatedAnswer<JobPage>>;

    /// A page of factories, in the order of their ids, from after the given one.
    fn factories(
        &self,
        after: Option<FactoryId>,
        limit: u32,
    ) -> Answer<'_, DatedAnswer<Vec<FactoryRow>>>;

    /// The numbers of the fleet. Costs as much as there are jobs: not for every call.
    fn numbers(&self) -> Answer<'_, FleetNumbers>;

    /// Messages of the feed with a larger id, in order, none left out; with `None`, no message, and
    /// the place where the feed ends now.
    fn feed(&self, after: Option<u64>, limit: u32) -> Answer<'_, FeedMessages>;

    /// The place in the feed from which on messages are younger than so: for
    /// [`feed`](Self::feed).
    fn feed_before(&self, since: Duration) -> Answer<'_, u64>;

    /// Messages of the feed about jobs that have a tracker's item, with a larger id, in order:
    /// those that this kind of tracker has not got, and those of the other kind among them.
    fn news(&self, tracker: TrackerKind, after: u64, limit: u32) -> Answer<'_, PendingUpdates>;

    /// Takes a turn, or renews it, for so long from now; no time gives it back. Answers how far the
    /// feed was sent; `None` while it is another one's turn.
    fn turn(&self, turn: SenderLease, time: Duration) -> Answer<'_, Option<u64>>;

    /// Notes what came of a message; `false` when the turn has passed to another one, or the
    /// message was noted before.
    fn told(&self, turn: SenderLease, told: DeliveryAck) -> Answer<'_, bool>;
}
