#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod command;
mod connect;
mod error;
pub mod forge;
mod github;
#[cfg(feature = "http")]
mod http;
#[cfg(not(feature = "http"))]
#[path = "no_http.rs"]
mod http;
mod item_id;
mod items;
mod kind;
mod limit;
pub mod mapping;
mod own;
mod status;
mod token;
mod tracker;
mod transport;

pub use command::CommandTransport;
pub use connect::Trackers;
pub use error::{RetryAdvice, TrackerError};
pub use github::{GitHub, IssueSearch};
pub use http::HttpTransport;
pub use item_id::{GitHubRepository, ItemId, ItemIdError};
pub use items::ItemApi;
pub use kind::{TrackerKind, TrackerName};
pub use own::OwnTrackers;
pub use status::{StatusMap, StatusMapError};
pub use token::TrackerToken;
pub use tracker::{RenderedUpdate, Tracker, TrackerItem, TrackerUpdate};
pub use transport::{TrackerMethod, TrackerRequest, TrackerResponse, TrackerTransport};

// Their types are in this crate's interface: whoever uses it need not guess their versions.
#[doc(no_inline)]
pub use {aq_manifest, serde_json};
