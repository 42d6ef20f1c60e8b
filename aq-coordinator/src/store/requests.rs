//! What stores are asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aq_fleet::protocol::{FactoryId, FleetJobId, InstanceId, LeaseRef, RequestId};
use aq_manifest::Stage;

use crate::ledger::{DbTime, JobNamespace};

/// Which clock decides.
#[derive(Clone, Debug, Default)]
pub enum ClockSource {
    /// The database's own, read by SQL. The only one for real use.
    #[default]
    Database,
    /// The caller's, in milliseconds since 1970: for tests and simulations, which move it
    /// themselves.
    Given(Arc<AtomicI64>),
}

impl ClockSource {
    /// The moment, when the caller gives it.
    pub fn given(&self) -> Option<DbTime> {
        match self {
            Self::Database => None,
            Self::Given(now) => Some(DbTime(now.load(Ordering::SeqCst))),
        }
    }
}

/// The jobs that a plan gives to one claim, in the scheduler's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPlan {
    /// Who asks.
    pub factory: FactoryId,
    /// By which claim.
    pub request: RequestId,
    /// What it is to get.
    pub picks: Vec<PlannedPick>,
}

/// A job as the plan saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedPick {
    /// The job.
    pub job: FleetJobId,
    /// Its [`version`](crate::ledger::FleetJob::version) then. When it has another one now, it is
    /// not granted: it may wait for something else, or be urgent no more.
    pub version: u64,
}

/// A heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatRow {
    /// Whose.
    pub factory: FactoryId,
    /// The life of its loop.
    pub instance: InstanceId,
    /// Its free slots.
    pub free: u32,
    /// What it holds. One that is there twice is answered twice.
    pub leases: Vec<LeaseRef>,
}

/// Which jobs to list, in the order in which they were submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only those of one world; `None` for all.
    pub world: Option<JobNamespace>,
    /// Only those in this stage.
    pub stage: Option<Stage>,
    /// Only those that this factory holds, lapsed or not.
    pub factory: Option<FactoryId>,
    /// Only those that this factory holds, or held last.
    pub last_holder: Option<FactoryId>,
    /// Only those of this key or name.
    pub named: Option<String>,
    /// Only those with a larger [`seq`](crate::ledger::FleetJob::seq).
    pub after: Option<u64>,
    /// How many at most.
    pub limit: u32,
}
