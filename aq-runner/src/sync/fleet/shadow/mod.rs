//! Shadow (docs/fleet.md): after each decision of the loop, a thread asks the coordinator what it
//! would have picked from the same jobs, and writes down whether it agrees.
//!
//! Nothing here can change a job: the thread gets plain values, reads job files, writes its log,
//! and sends the coordinator only what is about shadow jobs, dry claims, and the release of leases
//! that it was given all the same.

mod asking;
mod decision;
mod log_file;
mod mirror;
mod thread;

#[cfg(test)]
mod tests;

pub use asking::ShadowSettings;
pub use decision::{MirroredJob, ShadowDecision, ShadowQuestion};
pub use log_file::{read_shadow_log, shadow_log};
pub use thread::ShadowThread;
