//! Reasons for which a job waits.

use std::fmt;

use aq_caps::HostRequirement;
use aq_manifest::JobId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::code::WaitCode;
use crate::lack::HostLack;
use crate::text::text_of;
use crate::word;

/// The reason why a waiting job does not start now. When several hold, the one that is listed first
/// here is given: what a person wants comes first, what time cannot mend before what it can, and
/// what is the job's own before what it shares with all.
///
/// In JSON it is an object with its [code](WaitCode) in `code`, and its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum WaitReason {
    /// Somebody holds it.
    Held {
        /// The one who does.
        by: HeldBy,
    },
    /// The host lacks these.
    Needs {
        /// The requirements that are not met.
        #[serde(with = "word::list")]
        requirements: Vec<HostRequirement>,
    },
    /// None of its engines is installed.
    NoEngine {
        /// Its engines.
        engines: Vec<String>,
    },
    /// Deps are not satisfied; these, in the order in which the job lists them.
    WaitingOn {
        /// The keys that it waits for.
        keys: Vec<PendingDependency>,
    },
    /// A pause after a failure.
    Backoff {
        /// Its end.
        until: Timestamp,
    },
    /// The work of its deps does not go together, or not with its target.
    DepsConflict {
        /// The job whose work does not go with the rest.
        #[serde(with = "word")]
        dep: JobId,
        /// A file in conflict.
        file: String,
    },
    /// The work of a dep is on another host, and cannot be had here.
    DepElsewhere {
        /// The dep's job.
        #[serde(with = "word")]
        dep: JobId,
        /// The host.
        host: String,
    },
    /// It works in a repository's own checkout, and so does another job, which runs or is about to.
    RepositoryInUse {
        /// That job.
        #[serde(with = "word")]
        job: JobId,
    },
    /// A running job holds its lock.
    LockHeld {
        /// That job.
        #[serde(with = "word")]
        job: JobId,
    },
    /// Its lock is free, but a job that goes before it is about to take it.
    Behind {
        /// That job.
        #[serde(with = "word")]
        job: JobId,
    },
    /// Every engine that it may use must wait; this one for the shortest time.
    EngineCooling {
        /// The engine.
        engine: String,
        /// The end of the cool-down.
        until: Timestamp,
    },
    /// As many jobs as are allowed for now run with the engine, such as the probe after a
    /// cool-down.
    EngineLimited {
        /// The engine.
        engine: String,
    },
    /// A person has to mend the engine.
    EngineOut {
        /// The engine.
        engine: String,
        /// The fault of it.
        why: String,
    },
    /// The host lacks something for a while. What only this job has met is given in place of
    /// `Backoff`.
    HostLacks(HostLack),
    /// As many jobs wait in review as are allowed.
    ReviewFull {
        /// Jobs in review.
        n: u32,
        /// The number that is allowed.
        max: u32,
    },
    /// All slots are taken, or go to jobs before it.
    NoSlot {
        /// The host's slots.
        n: u32,
    },
    /// Nothing of the queue is run. No plan gives this: a front end says it in place of every
    /// other.
    Untrusted {
        /// The queue's directory, as one word of a command line.
        queue: String,
    },
    /// It is finished, and goes into its target after those before it. No plan gives this and the
    /// next one.
    Train {
        /// Its place, from 1.
        place: u32,
        /// The target, as people name it.
        into: String,
    },
    /// It is finished, and its merge needs a person.
    TrainWaits {
        /// The reason, in the words of the one who met it.
        refusal: String,
        /// Files that are in the way.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<String>,
    },
    /// It is finished, and its work does not go into its target without that of a dep that is not
    /// shipped.
    DepUnmerged {
        /// That dep.
        #[serde(with = "word")]
        dep: JobId,
        /// A file that needs its work.
        file: String,
    },
    /// All slots of the fleet's hosts that fit are taken, or go to jobs before it. Only
    /// coordinators give this and the following three.
    NoFreeHost,
    /// No host that fits asks for a job now.
    NoHost,
    /// Its deps form a circle.
    DepsCycle {
        /// The keys of the circle, the first one again at the end.
        keys: Vec<String>,
    },
    /// The coordinator's database was restored from a backup, and nobody knows whether it has ended
    /// since.
    InDoubt,
    /// One that this version does not know.
    #[serde(untagged)]
    Other(OtherReason),
}

