//! The numbers of a run (docs/fleet-protocol.md), as far as they are known.

use serde::{Deserialize, Serialize};

use super::word::Identifier;

/// The last run in a job's record. Numbers, and the names of engine and model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunMetrics {
    /// Duration of the run, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// The agent's exit status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// Attempts on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Files changed since the commit that the job started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_changed: Option<u64>,
    /// Lines added since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_added: Option<u64>,
    /// Lines deleted since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_deleted: Option<u64>,
    /// Tokens read by the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens read from the vendor's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// Tokens written by the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Tokens and cost are an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_estimated: Option<bool>,
    /// The engine that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Identifier>,
    /// Its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Identifier>,
}
