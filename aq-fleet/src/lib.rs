#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod agreement;
pub mod client;
pub mod lease;
pub mod outbox;
pub mod protocol;
pub mod shadow;
pub mod switches;
