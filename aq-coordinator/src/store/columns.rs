//! A row of jobs as both databases keep it, in values that SQL knows.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::LazyLock;

use aq_fleet::protocol::{Epoch, FleetJobId, PushedCheckpoint, ReleaseOutcome};
use uuid::Uuid;

use super::StoreError;
use super::table::{names, table};
use crate::ledger::{
    ActiveLease, BodyHash, DbTime, FleetJob, JobNamespace, LeaseEnd, LeaseStatus, SchedulingTerms,
};

table! {
    /// A row of `jobs`.
    Columns:
    Fixed {
        seq: i64 = "bigint",
        id: Uuid = "uuid",
        world: String = "text",
        key: String = "text",
        submitted_at: i64 = "bigint",
    }
    Terms {
        name: String = "text",
        body: Vec<u8> = "bytea",
        priority: String = "text",
        lock: Option<String> = "text",
        deps: String = "text",
        deps_mode: String = "text",
        needs: String = "text",
    }
    State {
        stage: String = "text",
        result: Option<String> = "text",
        epoch: i64 = "bigint",
        factory: Option<String> = "text",
        instance: Option<String> = "text",
        request: Option<String> = "text",
        started: Option<i64> = "bigint",
        until: Option<i64> = "bigint",
        last_seq: Option<i64> = "bigint",
        hold: Option<String> = "text",
        held_lock: Option<String> = "text",
        cancel: bool = "boolean",
        doubted: bool = "boolean",
        attempts: i64 = "bigint",
        lost: i64 = "bigint",
        checkpoint: Option<String> = "text",
        version: i64 = "bigint",
    }
}

/// The names of the columns, in the order of [`Columns`].
pub(crate) static COLUMNS: LazyLock<String> = LazyLock::new(|| names(Columns::COLUMNS));

impl From<&FleetJob> for Columns {
    fn from(job: &FleetJob) -> Self {
        let tenure = job.tenure.as_ref();
        let terms = &job.terms;
        Self {
            seq: number(job.seq),
            id: job.id.uuid(),
            world: world_text(&job.world).to_owned(),
            key: job.key.clone(),
            name: terms.name.to_string(),
            body: terms.body.0.to_vec(),
            priority: terms.priority.to_string(),
            lock: terms.lock.clone(),
            deps: list_text(&terms.deps),
            deps_mode: terms.deps_mode.to_string(),
            needs: list_text(&terms.needs),
            submitted_at: job.submitted_at.0,
            stage: job.stage.to_string(),
            result: job.result.as_ref().map(ToString::to_string),
            epoch: number(job.epoch.0),
            factory: tenure.map(|tenure| tenure.factory.to_string()),
            instance: tenure.and_then(|tenure| tenure.instance.as_ref()).map(ToString::to_string),
            request: tenure.map(|tenure| tenure.request.to_string()),
            started: tenure.map(|tenure| tenure.started.0),
            until: tenure.map(|tenure| tenure.until.0),
            last_seq: tenure.map(|tenure| number(tenure.last_seq)),
            hold: tenure.map(|tenure| hold_text(tenure.hold).to_owned()),
            held_lock: job.held_lock.clone(),
            cancel: job.cancel,
            doubted: job.doubted,
            attempts: i64::from(job.attempts),
            lost: i64::from(job.lost),
            checkpoint: job.checkpoint.as_ref().map(json_text),
            version: number(job.version),
        }
    }
}

impl TryFrom<Columns> for FleetJob {
    type Error = StoreError;

