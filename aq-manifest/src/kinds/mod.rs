//! How the value of each key is read, checked and described: one type for each kind of value.

mod budget;
mod environment;
mod expect;
mod kind;
mod list;
mod lock;
mod retry;
mod scalar;
mod start_point;
mod text;

pub(crate) use budget::Limits;
pub(crate) use environment::Environment;
pub use environment::env_reference;
pub(crate) use expect::Expected;
pub(crate) use kind::Kind;
pub(crate) use list::{List, OneOrMore};
pub(crate) use lock::Lock;
pub(crate) use retry::RetryRule;
pub(crate) use scalar::{Bool, Choice, Pause, Whole};
pub(crate) use start_point::StartPoint;
pub(crate) use text::{Branch, Command, Glob, Label, Line, Name, ProfileName, Requires, Text};
