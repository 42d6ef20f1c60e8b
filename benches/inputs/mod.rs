//! Queues, hosts, job files and records of every size, the same in each run.

mod hosts;
mod queues;
mod texts;
mod turns;

pub use hosts::{capabilities, hosts, requirement};
pub use queues::{Arrival, chain, deps_of, empty, fill, id, job, jobs, noon};
pub use texts::{JOB_FILE, REQUIREMENTS, record, replay};
pub use turns::Turns;
