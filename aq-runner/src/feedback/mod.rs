//! The text of feedback: how the last attempt failed, and the words of people.
//!
//! Pure: plain values in and text out. Output of programs and names of files are hostile: they are
//! cleaned ([`clean`](clean::clean)), masked ([`MaskedValues`]), bounded ([`tail`](tail::tail)),
//! and put between two marks that they cannot know ([`failure_text`]).

mod clean;
mod secrets;
mod tail;
mod text;

pub(crate) use secrets::MaskedValues;
pub(crate) use tail::OutputTail;
pub use text::WordsProblem;
pub(crate) use text::{
    FailureReport, GO_ON, OutputSource, failure_text, handed_over_text, join, words_text,
};
