//! The environment of a process, taken once and passed on as data.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

/// The environment of this process, as data.
#[derive(Clone, Default)]
pub struct ProcessEnvironment {
    variables: BTreeMap<OsString, OsString>,
}

impl fmt::Debug for ProcessEnvironment {
    /// Names only: there are tokens among the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl ProcessEnvironment {
    /// Takes variables as `std::env::vars_os` gives them.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self { variables: variables.into_iter().collect() }
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<OsString> {
        self.variables.get(OsStr::new(name)).cloned()
    }

    /// A variable that names a path and is not empty.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// Where the user keeps profiles, when not in the queue: `AGENT_QUEUE_PROFILES`.
    pub fn profiles(&self) -> Option<PathBuf> {
        self.path("AGENT_QUEUE_PROFILES")
    }

    /// Parent of the queues of repositories, and of TMPDIRs: `AQ_HOME`, else `~/aq-work`. `None`
    /// without either. A relative one is returned as it is; who uses it refuses it.
    pub fn aq_home(&self) -> Option<PathBuf> {
        self.path("AQ_HOME").or_else(|| Some(self.path("HOME")?.join("aq-work")))
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.variables.iter()
    }
}
