#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod api;
mod assign;
mod auth;
mod change_notifier;
mod echo;
mod heartbeat_batcher;
pub mod ledger;
mod metrics;
mod rate;
mod retention;
mod serve;
pub mod store;

pub use aq_tracker::GitHubRepository;
pub use auth::{ApiTokens, TokenListError};
pub use echo::TrackerSettings;
pub use rate::CallerRate;
pub use serve::{
    ConnectionLimits, CoordinatorConfig, DEFAULT_RATE, DatabaseError, DatabaseLocation,
    EmbeddedCoordinator, RunningCoordinator, ServeError, TlsError, TlsFiles, run, serve,
    serve_plain,
};

// Their types are in this crate's interface: whoever uses it need not guess their versions.
#[doc(no_inline)]
pub use {aq_caps, aq_fleet, aq_manifest, uuid};
