//! Places where engines leave records of their usage.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Where a run may have left records of its usage.
pub struct LeftBehind<'a> {
    /// The file that [`EngineCommand::usage_file`](crate::engine::EngineCommand::usage_file) named.
    pub usage_file: Option<&'a Path>,
    /// The environment that the engine ran in.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
    /// When the run started: what is older belongs to an earlier run of the session.
    pub started: Timestamp,
}

impl fmt::Debug for LeftBehind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeftBehind")
            .field("usage_file", &self.usage_file)
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}

impl LeftBehind<'_> {
    /// A directory that `variable` names, or `default` in the home directory.
    pub(in crate::engine) fn directory(&self, variable: &str, default: &str) -> Option<PathBuf> {
        let set = |name: &str| (self.env)(name).filter(|value| !value.is_empty());
        set(variable).map(PathBuf::from).or_else(|| Some(PathBuf::from(set("HOME")?).join(default)))
    }
}
