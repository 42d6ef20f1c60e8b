//! How an engine's output is read.

use std::ffi::OsString;
use std::fmt;

use serde_json::Value;

use super::reason::error_line;
use super::seen::Seen;
use super::steps::Steps;
use super::usage::{LeftBehind, UsageReport, usage_file};

/// Finds the usage of a session in the records that a run left on disk.
type LeftBehindReader = fn(&LeftBehind<'_>, Option<&str>) -> Option<UsageReport>;

/// Finds the permission mode that arguments ask for.
type AskedModeReader = fn(&[OsString]) -> Option<String>;

/// How an engine's output is read.
pub(super) struct Format {
    /// As `output` in config names it.
    pub(super) name: &'static str,
    /// Takes one JSON object of a line of stdout. `None`: the exit code alone decides.
    pub(super) event: Option<fn(&Value, &mut Seen)>,
    /// Finds the reason in the end of a failed run's stderr. `None`: it is not the vendor's text.
    pub(super) stderr: Option<fn(&str) -> Option<String>>,
    /// What a success ends with, in words.
    pub(super) final_event: &'static str,
    /// Reads the records of usage that it leaves on disk.
    pub(super) left_behind: Option<LeftBehindReader>,
    /// Permission mode that a command line asks for, as `init` events name it; `None` where the
    /// engine does not say in which one it runs.
    pub(super) asked_mode: Option<AskedModeReader>,
    /// Takes one JSON object for the steps that are shown to people; `false`: of a kind that is not
    /// shown. `None`: there is only the log.
    pub(super) steps: Option<fn(&Value, &mut Steps) -> bool>,
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Any text; the exit code decides.
pub(super) static TEXT: Format = Format {
    name: "text",
    event: None,
    stderr: Some(error_line),
    final_event: "",
    left_behind: Some(usage_file),
    asked_mode: None,
    steps: None,
};
