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
