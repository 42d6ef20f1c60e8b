//! What this host advertises: detected, probed in parallel under a time limit, cached on disk.
//!
//! [`detect()`] never fails: what could not be found out is missing from the tokens and named in
//! the problems. It reads no environment variable but to pass the environment on to probes; `PATH`
//! and `AQ_CAPS` are given by the caller.

mod cache;
mod detect;
mod probe;
mod report;
mod system;
mod tools;

pub use detect::{HostConfig, ProbePolicy, detect};
pub use probe::ProbeError;
pub(crate) use probe::{ProbeOutput, run_all};
pub use report::{AdvertisedToken, HostProblem, HostReport, TokenOrigin};
pub use tools::ProbedProgram;
pub(crate) use tools::find_version;
