//! The host that asks.

use aq_fleet::protocol::{Epoch, FactoryId, InstanceId, RequestId};

/// A factory that asks for jobs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimingHost {
    /// The host.
    pub factory: FactoryId,
    /// In which life of its loop, when it has registered.
    pub instance: Option<InstanceId>,
    /// By which claim.
    pub request: RequestId,
}

/// A factory that writes under a grant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseHolder {
    /// The host.
    pub factory: FactoryId,
    /// Under which grant.
    pub epoch: Epoch,
}
