//! Causes of a difference between two picks, in a word.

use std::fmt;
use std::str::FromStr;

use aq_reasons::{WaitCode, WaitReason};

/// The cause of a verdict that is not `AGREE`; also the reason why a job waits on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShadowReason {
    /// The jobs have different priorities.
    Priority,
    /// The same priority, but one is older.
    Age,
    /// A lock: of another job on one side, free on the other.
    Lock,
    /// Dependencies, satisfied on one side only.
    Deps,
    /// A capability that one side does not see.
    Capability,
    /// A pause after a failure, which only the host knows of.
    Backoff,
    /// No engine on the host can be used now.
    Engine,
    /// No slot, or too many jobs in review, on the host.
    Slot,
    /// One side does not have the job at all.
    Missing,
    /// No answer in time, or none at all.
    Unreachable,
    /// The coordinator refused the question.
    Refused,
    /// The coordinator's answer makes no sense.
    Garbled,
    /// The coordinator granted what it was only asked about.
    Granted,
    /// Nothing that is known explains it.
    Unknown,
}

/// The text is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a reason of a shadow line")]
pub struct UnknownReason;

impl ShadowReason {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::Priority,
        Self::Age,
        Self::Lock,
        Self::Deps,
        Self::Capability,
        Self::Backoff,
        Self::Engine,
        Self::Slot,
        Self::Missing,
        Self::Unreachable,
        Self::Refused,
        Self::Garbled,
        Self::Granted,
        Self::Unknown,
    ];

    /// The word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Age => "age",
            Self::Lock => "lock",
            Self::Deps => "deps",
            Self::Capability => "capability",
            Self::Backoff => "backoff",
            Self::Engine => "engine",
            Self::Slot => "slot",
            Self::Missing => "missing",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Garbled => "garbled",
            Self::Granted => "granted",
            Self::Unknown => "unknown",
        }
    }

    /// The part of a comparison that a reason for waiting belongs to.
    pub fn of_waiting(waiting: &WaitReason) -> Self {
        let Some(code) = waiting.code() else { return Self::Unknown };
        match code {
            WaitCode::WaitingOn | WaitCode::DepsCycle => Self::Deps,
            WaitCode::LockHeld | WaitCode::Behind | WaitCode::RepositoryInUse => Self::Lock,
            WaitCode::Needs => Self::Capability,
            WaitCode::Backoff => Self::Backoff,
            WaitCode::NoEngine
            | WaitCode::EngineCooling
            | WaitCode::EngineLimited
            | WaitCode::EngineOut => Self::Engine,
            WaitCode::NoSlot | WaitCode::NoFreeHost | WaitCode::ReviewFull => Self::Slot,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for ShadowReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ShadowReason {
    type Err = UnknownReason;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).ok_or(UnknownReason)
    }
}
