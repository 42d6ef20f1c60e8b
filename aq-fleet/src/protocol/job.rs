//! Jobs as `GET /v1/jobs` shows them. Ages, not times.

use aq_manifest::{JobId, Outcome, Priority, Stage};
use aq_reasons::WaitReason;
use serde::{Deserialize, Serialize};

use super::checkpoint::PushedCheckpoint;
use super::holder::ReleaseOutcome;
use super::ids::{Epoch, FactoryId, FleetJobId, InstanceId};
use super::metrics::RunMetrics;
use super::text;

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobQuery {
    /// Only those in this stage.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::option")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub stage: Option<Stage>,
    /// Only those that this factory holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factory: Option<FactoryId>,
    /// Only those that this factory holds, or held last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_holder: Option<FactoryId>,
    /// Only those of this key or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// Where the page before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Maximum of entries; [`DEFAULT_PAGE`](super::DEFAULT_PAGE) unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Which page of something else to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PageQuery {
    /// Where the page before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Maximum of entries; [`DEFAULT_PAGE`](super::DEFAULT_PAGE) unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of jobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobPage {
    /// The jobs, in the order in which they were submitted.
    pub jobs: Vec<JobSummary>,
    /// The cursor of the next page, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A job in a list, and the answer to `cancel` and `requeue`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobSummary {
    /// The job.
    pub job_id: FleetJobId,
    /// Its idempotency key.
    pub key: String,
    /// The name that it was submitted under.
    #[serde(with = "text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: JobId,
    /// Where it is.
    #[serde(with = "text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub stage: Stage,
    /// Its result.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::option")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub result: Option<Outcome>,
    /// Its priority.
    #[serde(with = "text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub priority: Priority,
    /// Its fleet-wide lock, when it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// It mirrors a host's own job.
    #[serde(default)]
    pub shadow: bool,
    /// The epoch of its last grant; 0 before the first.
    pub epoch: Epoch,
    /// The host that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<FactoryId>,
    /// The host that has it, or had it last: its logs are there. Version 0.1 gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_holder: Option<FactoryId>,
    /// Time that is left of its lease, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
    /// Its lease ran out, and no other host has it yet.
    #[serde(default)]
    pub lapsed: bool,
    /// Its host is being asked to stop it.
    #[serde(default)]
    pub cancel: bool,
    /// It may have ended before a backup of the database was restored: it waits for a person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
    /// Attempts that have ended and count.
    pub attempts: u32,
    /// Time since it was submitted, in milliseconds.
    pub age_ms: u64,
}

/// A job with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// The entry of a list.
    #[serde(flatten)]
    pub job: JobSummary,
    /// The reason why it waits, in words for people; [`JobView::waits`] reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// The reason why it waits, as a code with fields. Version 0.1 gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(schema_with = super::reason::schema))]
    pub waiting_reason: Option<WaitReason>,
    /// The keys that it depends on.
    #[serde(default)]
    pub deps: Vec<String>,
    /// Where its holder left its work last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PushedCheckpoint>,
    /// Its grants, the oldest first.
    pub grants: Vec<GrantView>,
    /// Its reports, the oldest first.
    pub reports: Vec<ReportView>,
}

/// One grant of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct GrantView {
    /// Its epoch.
    pub epoch: Epoch,
    /// The host that got the job.
    pub factory_id: FactoryId,
    /// In which life of its loop, when it had registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
    /// Time since its beginning, in milliseconds.
    pub started_ms_ago: u64,
    /// Time since its end, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms_ago: Option<u64>,
    /// The outcome of its release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ReleaseOutcome>,
    /// It ended because its lease ran out.
    #[serde(default)]
    pub lost: bool,
}

/// One report of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportView {
    /// Under which grant.
    pub epoch: Epoch,
    /// Its place there.
    pub seq: u64,
    /// Where the job was.
    #[serde(with = "text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub stage: Stage,
    /// Time since then, in milliseconds.
    pub ms_ago: u64,
    /// Where its work could be fetched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PushedCheckpoint>,
    /// Its numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<RunMetrics>,
}
