//! Reasons for which a job of aq waits, as values that programs read: a code with fields. The text
//! for people is made of them, here and nowhere else.
//!
//! ```
//! use aq_reasons::{WaitCode, WaitReason};
//!
//! let reason: WaitReason = serde_json::from_str(r#"{"code":"lock_held","job":"schema"}"#)?;
//! assert_eq!(reason.code(), Some(WaitCode::LockHeld));
//! assert_eq!(reason.to_string(), "lock held by schema");
//!
//! // The code of a later version is kept with its fields.
//! let json = r#"{"code":"moon_waits","place":3}"#;
//! let later: WaitReason = serde_json::from_str(json)?;
//! assert_eq!((later.code(), later.code_text()), (None, "moon_waits"));
//! assert_eq!(serde_json::to_string(&later)?, json);
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! The crate is pure: no clock, no file, no network.
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
