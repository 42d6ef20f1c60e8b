//! Errors that kept an engine from its work, as its vendor gives them, and the time when it will
//! work again.

mod class;
mod clock;
mod evidence;
mod reset_time;

pub use class::ErrorClass;
pub use evidence::EngineError;
pub(super) use evidence::{FaultEvidence, logged_error};
pub use reset_time::{reset_in_record, reset_time};
