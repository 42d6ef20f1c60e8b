//! The fleet protocol, version 1: HTTP and JSON under `/v1`. A type for each body and each answer.
//!
//! Names are camelCase. Unknown fields are ignored. Only durations cross the wire, in whole
//! milliseconds, never times that two clocks would have to agree on; the one exception, the `at`
//! of a [`JobEvent`], is for people to read. What is text here comes from another machine and is
//! hostile until its type says otherwise: ids, names, branches and words can hold nothing bad,
//! [`LeaseGrant::manifest`], [`PushedCheckpoint::remote`], [`ProblemBody::detail`] and what a
//! [`GivenReason`] holds can.

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
pub use checkpoint::{BranchName, CheckpointError, CommitId, LastFailure, PushedCheckpoint};
pub use claim::{ClaimRequest, ClaimResponse, GrantedDep, LeaseGrant};
pub use event::{EventPage, EventValue, EventsRequest, FeedEvent, FeedQuery, Fields, JobEvent};
pub use factory::{
    DrainOrder, EndedFleetJob, HeartbeatAnswer, HeartbeatRequest, HostDirective, LeaseAnswer,
    LeaseRef, LeaseState, RegisterRequest, RegisterResponse,
};
pub use fleet::{
    FactoryPage, FactoryView, FleetStats, QueueDepth, ShadowAgreement, SlotCount, SpentSum,
};
pub use holder::{
    CallDone, ReleaseOutcome, ReleaseRequest, RenewRequest, RenewResponse, ReportRequest,
};
pub use ids::{
    DatabaseId, Epoch, FactoryId, FleetJobId, FleetJobIdError, InstanceId, RequestId, ShadowIdError,
};
pub use job::{GrantView, JobPage, JobQuery, JobSummary, JobView, PageQuery, ReportView};
pub use limits::{
    DEFAULT_PAGE, DEFAULT_TIMEOUT, MAX_BODY_BYTES, MAX_ENDED, MAX_EVENTS, MAX_LEASES,
    MAX_MANIFEST_BYTES, MAX_PAGE, MAX_WAIT_MS, OLDEST_PROTOCOL, PROTOCOL_HEADER, PROTOCOL_VERSION,
};
pub use metrics::RunMetrics;
pub use problem::{PROBLEM_MEDIA_TYPE, ProblemBody, ProblemKind};
pub use submit::{PUSH_TARGET, SubmitRequest, SubmitResponse};
pub use verdict::ShadowVerdict;
pub use word::{Identifier, WordError};
