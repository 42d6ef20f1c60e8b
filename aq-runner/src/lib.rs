#![doc = include_str!("../README.md")]
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
