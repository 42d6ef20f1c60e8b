//! `POST /v1/jobs/{jobId}/events`, and the stream that `GET /v1/events` sends.

use std::collections::BTreeMap;

use aq_manifest::Stage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{Epoch, FactoryId, FleetJobId};
use super::text;
use super::word::Word;

/// The content of an event: names with numbers and words, never prompt text.
pub type Fields = BTreeMap<Word, EventValue>;

/// Echo for trackers and dashboards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Events {
    /// The host that has the job.
    pub factory_id: FactoryId,
    /// By which grant.
    pub epoch: Epoch,
    /// At most [`MAX_EVENTS`](super::MAX_EVENTS).
    pub events: Vec<Event>,
}

/// Something that happened to a job on its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The place among this grant's events, from 1. A repeated one changes nothing.
    pub seq: u64,
    /// The host's time, for people to read; nothing is decided by it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub at: Timestamp,
    /// The kind of the event, in a word.
    pub kind: Word,
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
    Word(Word),
}

/// One message of the stream. Its `id` is the `id:` of the server-sent event too, to resume from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FeedEvent {
    /// Grows with every message.
    pub id: u64,
    /// The kind of the event, in a word.
    pub kind: Word,
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
}
