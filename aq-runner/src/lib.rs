//! Everything of `aq` that touches this host.
#![warn(missing_docs)]

pub mod run;
