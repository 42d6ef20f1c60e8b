//! Calls of the host that has a lease: renew, report, release. Each is fenced by the epoch.

use aq_manifest::{Outcome, Stage};
use serde::{Deserialize, Serialize};

use super::checkpoint::PushedCheckpoint;
use super::ids::{Epoch, FactoryId};
use super::metrics::RunMetrics;
use super::text;
use super::verdict::ShadowVerdict;

/// `POST /v1/jobs/{jobId}/renew`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenewRequest {
    /// The host that has the job.
    pub factory_id: FactoryId,
    /// By which grant.
    pub epoch: Epoch,
}

/// The answer to a renewal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenewResponse {
    /// Time that is left of the lease, in milliseconds.
    pub expires_in_ms: u64,
}

/// `POST /v1/jobs/{jobId}/reports`: how far the job has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportRequest {
    /// The host that has the job.
    pub factory_id: FactoryId,
    /// By which grant.
    pub epoch: Epoch,
    /// The place among this grant's reports, from 1. An old or repeated one changes nothing.
    pub seq: u64,
    /// Where the job is. `shipped` is the compare-and-set that decides a ship.
    #[serde(with = "text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub stage: Stage,
    /// Where its work can be fetched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PushedCheckpoint>,
    /// Its numbers so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<RunMetrics>,
    /// About a shadow job: it touches nothing else, and its answer is not acted on.
    #[serde(default)]
    pub shadow: bool,
    /// With `shadow`: whether the coordinator's pick agreed with the host's, for the statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<ShadowVerdict>,
}

/// `POST /v1/jobs/{jobId}/release`: the holder gives the job back. Idempotent for the same epoch
/// and outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReleaseRequest {
    /// The host that has the job.
    pub factory_id: FactoryId,
    /// By which grant.
    pub epoch: Epoch,
    /// The outcome of the release.
    pub outcome: ReleaseOutcome,
    /// Its result; absent when nothing ended that has one, such as with `abandoned`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::option")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub result: Option<Outcome>,
    /// Its numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<RunMetrics>,
}

/// The outcome of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ReleaseOutcome {
    /// It is over, and accepted.
    Shipped,
    /// It is over, badly.
    Failed,
    /// It waits again: to be retried.
    Requeue,
    /// It waits again: this host did not get to it.
    Abandoned,
}

impl ReleaseOutcome {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Failed => "failed",
            Self::Requeue => "requeue",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The answer of a call that has nothing to say but that it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CallDone {}
