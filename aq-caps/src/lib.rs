#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod boundary;
mod key;
mod matching;
mod parse;
mod requirement;
mod token;
mod version;

pub use matching::Capabilities;
pub use requirement::{HostRequirement, RequirementError, RequirementProblem};
pub use token::{CapabilityToken, CapabilityTokenError, TokenProblem};
pub use version::{ToolVersion, VersionError, VersionProblem};
