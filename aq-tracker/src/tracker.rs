//! The trait of every tracker, and the plain values that go in and out.

use std::str::FromStr;

use aq_manifest::{FailureClass, Outcome, Stage};
use serde::{Deserialize, Serialize};

use crate::error::TrackerError;
use crate::item_id::ItemId;

/// A tracker.
pub trait Tracker: Send {
    /// Reads an item.
    ///
    /// # Errors
    /// See [`TrackerError`].
    fn item(&self, id: &ItemId) -> Result<TrackerItem, TrackerError>;

    /// Brings an item in line with what became of its job. `comment` is what this answered the last
    /// time: the comment to be edited, where the tracker edits comments. Doing it twice leaves the
    /// item as doing it once, but for a tracker that can only add comments.
    ///
    /// # Errors
    /// See [`TrackerError`].
    fn echo(
        &self,
        id: &ItemId,
        update: &RenderedUpdate,
        comment: Option<&str>,
    ) -> Result<Option<String>, TrackerError>;
}

/// An item as a tracker has it. Text of strangers: only [`crate::mapping`] makes a job of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerItem {
    /// The item, as it was asked for: no name that a tracker answers is used.
    pub id: ItemId,
    /// Its title.
    pub title: String,
    /// Its text.
    pub description: String,
    /// Its priority, in the tracker's words.
    pub priority: Option<String>,
    /// Its labels.
    pub labels: Vec<String>,
}

/// The part of a job that goes out: its stage and its numbers. Nothing here can hold a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackerUpdate {
    /// The folder it reached.
    #[serde(with = "words")]
    pub stage: Stage,
    /// Its result.
    #[serde(default, with = "words::option")]
    pub outcome: Option<Outcome>,
    /// The failure of its last attempt.
    #[serde(default, with = "words::option")]
    pub failure: Option<FailureClass>,
    /// Attempts that ended and count.
    #[serde(default)]
    pub attempts: Option<u32>,
    /// Seconds at work, over all attempts, as are tokens and cost.
    #[serde(default)]
    pub duration_s: Option<f64>,
    /// Input tokens, without cached ones.
    #[serde(default)]
    pub input_tokens: Option<u64>,
    /// Input tokens out of a cache.
    #[serde(default)]
    pub cached_tokens: Option<u64>,
    /// Output tokens.
    #[serde(default)]
    pub output_tokens: Option<u64>,
    /// US dollars.
    #[serde(default)]
    pub cost_usd: Option<f64>,
    /// Tokens and cost are an estimate.
    #[serde(default)]
    pub estimated: bool,
    /// Files that differ from where the job started.
    #[serde(default)]
    pub files_changed: Option<u64>,
    /// Lines added.
    #[serde(default)]
    pub lines_added: Option<u64>,
    /// Lines deleted.
    #[serde(default)]
    pub lines_deleted: Option<u64>,
}

impl TrackerUpdate {
    /// Reads the numbers out of a record, asked for by the keys of docs/on-disk-format.md: a job's
    /// meta, or the fields of a coordinator's event. What is no number of the right kind is not
    /// known.
    pub fn read<'a>(stage: Stage, get: impl Fn(&str) -> Option<&'a str>) -> Self {
        fn number<T: FromStr>(text: Option<&str>) -> Option<T> {
            text?.parse().ok()
        }
        let total = |key: &str| get(&format!("total_{key}")).or_else(|| get(key));
        let finite = |text| number::<f64>(text).filter(|n| n.is_finite() && *n >= 0.0);
        Self {
            stage,
            outcome: number(get("result")),
            failure: number(get("failure_class")),
            attempts: number(get("attempts")),
            duration_s: finite(total("duration_s")),
            input_tokens: number(total("input_tokens")),
            cached_tokens: number(total("cached_tokens")),
            output_tokens: number(total("output_tokens")),
            cost_usd: finite(total("cost_usd")),
            estimated: get("usage_estimated") == Some("1"),
            files_changed: number(get("files_changed")),
            lines_added: number(get("lines_added")),
            lines_deleted: number(get("lines_deleted")),
        }
    }
}

/// A [`TrackerUpdate`] in the tracker's words; [`crate::mapping::update`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedUpdate {
    /// The folder that the job reached.
    pub stage: Stage,
    /// The item's status.
    pub status: String,
    /// The comment.
    pub comment: String,
}

/// Words of fixed lists as text.
mod words {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(
        word: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(word)
    }

    pub(super) fn deserialize<'de, T, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }

    pub(super) mod option {
        use super::{Deserialize, Deserializer, Display, Error, FromStr, Serializer};

        pub(in super::super) fn serialize<T: Display, S: Serializer>(
            word: &Option<T>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match word {
                Some(word) => serializer.collect_str(word),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, T, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<T>, D::Error>
        where
            T: FromStr<Err: Display>,
        {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
        }
    }
}
