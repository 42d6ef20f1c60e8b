//! The messages to trackers about the fleet's jobs, and those that they have got.

use aq_fleet::protocol::{EventValue, Fields, FleetJobId};
use aq_manifest::Stage;
use aq_tracker::{TrackerKind, TrackerUpdate};
use uuid::Uuid;

use super::StoreError;
use super::columns::{json, word};

/// A coordinator's turn to talk to a kind of tracker: one has it at a time, so that nothing is sent
/// twice. It ends by itself, so that one that dies holds nobody up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderLease {
    /// Whom it talks to.
    pub tracker: TrackerKind,
    /// The coordinator, in this life of it.
    pub holder: Uuid,
}

/// A message of the feed that the tracker of its job's item may have to know.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingUpdate {
    /// Its place in the feed.
    pub id: u64,
    /// The job.
    pub job: FleetJobId,
    /// The item, as the job file names it.
    pub item: String,
    /// The message.
    pub echo: TrackerUpdate,
    /// The stage that the tracker got last.
    pub echoed: Option<Stage>,
    /// The tracker's answer then; see [`Tracker::echo`](aq_tracker::Tracker::echo).
    pub comment: Option<String>,
}

/// Some of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PendingUpdates {
    /// The messages, the oldest first.
    pub news: Vec<PendingUpdate>,
    /// Where to go on, if none of them is to be sent.
    pub next: u64,
    /// There may be more behind them.
    pub more: bool,
}

/// The fate of a message: it is not looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryAck {
    /// Its place in the feed.
    pub id: u64,
    /// The job.
    pub job: FleetJobId,
    /// The item.
    pub item: String,
    /// The stage that the tracker knows now; `None` when it will never know.
    pub echoed: Option<Stage>,
    /// Its answer.
    pub comment: Option<String>,
}

impl PendingUpdates {
    /// A page that was asked for with a limit; `all` is the end of what there is.
    pub(super) fn of(rows: Vec<NewsRow>, limit: u32, all: u64) -> Result<Self, StoreError> {
        let more = rows.len() >= limit as usize;
        let next = rows.last().filter(|_| more).map_or(all, |row| row.id);
        let news = rows.into_iter().filter_map(|row| row.read().transpose());
        Ok(Self { news: news.collect::<Result<_, _>>()?, next, more })
    }
}

/// A row of both databases, as text.
#[derive(Debug)]
pub(super) struct NewsRow {
    pub(super) id: u64,
    pub(super) job: FleetJobId,
    /// The job's host has said it.
    pub(super) is_hosts: bool,
    pub(super) kind: String,
    pub(super) fields: String,
    pub(super) item: String,
    pub(super) echoed: Option<String>,
    pub(super) comment: Option<String>,
}

impl NewsRow {
    /// `None` for what is no step of a job. The holder reports the steps, with the numbers;
    /// that a job has failed is what the coordinator may know alone.
    pub(super) fn read(self) -> Result<Option<PendingUpdate>, StoreError> {
        let stage = if self.is_hosts { self.kind.parse().ok() } else { Some(Stage::Failed) };
        let Some(stage) = stage else { return Ok(None) };
        Ok(Some(PendingUpdate {
            id: self.id,
            job: self.job,
            item: self.item,
            echo: echo(stage, &json("fields", &self.fields)?),
            echoed: self.echoed.as_deref().map(|text| word("echoed", text)).transpose()?,
            comment: self.comment,
        }))
    }
}

fn echo(stage: Stage, fields: &Fields) -> TrackerUpdate {
    let text = |value: &EventValue| match value {
        EventValue::Flag(flag) => u8::from(*flag).to_string(),
        EventValue::Count(count) => count.to_string(),
        EventValue::Number(number) => number.to_string(),
        EventValue::Word(word) => word.to_string(),
    };
    let texts: Vec<_> = fields.iter().map(|(key, value)| (key.as_str(), text(value))).collect();
    let of = |wanted: &str| texts.iter().find(|(key, _)| *key == wanted);
    TrackerUpdate::read(stage, |key| of(key).map(|(_, value)| value.as_str()))
}

/// The column `tracker`.
pub(super) fn tracker_text(kind: TrackerKind) -> &'static str {
    match kind {
        TrackerKind::Items => "items",
        TrackerKind::GitHub => "github",
        TrackerKind::Named(name) => name.as_str(),
    }
}
