//! The steps of a job's life, one a file. Each is a pure function of the job's row, what is asked for
//! and the time; nobody else decides what a step writes, or whether it may be made.
//!
//! A step is written as two writes: its update is appended to the record, and the job's file is
//! renamed. `crash.rs` tries every crash between them, against everybody who may come next.

mod reject;
mod requeue;
mod ship;
mod step;
mod stop_reason;

pub use reject::Reject;
pub use requeue::Requeue;
pub use ship::Ship;
pub use step::{Durability, JobStep, RecordCheck, Refusal, Step, StepName};
pub use stop_reason::StopReason;
