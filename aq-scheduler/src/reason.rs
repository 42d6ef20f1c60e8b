//! Why a job does not run, in data and in the words that every front end shows.

use std::fmt;

use aq_caps::Requirement;
use aq_manifest::JobId;
use jiff::Timestamp;

use crate::lack::HostLack;

/// Why a waiting job does not start now. When several reasons hold, the one that is listed first
/// here is given: what a person wants comes first, what time cannot mend before what it can, and what is
/// the job's own before what it shares with all.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// A person holds it.
    Held,
    /// The host lacks these.
    Needs(Vec<Requirement>),
    /// None of its engines is installed.
    NoEngine {
        /// Its engines.
        engines: Vec<String>,
    },
    /// Deps are not satisfied; these, in the order in which the job lists them.
    WaitingOn(Vec<Awaited>),
    /// A pause after a failure.
    Backoff {
        /// Its end.
        until: Timestamp,
    },
    /// It works in a repository's own checkout, and so does another job, which runs or is about to.
    RepositoryInUse {
        /// That job.
        by: JobId,
    },
    /// A running job holds its lock.
    LockHeld {
        /// That job.
        by: JobId,
    },
    /// Its lock is free, but a job that goes before it is about to take it.
    Behind {
        /// That job.
        job: JobId,
    },
    /// Every engine that it may use must wait; this one for the shortest time.
    EngineCoolingDown {
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
    EngineOutOfUse {
        /// The engine.
        engine: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The host lacks something for a while. What only this job has met is given in place of
    /// `Backoff`.
    HostLacks(HostLack),
    /// As many jobs wait in review as are allowed.
    ReviewFull {
        /// Jobs in review.
        waiting: u32,
        /// How many are allowed.
        max: u32,
    },
    /// All slots are taken, or go to jobs before it.
    NoSlot,
    /// Nothing of the queue is run. No plan gives this: a front end says it in place of every
    /// other.
    Untrusted {
        /// The queue's directory, as one word of a command line.
        queue: String,
    },
}

/// A dep that is not satisfied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The dep's idempotency key.
    pub key: String,
    /// What can be hoped for.
    pub outlook: Outlook,
}

/// What can be hoped for from a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// A live job has it.
    Pending,
    /// Its job failed.
    Failed,
    /// Its job is in quarantine.
    Quarantined,
    /// No job has it.
    Nowhere,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        match self.outlook {
            Outlook::Pending => Ok(()),
            Outlook::Failed => f.write_str(" (failed)"),
            Outlook::Quarantined => f.write_str(" (quarantined)"),
            Outlook::Nowhere => f.write_str(" (no such job)"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => f.write_str("held by a person"),
            Self::Needs(requirements) => list(f, "needs ", requirements),
            Self::NoEngine { engines } if engines.is_empty() => f.write_str("no engine is named"),
            Self::NoEngine { engines } => list(f, "no engine installed of ", engines),
            Self::WaitingOn(keys) => list(f, "waiting on ", keys),
            Self::Backoff { until } => write!(f, "backoff until {until}"),
            Self::LockHeld { by } => write!(f, "lock held by {by}"),
            Self::Behind { job } => write!(f, "behind {job}, which has the same lock"),
            Self::RepositoryInUse { by } => write!(f, "{by} has the repository's own checkout"),
            Self::EngineCoolingDown { engine, until } => {
                write!(f, "engine {engine} cooling down until {until}")
            }
            Self::EngineLimited { engine } => {
                write!(f, "engine {engine} takes no further job for now")
            }
            Self::EngineOutOfUse { engine, reason } => {
                write!(f, "engine {engine} out of use: {reason}")
            }
            Self::HostLacks(lack) => lack.fmt(f),
            Self::ReviewFull { waiting, max } => {
                write!(f, "no free slot ({waiting} of {max} jobs wait in review)")
            }
            Self::NoSlot => f.write_str("no free slot"),
            Self::Untrusted { queue } => {
                write!(f, "the queue is not trusted: aq trust {queue}")
            }
        }
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, before: &str, items: &[T]) -> fmt::Result {
    f.write_str(before)?;
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}
