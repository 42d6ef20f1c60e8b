//! The row of a job.

use std::time::Duration;

use aq_fleet::protocol::{
    Epoch, FactoryId, FleetJobId, InstanceId, PushedCheckpoint, ReleaseOutcome, RequestId,
};
use aq_manifest::{DepsMode, JobId, Outcome, Priority, Stage};
use sha2::{Digest, Sha256};

use super::DbTime;

/// A job whose lease ran out this many times in a row fails as `crash`: it is probably what kills
/// its hosts (docs/job-file.md has the same number for one host).
pub const MAX_LOST: u32 = 10;

/// Everything that is known of a job, but for its manifest and its past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetJob {
    /// The job.
    pub id: FleetJobId,
    /// Its age: jobs of one priority go in this order.
    pub seq: u64,
    /// The world that can see it.
    pub world: JobNamespace,
    /// Its idempotency key, or its id as text when the manifest has none. Unique in its world.
    pub key: String,
    /// The terms of its manifest.
    pub terms: SchedulingTerms,
    /// When it was submitted first.
    pub submitted_at: DbTime,
    /// Where it is. Never `Quarantine`: that is a host's folder.
    pub stage: Stage,
    /// Its result, when it is over.
    pub result: Option<Outcome>,
    /// The epoch of its latest grant; 0 before the first.
    pub epoch: Epoch,
    /// The latest grant, also when it has ended.
    pub tenure: Option<ActiveLease>,
    /// The lock that it holds now. It is held by one job at a time, and only while the job is held
    /// and in `building` or `review`.
    pub held_lock: Option<String>,
    /// A person wishes it to stop, and its holder has not let go yet.
    pub cancel: bool,
    /// It may have ended in the time that was lost with the restore of a backup: it is not granted
    /// before its holder, or a person, says otherwise.
    pub doubted: bool,
    /// Grants that have ended, however they did.
    pub attempts: u32,
    /// The latest of them that ended by their lease running out, in a row.
    pub lost: u32,
    /// Where its work so far can be fetched from.
    pub checkpoint: Option<PushedCheckpoint>,
    /// One more with every write but a plain renewal, which changes nothing that is planned with.
    pub version: u64,
}

/// The part of a manifest that the fleet needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SchedulingTerms {
    /// The name that it was submitted under.
    pub name: JobId,
    /// Of the manifest, byte for byte.
    pub body: BodyHash,
    /// More urgent jobs go first.
    pub priority: Priority,
    /// The lock that it names itself; the default one, a directory, is a host's own affair.
    pub lock: Option<String>,
    /// Keys of jobs that must have come far enough before.
    pub deps: Vec<String>,
    /// The stage that those must have reached.
    pub deps_mode: DepsMode,
    /// The requirements on a host: the manifest's capabilities, `engine:<name>` and
    /// `profile:<name>` where it names one, and `push-target` where it is to be merged.
    pub needs: Vec<String>,
}

/// SHA-256 of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BodyHash(pub [u8; 32]);

impl BodyHash {
    /// The hash of a manifest.
    pub fn of(manifest: &str) -> Self {
        Self(Sha256::digest(manifest).into())
    }
}

/// Which jobs know of one another: keys, deps and locks have a meaning inside a world only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobNamespace {
    /// The fleet's jobs.
    Fleet,
    /// The mirror of this factory's own jobs (docs/fleet.md). They are never granted.
    Shadow(FactoryId),
}

/// A grant: who got the job, and until when it is theirs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActiveLease {
    /// The host that got it.
    pub factory: FactoryId,
    /// In which life of its loop, when it had registered.
    pub instance: Option<InstanceId>,
    /// By which claim.
    pub request: RequestId,
    /// When.
    pub started: DbTime,
    /// The end of the lease.
    pub until: DbTime,
    /// The largest `seq` of its reports; 0 before the first.
    pub last_seq: u64,
    /// The state of the grant.
    pub hold: LeaseStatus,
}

/// State of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseStatus {
    /// Its lease runs.
    Held,
    /// Its lease ran out. The job is still its holder's until it is granted again.
    Lapsed,
    /// It is over.
    Ended(LeaseEnd),
}

/// End of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseEnd {
    /// By its holder.
    Released(ReleaseOutcome),
    /// By its lease running out, for good.
    Lost,
}

impl FleetJob {
    /// The latest grant, while the job is its holder's.
    pub fn held_by(&self) -> Option<&ActiveLease> {
        self.tenure.as_ref().filter(|tenure| !matches!(tenure.hold, LeaseStatus::Ended(_)))
    }

    /// Returns the host that holds the job, lapsed or not.
    pub fn holder(&self) -> Option<&FactoryId> {
        self.held_by().map(|tenure| &tenure.factory)
    }

    /// Tests for a lease that ran out while nobody else has the job yet.
    pub fn is_lapsed(&self) -> bool {
        self.tenure.as_ref().is_some_and(|tenure| tenure.hold == LeaseStatus::Lapsed)
    }

    /// Tests for a job that a host could be granted now, as far as the job itself goes.
    pub fn is_waiting(&self) -> bool {
        match self.held_by() {
            _ if self.doubted => false,
            None => self.stage == Stage::Inbox,
            Some(tenure) => tenure.hold == LeaseStatus::Lapsed,
        }
    }

    /// Returns the time that is left of its lease; `None` when nobody's lease runs.
    pub fn expires_in(&self, now: DbTime) -> Option<Duration> {
        self.held_by()
            .filter(|tenure| tenure.hold == LeaseStatus::Held)
            .map(|tenure| tenure.until.since(now))
    }

    /// Returns the time that its host may count on a lease that is `length` long: not longer than
    /// that, also when the database's clock was put back since.
    pub fn granted_for(&self, now: DbTime, length: Duration) -> Duration {
        self.expires_in(now).unwrap_or_default().min(length)
    }

    /// The lock that it has to hold in its stage while its lease runs.
    pub(crate) fn needed_lock(&self) -> Option<&str> {
        let at_work = matches!(self.stage, Stage::Building | Stage::Review);
        self.terms.lock.as_deref().filter(|_| at_work)
    }

    /// Ends the latest grant: an attempt more, and nothing held.
    pub(crate) fn end(&mut self, end: LeaseEnd) {
        if let Some(tenure) = &mut self.tenure {
            tenure.hold = LeaseStatus::Ended(end);
            self.attempts = self.attempts.saturating_add(1);
            self.lost = if end == LeaseEnd::Lost { self.lost.saturating_add(1) } else { 0 };
        }
        self.held_lock = None;
    }

    /// Makes it over.
    pub(crate) fn finish(&mut self, stage: Stage, result: Outcome) {
        self.stage = stage;
        self.result = Some(result);
        self.cancel = false;
        self.doubted = false;
    }

    /// Makes it wait again.
    pub(crate) fn wait(&mut self) {
        self.stage = Stage::Inbox;
        self.result = None;
    }

    /// This row as the next version, unless nothing but the lease's end is different from `before`.
    pub(crate) fn next_after(mut self, before: &Self) -> Self {
        if self.same_but_lease(before) {
            return self;
        }
        self.version = before.version + 1;
        self
    }

    /// Tests for a row in which nothing but the end of the lease is different.
    pub fn same_but_lease(&self, other: &Self) -> bool {
        let mut like = self.clone();
        if let (Some(like), Some(other)) = (&mut like.tenure, &other.tenure) {
            like.until = other.until;
        }
        like == *other
    }
}
