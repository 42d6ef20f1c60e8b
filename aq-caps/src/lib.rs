//! Capabilities: what a host advertises, what a job asks for, and whether they fit.
//!
//! A host advertises [`Token`]s, kept in [`Capabilities`]; a job lists [`Requirement`]s, all of
//! which must hold. The same grammar decides on one host and in a fleet.
//!
//! ```
//! use aq_caps::{Capabilities, Requirement, Token};
//!
//! let tokens = ["os:linux", "node:20.11.1", "has:git"].map(|text| text.parse::<Token>());
//! let host: Capabilities = tokens.into_iter().collect::<Result<_, _>>()?;
//! let wanted = ["node>=20", "os:any", "!docker | has:git", "rust^1.80"];
//! let wanted: Vec<Requirement> =
//!     wanted.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
//! let missing: Vec<String> = host.missing(&wanted).iter().map(ToString::to_string).collect();
//! assert_eq!(missing, ["rust^1.80"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What this crate does not do: it knows no job and no probe; it opens no file, reads no
//! environment and asks no clock; it does not recurse, and a match neither allocates nor parses.
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
