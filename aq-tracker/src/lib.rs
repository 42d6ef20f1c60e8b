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
pub use error::{Retry, TrackerError};
pub use github::{GitHub, Search};
pub use http::HttpTransport;
pub use item_id::{ItemId, ItemIdError, Repository};
pub use items::ItemApi;
pub use kind::{Kind, TrackerName};
pub use own::OwnTrackers;
pub use status::{StatusMap, StatusMapError};
pub use token::Token;
pub use tracker::{Echo, Item, Tracker, Update};
pub use transport::{Answer, Method, Request, Transport};
