//! `POST /v1/jobs`: a job for the fleet.

use aq_manifest::JobId;
use serde::{Deserialize, Serialize};

use super::ids::{FactoryId, FleetJobId};
use super::text;

/// The capability of a host that merges jobs into their target at a remote. A job with
/// `ship: merge` asks for it.
pub const PUSH_TARGET: &str = "push-target";

/// A job file, and what to call it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubmitRequest {
    /// The file, byte for byte; less than [`MAX_MANIFEST_BYTES`](super::MAX_MANIFEST_BYTES).
    pub manifest: String,
    /// Its name: a valid job id. Jobs of the fleet may share one.
    #[serde(with = "text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: JobId,
    /// A mirror of a host's own job, which only dry claims of its shadow see.
    #[serde(default)]
    pub shadow: bool,
    /// With `shadow`: the host whose job it is (not its shadow id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factory_id: Option<FactoryId>,
}

/// The job as the fleet knows it: 201 for a new one, 200 for one that was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubmitResponse {
    /// The job.
    pub job_id: FleetJobId,
    /// Its idempotency key; the job's id when the file has none.
    pub key: String,
}
