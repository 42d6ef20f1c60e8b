#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod admit;
mod arena;
mod class;
mod error;
mod graph;
mod host;
mod hosts;
mod job;
mod order;
mod plan;
mod queue;
mod rank;
mod ready;
mod retry;

pub use aq_reasons::{
    DependencyStatus, HeldBy, HostLack, HostResource, PendingDependency, SeenBy, WaitReason,
};
pub use error::QueueError;
pub use graph::Cycle;
pub use host::{EngineState, Host, HostId, Limits, Misfits};
pub use job::{Job, Settled, State};
pub use plan::{Plan, Rejection, Start};
pub use queue::{Counts, Queue};
pub use retry::{AfterFailure, after_failure};
