#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod api;
mod assign;
mod auth;
mod beats;
mod echo;
pub mod ledger;
mod metrics;
mod pulse;
mod rate;
mod retention;
mod serve;
pub mod store;

pub use aq_tracker::Repository;
pub use auth::{TokenError, Tokens};
pub use echo::Echoes;
pub use rate::Rate;
pub use serve::{
    Config, DEFAULT_RATE, Database, DatabaseError, Embedded, Limits, Running, ServeError, TlsError,
    TlsFiles, run, serve, serve_plain,
};
