//! Gaps that keep a host from being ready.

use std::fmt;

use serde::Serialize;

/// A thing that is missing before the coordinator may decide.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum ReadinessGap {
    /// Too few decisions were compared.
    Decisions {
        /// The number that is missing.
        more: u64,
        /// The number that is needed in all.
        min_samples: u64,
    },
    /// Too few of them agree to be sure.
    Rate {
        /// The rate that is needed, from 0 to 1.
        min_rate: f64,
        /// The rate that is certain so far.
        low: f64,
        /// The number of agreements in a row that would do; absent when no number of use would.
        more: Option<u64>,
    },
}

impl fmt::Display for ReadinessGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decisions { more, min_samples } => {
                write!(f, "{more} more decisions, of {min_samples}")
            }
            Self::Rate { min_rate, low, more } => {
                write!(
                    f,
                    "an agreement rate that is surely {min_rate} or more; so far it may be as low \
                     as {low:.4}"
                )?;
                match more {
                    Some(more) => {
                        write!(f, "; {more} more agreements without a disagreement would do")
                    }
                    None => Ok(()),
                }
            }
        }
    }
}
