#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod key;
mod matching;
mod parse;
mod requirement;
mod token;
mod version;

pub use matching::Capabilities;
pub use requirement::{Requirement, RequirementError, RequirementProblem};
pub use token::{Token, TokenError, TokenProblem};
pub use version::{Version, VersionError, VersionProblem};
