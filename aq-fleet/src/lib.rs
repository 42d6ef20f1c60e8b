//! The fleet, seen from a host: what goes over the wire, and what a holder of leases keeps track
//! of.
//!
//! [`protocol`] has every type of the wire, which the coordinator and its clients share.
//!
//! ```
//! use aq_fleet::protocol::{Epoch, FactoryId, Renew};
//!
//! let renew = Renew { factory_id: "host-a".parse()?, epoch: Epoch(7) };
//! assert_eq!(serde_json::to_string(&renew)?, r#"{"factoryId":"host-a","epoch":7}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

pub mod agreement;
pub mod client;
pub mod lease;
pub mod outbox;
pub mod protocol;
pub mod shadow;
pub mod switches;
