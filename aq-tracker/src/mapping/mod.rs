//! Between trackers and jobs, both ways. Pure: text in, text out.

mod echo;
mod error;
mod job;
mod labels;
mod quoted;

pub use echo::{comment, update};
pub use error::MappingError;
pub use job::{ImportedJob, job};
