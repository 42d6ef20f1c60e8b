//! The job file and its profiles: parse, validate, resolve.
#![warn(missing_docs)]

mod duration;
mod job_id;
mod keys;
mod outcome;
mod spec;
mod stage;

pub use duration::{DurationError, format_duration, parse_duration};
pub use job_id::{JobId, JobIdError};
pub use keys::{
    Backoff, Budget, DepsMode, Isolation, Manifest, Priority, Retry, ReviewPolicy, ScopePolicy,
};
pub use outcome::{FailureClass, Outcome};
pub use spec::JobSpec;
pub use stage::Stage;
