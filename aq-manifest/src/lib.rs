#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod boundary;
mod claim;
mod diagnostic;
mod duration;
mod edit;
mod feedback_template;
mod front_matter;
mod job_id;
mod keys;
mod kinds;
mod money;
mod outcome;
mod parse;
mod profile;
mod reader;
mod render;
mod schema;
mod scope;
mod spec;
mod stage;
mod string_enum;
mod suggest;
mod values;
mod yaml;

pub use claim::{claimed, mirrored};
pub use diagnostic::{Diagnostic, FilePosition, Severity};
pub use duration::{DurationError, format_duration, parse_duration};
pub use edit::{EditError, with_value};
pub use feedback_template::FeedbackTemplate;
pub use front_matter::MAX_FILE_BYTES;
pub use job_id::{JobId, JobIdError};
pub use keys::{KEYS, Manifest, ManifestKey};
pub use kinds::env_reference;
pub use money::format_dollars;
pub use outcome::{FailureClass, Outcome};
pub use parse::{ParsedJobFile, has_errors, parse};
pub use profile::{ParsedProfile, Profile, parse_profile};
pub use render::render;
pub use schema::schema;
pub use scope::{GlobError, ScopeSet};
pub use spec::{JobSpec, ValueOrigin, prompt, resolve};
pub use stage::Stage;
pub use string_enum::UnknownWord;
pub use suggest::nearest;
pub use values::{
    DepsMode, ExpectedLeftovers, FeedbackMode, Isolation, JobBudget, Priority, RetryBackoff,
    RetryPolicy, ReviewPolicy, ScopePolicy, ShipMode,
};

// Their types are in this crate's interface: whoever uses it need not guess their versions.
#[doc(no_inline)]
pub use aq_caps;
