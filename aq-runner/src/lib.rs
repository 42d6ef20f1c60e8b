#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod acp;
pub mod checkpoint;
mod disk;
pub mod engine;
mod feedback;
pub mod insights;
pub mod process;
pub mod run;
pub mod store;
pub mod sync;

// Their types are in this crate's interface: whoever uses it need not guess their versions.
#[doc(no_inline)]
pub use {aq_caps, aq_fleet, aq_ledger, aq_manifest, aq_scheduler, aq_tracker, jiff, serde_json};