    fn try_from(row: Columns) -> Result<Self, StoreError> {
        let body = row.body.as_slice().try_into().map_err(|_| broken("body", "32 bytes"))?;
        let tenure = match (&row.factory, &row.request, &row.hold) {
            (Some(factory), Some(request), Some(hold)) => Some(ActiveLease {
                factory: word("factory", factory)?,
                instance: row.instance.as_deref().map(|text| word("instance", text)).transpose()?,
                request: word("request", request)?,
                started: DbTime(row.started.unwrap_or_default()),
                until: DbTime(row.until.unwrap_or_default()),
                last_seq: count(row.last_seq.unwrap_or_default()),
                hold: hold_of(hold)?,
            }),
            _ => None,
        };
        Ok(Self {
            id: FleetJobId::from(row.id),
            seq: count(row.seq),
            world: world_of(&row.world)?,
            key: row.key,
            terms: SchedulingTerms {
                name: word("name", &row.name)?,
                body: BodyHash(body),
                priority: word("priority", &row.priority)?,
                lock: row.lock,
                deps: json("deps", &row.deps)?,
                deps_mode: word("deps_mode", &row.deps_mode)?,
                needs: json("needs", &row.needs)?,
            },
            submitted_at: DbTime(row.submitted_at),
            stage: word("stage", &row.stage)?,
            result: row.result.as_deref().map(|text| word("result", text)).transpose()?,
            epoch: Epoch(count(row.epoch)),
            tenure,
            held_lock: row.held_lock,
            cancel: row.cancel,
            doubted: row.doubted,
            attempts: small(row.attempts),
            lost: small(row.lost),
            checkpoint: checkpoint_of(row.checkpoint.as_deref())?,
            version: count(row.version),
        })
    }
}

/// A number of the wire or the ledger for SQL, which has none above 2^63. What is larger there was
/// never given out by a coordinator, and is refused or cut off alike.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number back from SQL.
pub(crate) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

pub(crate) fn small(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The column `world`: the owner of mirrors, or nothing.
pub(crate) fn world_text(world: &JobNamespace) -> &str {
    match world {
        JobNamespace::Fleet => "",
        JobNamespace::Shadow(owner) => owner.as_str(),
    }
}

fn world_of(text: &str) -> Result<JobNamespace, StoreError> {
    if text.is_empty() {
        Ok(JobNamespace::Fleet)
    } else {
        word("world", text).map(JobNamespace::Shadow)
    }
}

fn hold_text(hold: LeaseStatus) -> &'static str {
    match hold {
        LeaseStatus::Held => "held",
        LeaseStatus::Lapsed => "lapsed",
        LeaseStatus::Ended(end) => end_text(end),
    }
}

fn hold_of(text: &str) -> Result<LeaseStatus, StoreError> {
    match text {
        "held" => Ok(LeaseStatus::Held),
        "lapsed" => Ok(LeaseStatus::Lapsed),
        _ => end_of(text).map(LeaseStatus::Ended),
    }
}

/// The word for how a grant ended.
pub(crate) fn end_text(end: LeaseEnd) -> &'static str {
    match end {
        LeaseEnd::Released(outcome) => outcome.as_str(),
        LeaseEnd::Lost => "lost",
    }
}

pub(crate) fn end_of(text: &str) -> Result<LeaseEnd, StoreError> {
    const OUTCOMES: [ReleaseOutcome; 4] = [
        ReleaseOutcome::Shipped,
        ReleaseOutcome::Failed,
        ReleaseOutcome::Requeue,
        ReleaseOutcome::Abandoned,
    ];
    if text == "lost" {
        return Ok(LeaseEnd::Lost);
    }
    let found = OUTCOMES.into_iter().find(|outcome| outcome.as_str() == text);
    found.map(LeaseEnd::Released).ok_or_else(|| broken("end", text))
}

/// A word of a closed list, or a name.
pub(crate) fn word<T: FromStr<Err: Display>>(
    column: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    text.parse().map_err(|error: T::Err| broken(column, &error.to_string()))
}

/// JSON of a value that cannot fail to have one.
pub(crate) fn json_text<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(crate) fn list_text(list: &[String]) -> String {
    json_text(&list)
}

pub(crate) fn json<T: serde::de::DeserializeOwned>(
    column: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| broken(column, &error.to_string()))
}

pub(crate) fn checkpoint_of(text: Option<&str>) -> Result<Option<PushedCheckpoint>, StoreError> {
    text.map(|text| json("checkpoint", text)).transpose()
}

pub(crate) fn broken(column: &str, why: &str) -> StoreError {
    StoreError::Broken(format!("column {column} holds what this aq did not write: {why}"))
}
