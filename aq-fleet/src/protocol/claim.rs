//! `POST /v1/claims`: a factory asks for jobs.

use aq_caps::CapabilityToken;
use aq_manifest::JobId;
use serde::{Deserialize, Serialize};

use super::checkpoint::PushedCheckpoint;
use super::ids::{Epoch, FactoryId, FleetJobId, RequestId};
use super::text;

/// The jobs that a host can take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimRequest {
    /// The same again when the answer was lost: it gives the same grants while they are current.
    pub request_id: RequestId,
    /// The host that asks.
    pub factory_id: FactoryId,
    /// The capabilities that the host advertises now.
    #[serde(with = "text::list")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub capabilities: Vec<CapabilityToken>,
    /// Number of jobs that it can take now.
    pub free: u32,
    /// Lock keys that jobs of its own hold there, which the coordinator knows nothing of.
    #[serde(default)]
    pub held_locks: Vec<String>,
    /// Answer what would be granted, with epoch 0, and grant nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Longest wait for a job before the answer is empty, in milliseconds; at most
    /// [`MAX_WAIT_MS`](super::MAX_WAIT_MS).
    #[serde(default)]
    pub wait_ms: u64,
}

/// The jobs that were granted: at most `free`, none when there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimResponse {
    /// The grants, in the order in which the scheduler chose them.
    pub jobs: Vec<LeaseGrant>,
}

/// A job that a factory got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LeaseGrant {
    /// The job.
    pub job_id: FleetJobId,
    /// Its idempotency key; the job's id when it was submitted without one.
    pub key: String,
    /// The name that it was submitted under. Not unique in the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::option")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub name: Option<JobId>,
    /// Which grant of it; 0 in a dry run.
    pub epoch: Epoch,
    /// Duration of the lease, in milliseconds. The host counts it from when it sent the claim.
    pub lease_ms: u64,
    /// The job file, byte for byte as it was submitted.
    pub manifest: String,
    /// Where an earlier holder left its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PushedCheckpoint>,
    /// The jobs that its deps are, in the order of its file. A coordinator of version 0.1 names
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deps: Vec<GrantedDep>,
}

/// A dep of a granted job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct GrantedDep {
    /// Its job.
    pub job_id: FleetJobId,
    /// The name of that.
    #[serde(with = "text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: JobId,
    /// The host that has done it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<FactoryId>,
    /// Where its work can be fetched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PushedCheckpoint>,
    /// It has changed files in the directory in which the granted job works, has put them nowhere,
    /// and was not to be merged: only its own host has them.
    #[serde(default)]
    pub stays_behind: bool,
}
