#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod code;
mod given;
mod lack;
mod reason;
#[cfg(test)]
mod tests;
mod text;
mod word;

pub use code::WaitCode;
pub use given::GivenReason;
pub use lack::{HostLack, HostResource, SeenBy};
pub use reason::{DependencyStatus, HeldBy, OtherReason, PendingDependency, WaitReason};

// Their types are in this crate's interface: whoever uses it need not guess their versions.
#[doc(no_inline)]
pub use {aq_caps, aq_manifest, jiff, serde_json};
