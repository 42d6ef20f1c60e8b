//! The walls that a kernel gives: tried in a process that ends at once, never guessed by a version.

mod items;
#[cfg(target_os = "linux")]
mod trial;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use items::{BoxItem, ItemState, items};
#[cfg(target_os = "linux")]
pub(crate) use trial::try_kernel;

/// Strength of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoxLevel {
    /// Nothing holds.
    None,
    /// Landlock and seccomp alone.
    Landlock,
    /// Namespaces as well.
    Full,
}

impl BoxLevel {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Landlock => "landlock",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for BoxLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no level of a sandbox: full, landlock or none")]
pub struct UnknownLevel(String);

impl FromStr for BoxLevel {
    type Err = UnknownLevel;

    fn from_str(word: &str) -> Result<Self, UnknownLevel> {
        let levels = [Self::Full, Self::Landlock, Self::None];
        let found = levels.into_iter().find(|level| level.as_str() == word);
        found.ok_or_else(|| UnknownLevel(word.to_owned()))
    }
}

/// The parts of a box that were tried, each with the system's answer when it was a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct KernelFeatures {
    /// User, mount, process and IPC namespaces, and mounts made read-only.
    pub namespaces: Option<String>,
    /// `/proc` of a process namespace.
    pub proc: Option<String>,
    /// A network namespace with a loopback interface.
    pub network: Option<String>,
    /// A layer over a directory.
    pub layers: Option<String>,
    /// Filters of system calls.
    pub filter: Option<String>,
    /// The version of Landlock; 0 without it.
    pub landlock_abi: u32,
}

impl KernelFeatures {
    /// The features of a system on which nothing can be tried.
    pub fn none(why: &str) -> Self {
        let no = Some(why.to_owned());
        Self {
            namespaces: no.clone(),
            proc: no.clone(),
            network: no.clone(),
            layers: no.clone(),
            filter: no,
            landlock_abi: 0,
        }
    }

    /// The strongest box that they make.
    pub fn level(&self) -> BoxLevel {
        if self.filter.is_some() || self.landlock_abi == 0 {
            BoxLevel::None
        } else if self.namespaces.is_some() || self.proc.is_some() {
            BoxLevel::Landlock
        } else {
            BoxLevel::Full
        }
    }

    /// The first reason why the level is not full.
    pub fn why_not_full(&self) -> Option<String> {
        let no_landlock = || (self.landlock_abi == 0).then(|| "this kernel has no Landlock".into());
        let found = self.namespaces.as_ref().or(self.proc.as_ref()).or(self.filter.as_ref());
        found.cloned().or_else(no_landlock)
    }
}
