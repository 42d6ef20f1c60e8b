//! A factory's life: `PUT /v1/factories/{factoryId}` and its heartbeat.

use aq_caps::CapabilityToken;
use serde::{Deserialize, Serialize};

use super::holder::ReleaseOutcome;
use super::ids::{DatabaseId, Epoch, FleetJobId, InstanceId};
use super::text;

/// `PUT /v1/factories/{factoryId}`: who this is and what it can do. Idempotent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RegisterRequest {
    /// The host's name, for people.
    pub host: String,
    /// The capabilities of the host, as `aq caps` prints them, and `profile:<name>` for each
    /// profile.
    #[serde(with = "text::list")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub capabilities: Vec<CapabilityToken>,
    /// Maximum of jobs that it runs at the same time.
    pub capacity: u32,
    /// The version of aq there.
    pub version: String,
    /// This life of its loop. A new one means a restart: its leases stay, to be renewed or
    /// released.
    pub instance_id: InstanceId,
    /// Jobs that it has ended, of the database that the answer names and after the number that it
    /// names, at most [`MAX_ENDED`](super::MAX_ENDED): the database may have forgotten it with the
    /// restore of a backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<EndedFleetJob>,
}

/// A job that a host has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EndedFleetJob {
    /// Its place among all that the host has ended, larger than that of the one before.
    pub n: u64,
    /// The job.
    pub job_id: FleetJobId,
    /// Its key, as the grant named it.
    pub key: String,
    /// Under which grant.
    pub epoch: Epoch,
    /// `shipped` or `failed`.
    pub outcome: ReleaseOutcome,
}

/// The answer to a registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RegisterResponse {
    /// Interval of heartbeats, in milliseconds.
    pub heartbeat_ms: u64,
    /// Duration of a lease without one, in milliseconds.
    pub lease_ms: u64,
    /// The coordinator's protocol version.
    pub protocol: u32,
    /// The coordinator's database, the same also after a restore of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseId>,
    /// The number of the latest end that this host has said and that is there.
    #[serde(default)]
    pub ended: u64,
}

/// `POST /v1/factories/{factoryId}/heartbeat`: renews every lease that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatRequest {
    /// This life of the loop.
    pub instance_id: InstanceId,
    /// Free slots.
    pub free: u32,
    /// Its leases, at most [`MAX_LEASES`](super::MAX_LEASES).
    pub leases: Vec<LeaseRef>,
}

/// A grant, by job and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LeaseRef {
    /// The job.
    pub job_id: FleetJobId,
    /// Which grant of it.
    pub epoch: Epoch,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatAnswer {
    /// The state of each lease of the heartbeat.
    pub leases: Vec<LeaseAnswer>,
    /// Orders to the host.
    #[serde(default)]
    pub directives: Vec<HostDirective>,
    /// The database does not know the host, which is to register again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub register: bool,
}

/// The body of `POST /v1/factories/{factoryId}/drain`, an extension of version 1: whether the
/// factory is to take no more jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DrainOrder {
    /// `false` takes it back.
    pub drain: bool,
}

/// The state of one lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LeaseAnswer {
    /// The job.
    pub job_id: FleetJobId,
    /// The epoch that the heartbeat named.
    pub epoch: Epoch,
    /// Held, or lost.
    pub state: LeaseState,
    /// Time that is left of it, in milliseconds; 0 for a lost one.
    #[serde(default)]
    pub expires_in_ms: u64,
}

/// Held, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LeaseState {
    /// Renewed.
    Held,
    /// The job is no longer the caller's, which must stop it.
    Lost,
}

/// Something that a host is to do, repeated with each heartbeat's answer until it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase", rename_all_fields = "camelCase", tag = "kind")]
pub enum HostDirective {
    /// Stop this job and release it.
    Cancel {
        /// The job.
        job_id: FleetJobId,
    },
    /// Take no more jobs; repeated until it is taken back.
    Drain,
    /// One that this version does not know: to be ignored.
    #[serde(other)]
    Unknown,
}