/// One who holds a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// Somebody with `aq hold`.
    Person,
}

/// A dep that is not satisfied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingDependency {
    /// The dep's idempotency key.
    pub key: String,
    /// The prospect of it.
    pub state: DependencyStatus,
}

/// The prospect of a key that a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyStatus {
    /// A live job has it.
    Pending,
    /// Its job failed.
    Failed,
    /// Its job is in quarantine.
    Quarantined,
    /// No job has it.
    Missing,
}

/// A reason with a code, or with fields, of another version. Nothing of it is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherReason {
    code: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl OtherReason {
    /// A reason of which no more is known than its code.
    pub fn of_code(code: WaitCode) -> Self {
        Self { code: code.as_str().to_owned(), fields: Map::new() }
    }

    /// A reason of which nothing is known, such as one that came as a text only.
    pub fn unknown() -> Self {
        Self { code: "unknown".to_owned(), fields: Map::new() }
    }
}

impl WaitReason {
    /// Its code; `None` for one that this version does not know.
    pub fn code(&self) -> Option<WaitCode> {
        Some(match self {
            Self::Held { .. } => WaitCode::Held,
            Self::Needs { .. } => WaitCode::Needs,
            Self::NoEngine { .. } => WaitCode::NoEngine,
            Self::WaitingOn { .. } => WaitCode::WaitingOn,
            Self::Backoff { .. } => WaitCode::Backoff,
            Self::DepsConflict { .. } => WaitCode::DepsConflict,
            Self::DepElsewhere { .. } => WaitCode::DepElsewhere,
            Self::RepositoryInUse { .. } => WaitCode::RepositoryInUse,
            Self::LockHeld { .. } => WaitCode::LockHeld,
            Self::Behind { .. } => WaitCode::Behind,
            Self::EngineCooling { .. } => WaitCode::EngineCooling,
            Self::EngineLimited { .. } => WaitCode::EngineLimited,
            Self::EngineOut { .. } => WaitCode::EngineOut,
            Self::HostLacks(_) => WaitCode::HostLacks,
            Self::ReviewFull { .. } => WaitCode::ReviewFull,
            Self::NoSlot { .. } => WaitCode::NoSlot,
            Self::Untrusted { .. } => WaitCode::Untrusted,
            Self::Train { .. } => WaitCode::Train,
            Self::TrainWaits { .. } => WaitCode::TrainWaits,
            Self::DepUnmerged { .. } => WaitCode::DepUnmerged,
            Self::NoFreeHost => WaitCode::NoFreeHost,
            Self::NoHost => WaitCode::NoHost,
            Self::InDoubt => WaitCode::InDoubt,
            Self::DepsCycle { .. } => WaitCode::DepsCycle,
            Self::Other(other) => return WaitCode::of_text(&other.code),
        })
    }

    /// The word of its code, also of one that this version does not know. Text from outside: escape
    /// it before it is shown.
    pub fn code_text(&self) -> &str {
        match self {
            Self::Other(other) => &other.code,
            known => known.code().map_or("", WaitCode::as_str),
        }
    }

    /// Its JSON object with a text beside code and fields, in `text`.
    pub fn with_text(&self, text: &str) -> Map<String, Value> {
        let mut object = match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        object.insert("text".to_owned(), text.into());
        object
    }

    /// Its text, with times as the caller writes them.
    pub fn to_text(&self, time: &dyn Fn(Timestamp) -> String) -> String {
        text_of(self, time)
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(&|time| time.to_string()))
    }
}
