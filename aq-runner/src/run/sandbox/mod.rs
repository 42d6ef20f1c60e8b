//! Sandboxes as a queue's settings describe them, and what this host gives for them.

mod features;
mod trial;

pub use features::{cached_sandbox, sandbox_features};
pub use trial::{SandboxError, SandboxWishes, TrialBox, trial_box};
