//! Issue trackers: an item becomes a job, and what became of the job goes back as numbers.
//!
//! [`Tracker`] is what every kind of tracker can do; [`ItemApi`] and [`GitHub`] are the kinds there
//! are, [`Trackers`] has those that an environment names, [`OwnTrackers`] those of a program of
//! yours. [`mapping`] is pure: an [`Item`] to a job file, an [`Echo`] to a status and a comment.
//! Beside them, [`forge`] opens pull requests and reads what became of them.
//!
//! ```
//! use aq_manifest::Stage;
//! use aq_tracker::{Echo, Item, StatusMap, mapping};
//!
//! let item = Item {
//!     id: "AQ-7".parse().unwrap(),
//!     title: "Fix the login".to_owned(),
//!     description: String::new(),
//!     priority: None,
//!     labels: vec!["profile:careful".to_owned()],
//! };
//! let job = mapping::job(&item).unwrap();
//! assert_eq!(job.name.as_str(), "AQ-7");
//! assert!(job.text.starts_with("---\ntracker-item: \"AQ-7\"\n"));
//!
//! let echo = Echo::read(Stage::Testing, |key| (key == "attempts").then_some("2"));
//! assert_eq!(StatusMap::default().status(Stage::Testing), Some("in_progress"));
//! assert_eq!(mapping::comment(&echo), "aq: testing\n\n- attempts: 2");
//! ```
//!
//! What this crate does not do: it decides nothing about execution, touches no queue, starts no
//! thread and keeps nothing. What it sends of a job is an [`Echo`], which can hold numbers and
//! words of fixed lists only. Everything that a tracker answers is taken for hostile: it is
//! bounded, and no error repeats a token.
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
