//! `POST /v1/jobs/{jobId}/events`, and the stream that `GET /v1/events` sends.

use std::collections::BTreeMap;

use aq_manifest::{JobId, Stage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{Epoch, FactoryId, FleetJobId};
use super::text;
use super::word::Identifier;

/// The content of an event: names with numbers and words, never prompt text.
pub type Fields = BTreeMap<Identifier, EventValue>;

/// Echo for trackers and dashboards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EventsRequest {
    /// The host that has the job.
    pub factory_id: FactoryId,
    /// By which grant.
    pub epoch: Epoch,
    /// At most [`MAX_EVENTS`](super::MAX_EVENTS).
    pub events: Vec<JobEvent>,
}

/// Something that happened to a job on its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobEvent {
    /// The place among this grant's events, from 1. A repeated one changes nothing.
    pub seq: u64,
    /// The host's time, for people to read; nothing is decided by it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub at: Timestamp,
    /// The kind of the event, in a word.
    pub kind: Identifier,
    /// The particulars.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, EventValue>))]
    pub fields: Fields,
}

/// A number, a word, yes or no.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum EventValue {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Count(i64),
    /// Another number; finite, for JSON has no others.
    Number(f64),
    /// A word.
    Word(Identifier),
}

/// One message of the stream. Its `id` is the `id:` of the server-sent event too, to resume from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FeedEvent {
    /// Grows with every message.
    pub id: u64,
    /// The kind of the event, in a word.
    pub kind: Identifier,
    /// To which job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<FleetJobId>,
    /// On which host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factory_id: Option<FactoryId>,
    /// Under which grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The job's stage after it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::option")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub stage: Option<Stage>,
    /// The particulars.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, EventValue>))]
    pub fields: Fields,
    /// The job's name. Version 0.1 gives none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::option")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub name: Option<JobId>,
    /// Time since then, in milliseconds. Version 0.1 gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms_ago: Option<u64>,
}

impl FeedEvent {
    /// The kind of the message that stands for those that are no longer kept; its id is the last
    /// one's.
    pub const GAP: &'static str = "gap";

    /// The message to whoever has read up to a place before the last message that is gone.
    pub fn gap(last: u64) -> Self {
        Self {
            id: last,
            kind: Identifier::lossy(Self::GAP),
            job_id: None,
            factory_id: None,
            epoch: None,
            stage: None,
            fields: Fields::new(),
            name: None,
            ms_ago: None,
        }
    }
}

/// Which messages `GET /v1/feed` is to give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FeedQuery {
    /// Those behind the message with this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Without `after`: those of so long ago, in milliseconds; without either, those to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// Maximum of messages; [`DEFAULT_PAGE`](super::DEFAULT_PAGE) unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Longest wait for a message before the answer is empty, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// A page of messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    /// The messages, the oldest first.
    pub events: Vec<FeedEvent>,
    /// `after` of the next page. There is always one: more will happen.
    pub next: u64,
    /// The last message that is no longer kept, where some that were asked for are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<u64>,
}
