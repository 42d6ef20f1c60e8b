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
pub use graph::DependencyCycle;
pub use host::{EngineState, HostId, HostLimits, SchedulerHost, UnschedulablePolicy};
pub use job::{JobState, ScheduledJob, SettledAs};
pub use plan::{HostPlan, HostRejection, PlannedStart};
pub use queue::{JobQueue, QueueCounts};
pub use retry::{AfterFailure, after_failure};

// Their types are in this crate's interface: whoever uses it need not guess their versions.
#[doc(no_inline)]
pub use {aq_caps, aq_manifest, jiff};
