//! Questions to the desk.

use aq_fleet::protocol::{ClaimRequest, FleetJobId};
use aq_scheduler::{DependencyCycle, WaitReason};
use tokio::sync::oneshot;

use crate::ledger::JobNamespace;
use crate::store::{GrantedJob, StoreError};

/// The answer whether a new job would close a circle, as of a version of the graph.
#[derive(Debug)]
pub(crate) enum CycleCheck {
    Fits(u64),
    Circle(DependencyCycle),
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

#[derive(Debug)]
pub(super) enum AssignRequest {
    /// Jobs for a host. The answer may take as long as the claim allows.
    Claim(ClaimRequest, Reply<Vec<GrantedJob>>),
    /// A claim that only asks.
    Dry(ClaimRequest, Reply<Vec<FleetJobId>>),
    Check {
        world: JobNamespace,
        key: Option<String>,
        deps: Vec<String>,
        reply: Reply<CycleCheck>,
    },
    Why {
        world: JobNamespace,
        job: FleetJobId,
        reply: Reply<Option<WaitReason>>,
    },
}
