//! Queues of version 0.1 under this version, and the way back.
//!
//! The tests with both programs run only when `AQ_EARLIER` names the program of version 0.1, which
//! `./test --long` builds from the repository's history.

mod adopted;
mod back;
mod forward;
pub(crate) mod golden;
mod lab;
mod records;
mod written;
