//! The coordinator of a fleet: which factory works on which job, decided once and never taken back.
//!
//! [`ledger`] holds the rules as pure functions: a row and a request in, a row or a refusal out.
//! [`store`] runs them, each inside one transaction of a database, so that the check of an epoch
//! and the write that it guards cannot be parted. Both SQLite and PostgreSQL are held to one suite
//! of tests.
//!
//! ```
//! use std::time::Duration;
//!
//! use aq_coordinator::ledger::{DbTime, Service, Timing};
//!
//! // Nobody has ticked for a minute: no lease ends before its holder could renew it.
//! let timing = Timing::new(Duration::from_secs(60));
//! let before = Service::new(DbTime(0));
//! let now = DbTime(60_000);
//! assert!(before.gap(now, timing).is_some());
//! let after = before.resume(now, timing, aq_fleet::protocol::Epoch(7));
//! assert_eq!(after.grace_until, DbTime(120_000));
//! assert_eq!(after.epoch_floor.0, 60_001);
//! ```
//!
//! What this crate does not do: it reads no clock but the database's, keeps nothing in memory that
//! the database does not have, and holds no election: the database does the locking.
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
