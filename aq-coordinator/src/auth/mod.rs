//! Callers and their rights: bearer tokens, each with a scope (docs/fleet.md).

mod file;
mod scope;
mod tokens;

pub(crate) use scope::ScopeNeed;
pub(crate) use tokens::ApiCaller;
pub use tokens::{ApiTokens, TokenListError};
