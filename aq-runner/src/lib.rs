//! Everything of aq that touches this host: the queue's files, processes, engines, and the run
//! loop that brings them together.
//!
//! `store`, `process`, `engine`, `acp`, `checkpoint`, `feedback`, `insights` and `sync` do not know
//! one another; [`run`] knows them all, and `disk` is below all of them. Nothing here prints: what
//! happens is told to an observer, what is found is returned.
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
