//! The job file and its profiles: parse, validate, resolve.
//!
//! A job file is YAML front matter and a prompt. [`parse`] reads it and tells everything that is
//! wrong with it, [`parse_profile`] does so for a profile, [`resolve`] makes the values that apply
//! out of both, and [`render`] shows findings to a person.
//!
//! ```
//! use aq_manifest::{parse, render, resolve};
//!
//! let source = "---\nengine: claude\npriority: hgh\n---\nFix the login.\n";
//! let parsed = parse(source);
//! assert!(parsed.has_errors());
//! let report = render("fix.md", source, &parsed.diagnostics, false);
//! assert!(report.contains("did you mean `high`?"));
//! assert_eq!(resolve(&parsed.manifest, None).engine.as_deref(), Some("claude"));
//! ```
//!
//! What this crate does not do: it opens no file, reads no environment, asks no clock and starts no
//! process. Its work and memory are bounded for any input.
#![warn(missing_docs)]

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
mod suggest;
mod values;
mod words;
mod yaml;

pub use claim::{claimed, mirrored};
pub use diagnostic::{Diagnostic, Position, Severity};
pub use duration::{DurationError, format_duration, parse_duration};
pub use edit::{EditError, with_value};
pub use feedback_template::FeedbackTemplate;
pub use front_matter::MAX_FILE_BYTES;
pub use job_id::{JobId, JobIdError};
pub use keys::{KEYS, Key, Manifest};
pub use kinds::env_reference;
pub use money::format_dollars;
pub use outcome::{FailureClass, Outcome};
pub use parse::{Parsed, has_errors, parse};
pub use profile::{ParsedProfile, Profile, parse_profile};
pub use render::render;
pub use schema::schema;
pub use scope::{GlobError, ScopeSet};
pub use spec::{JobSpec, Origin, prompt, resolve};
pub use stage::Stage;
pub use suggest::nearest;
pub use values::{
    Backoff, Budget, DepsMode, Expect, FeedbackMode, Isolation, Priority, Retry, ReviewPolicy,
    ScopePolicy, ShipMode,
};
pub use words::UnknownWord;
