//! The folders of a queue: the folder of a job is its stage.

use std::fmt;
use std::str::FromStr;

/// A job's stage. Each is a folder of the queue directory, and the folder is the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Waits to run.
    Inbox,
    /// An agent is at work, or a dead one has not been recovered yet.
    Building,
    /// The agent is done; `verify` runs, or a person looks.
    Review,
    /// Verified; waits to be shipped.
    Testing,
    /// Accepted.
    Shipped,
    /// Ended badly, or never could start.
    Failed,
    /// Worked on under a fleet lease that went stale: never shipped.
    Quarantine,
}

impl Stage {
    /// Every stage, in the order of a job's life.
    pub const ALL: [Self; 7] = [
        Self::Inbox,
        Self::Building,
        Self::Review,
        Self::Testing,
        Self::Shipped,
        Self::Failed,
        Self::Quarantine,
    ];

    /// The folder's name, which is also the stage's name everywhere else.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Building => "building",
            Self::Review => "review",
            Self::Testing => "testing",
            Self::Shipped => "shipped",
            Self::Failed => "failed",
            Self::Quarantine => "quarantine",
        }
    }

    /// Tests for a stage in which a job is over: nothing but a person moves it again.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Shipped | Self::Failed | Self::Quarantine)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.folder())
    }
}

/// The text names no stage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no stage of a job")]
pub struct UnknownStage(String);

impl FromStr for Stage {
    type Err = UnknownStage;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|stage| stage.folder() == name)
            .ok_or_else(|| UnknownStage(name.to_owned()))
    }
}
