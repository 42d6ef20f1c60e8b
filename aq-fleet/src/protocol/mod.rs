//! The fleet protocol, version 1: HTTP and JSON under `/v1`. A type for each body and each answer.
//!
//! Names are camelCase. Unknown fields are ignored. Only durations cross the wire, in whole
//! milliseconds, never times that two clocks would have to agree on; the one exception, the `at`
//! of an [`Event`], is for people to read. What is text here comes from another machine and is
//! hostile until its type says otherwise: ids, names, branches and words can hold nothing bad,
//! [`Grant::manifest`], [`Checkpoint::remote`], [`Problem::detail`] and what a [`GivenReason`]
//! holds can.

mod checkpoint;
mod claim;
mod event;
mod factory;
mod fleet;
mod holder;
mod ids;
mod job;
mod limits;
mod metrics;
mod problem;
mod reason;
mod submit;
mod text;
mod verdict;
mod version_0_1;
mod word;

#[cfg(test)]
mod tests;

pub use aq_reasons::{GivenReason, WaitCode, WaitReason};
pub use checkpoint::{BranchName, Checkpoint, CheckpointError, CommitId, LastFailure};
pub use claim::{Claim, Claimed, Grant};
pub use event::{Event, EventPage, EventValue, Events, FeedEvent, FeedQuery, Fields};
pub use factory::{
    Directive, DrainOrder, Ended, Heartbeat, HeartbeatAnswer, LeaseAnswer, LeaseRef, LeaseState,
    Register, Registered,
};
pub use fleet::{Agreement, Depth, FactoryPage, FactoryView, SlotCount, SpentSum, Stats};
pub use holder::{Done, Release, ReleaseOutcome, Renew, Renewed, Report};
pub use ids::{
    DatabaseId, Epoch, FactoryId, FleetJobId, FleetJobIdError, InstanceId, RequestId, ShadowIdError,
};
pub use job::{GrantView, JobPage, JobQuery, JobSummary, JobView, PageQuery, ReportView};
pub use limits::{
    DEFAULT_PAGE, DEFAULT_TIMEOUT, MAX_BODY_BYTES, MAX_ENDED, MAX_EVENTS, MAX_LEASES,
    MAX_MANIFEST_BYTES, MAX_PAGE, MAX_WAIT_MS, OLDEST_PROTOCOL, PROTOCOL_HEADER, PROTOCOL_VERSION,
};
pub use metrics::Metrics;
pub use problem::{PROBLEM_MEDIA_TYPE, Problem, ProblemKind};
pub use submit::{Submit, Submitted};
pub use verdict::Verdict;
pub use word::{Word, WordError};
