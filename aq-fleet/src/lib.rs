#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod agreement;
pub mod client;
pub mod lease;
pub mod outbox;
pub mod protocol;
pub mod shadow;
pub mod switches;

// Their types are in this crate's interface: whoever uses it need not guess their versions.
#[doc(no_inline)]
pub use {aq_caps, aq_manifest, jiff, uuid};
