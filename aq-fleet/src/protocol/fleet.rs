//! The fleet as a whole: `GET /v1/factories` and `GET /v1/stats`.

use std::collections::BTreeMap;

use aq_caps::CapabilityToken;
use aq_manifest::{Priority, Stage};
use serde::{Deserialize, Serialize};

use super::factory::LeaseRef;
use super::ids::{FactoryId, InstanceId};
use super::text;

/// A page of factories.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FactoryPage {
    /// The factories, in the order of their ids.
    pub factories: Vec<FactoryView>,
    /// The cursor of the next page, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A factory, as it last showed itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FactoryView {
    /// Its id.
    pub factory_id: FactoryId,
    /// The host's name.
    pub host: String,
    /// The version of aq there.
    pub version: String,
    /// This life of its loop.
    pub instance_id: InstanceId,
    /// Its capabilities.
    #[serde(with = "text::list")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub capabilities: Vec<CapabilityToken>,
    /// Maximum of jobs that it runs.
    pub capacity: u32,
    /// Free slots at its last heartbeat.
    pub free: u32,
    /// It was heard of within one lease time.
    pub alive: bool,
    /// Time since it was heard of, in milliseconds.
    pub seen_ms_ago: u64,
    /// It is to take no more jobs.
    #[serde(default)]
    pub draining: bool,
    /// Its leases.
    pub holds: Vec<LeaseRef>,
}

/// The numbers of the fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FleetStats {
    /// Factories that were heard of within one lease time.
    pub factories_alive: u32,
    /// Factories that ever registered.
    pub factories_known: u32,
    /// Jobs by stage and priority; what has none is left out. Shadow jobs do not count.
    pub queue: Vec<QueueDepth>,
    /// Jobs that somebody holds.
    pub held: u64,
    /// Age of the oldest waiting job, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_wait_ms: Option<u64>,
    /// Milliseconds since a backup of the database was restored, when one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_ms_ago: Option<u64>,
    /// Jobs that may have ended in the time that was lost with it: they wait for a person.
    #[serde(default)]
    pub in_doubt: u64,
    /// The reports of shadows, when there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<ShadowAgreement>,
    /// The slots of factories that are alive. Version 0.1 counts none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<SlotCount>,
    /// Cost of runs, as far as hosts know it. Version 0.1 counts none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<SpentSum>,
    /// Number of jobs that have failed, by their result. Version 0.1 counts none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, u64>,
}

/// Slots, by what is in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SlotCount {
    /// Those with a job, of the fleet or of a host's own.
    pub in_use: u64,
    /// Those without.
    pub free: u64,
}

/// Cost of runs of the fleet's jobs, as hosts say it when they let a job go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SpentSum {
    /// US dollars, estimates included.
    pub cost_usd: f64,
    /// Tokens that models read.
    pub input_tokens: u64,
    /// Tokens that came from vendors' caches.
    pub cached_tokens: u64,
    /// Tokens that models wrote.
    pub output_tokens: u64,
}

/// Number of jobs in a stage with a priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueDepth {
    /// The stage.
    #[serde(with = "text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub stage: Stage,
    /// The priority.
    #[serde(with = "text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub priority: Priority,
    /// The jobs.
    pub jobs: u64,
}

/// Number of picks on which the coordinator and the hosts agreed, as their shadows reported it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ShadowAgreement {
    /// Both picked the same.
    pub agree: u64,
    /// Each picked another job.
    pub diverge: u64,
    /// The coordinator picked none.
    pub coord_empty: u64,
    /// The host picked none.
    pub local_empty: u64,
    /// No answer that could be used.
    pub error: u64,
}
