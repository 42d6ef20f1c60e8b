//! Agreement of the coordinator's pick with the host's.

use serde::{Deserialize, Serialize};

/// The outcome of one comparison in shadow (docs/fleet.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ShadowVerdict {
    /// Both picked the same job, or both none.
    Agree,
    /// Each picked another job.
    Diverge,
    /// The host picked a job, the coordinator none.
    CoordEmpty,
    /// The coordinator picked a job, the host none.
    LocalEmpty,
    /// The coordinator gave no answer that could be used.
    Error,
}

impl ShadowVerdict {
    /// Its word, on the wire and in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agree => "AGREE",
            Self::Diverge => "DIVERGE",
            Self::CoordEmpty => "COORD_EMPTY",
            Self::LocalEmpty => "LOCAL_EMPTY",
            Self::Error => "ERROR",
        }
    }
}
