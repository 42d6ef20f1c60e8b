//! Questions to the desk.

use aq_fleet::protocol::{Claim, FleetJobId};
use aq_scheduler::{Cycle, WaitReason};
use tokio::sync::oneshot;

use crate::ledger::World;
use crate::store::{Granted, StoreError};

/// The answer whether a new job would close a circle, as of a version of the graph.
#[derive(Debug)]
pub(crate) enum Checked {
    Fits(u64),
    Circle(Cycle),
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

#[derive(Debug)]
pub(super) enum Ask {
    /// Jobs for a host. The answer may take as long as the claim allows.
    Claim(Claim, Reply<Vec<Granted>>),
    /// A claim that only asks.
    Dry(Claim, Reply<Vec<FleetJobId>>),
    Check {
        world: World,
        key: Option<String>,
        deps: Vec<String>,
        reply: Reply<Checked>,
    },
    Why {
        world: World,
        job: FleetJobId,
        reply: Reply<Option<WaitReason>>,
    },
}
