//! Between trackers and jobs, both ways. Pure: text in, text out.

mod echo;
mod job;
mod labels;

pub use echo::{comment, update};
pub use job::{Job, MappingError, job};
