//! The work order of a box: what its launcher writes down, and the program that enters it reads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::policy::PathRule;
use crate::probe::BoxLevel;

/// The file of the plan in the box's directory.
pub(crate) const PLAN: &str = "plan";

/// The socket on which the launcher hears of the box, in the same directory.
pub(crate) const CONTROL: &str = "control";

/// Folders of the box's directory that are the private temporary ones inside.
pub(crate) const TMP: &str = "tmp";
pub(crate) const VAR_TMP: &str = "var-tmp";

/// Everything about a box but its command and its environment.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BoxPlan {
    /// The walls to build, at most what the kernel gives.
    pub(crate) level: BoxLevel,
    /// The network is reached only through the launcher.
    pub(crate) is_strict: bool,
    /// Refused writes are reported.
    pub(crate) reports_writes: bool,
    /// The directory of the box, which the inside does not see.
    pub(crate) dir: PathBuf,
    /// The directory in which the command starts.
    pub(crate) cwd: PathBuf,
    /// Paths that are there, without links in them, those that contain others first.
    pub(crate) rules: Vec<PathRule>,
    /// The home, and the layers over it.
    pub(crate) home: Option<HomeLayers>,
    /// The highest version of Landlock that is used.
    pub(crate) landlock_abi: u32,
    /// Ports of the host's loopback that are reached by the same number inside.
    pub(crate) relays: Vec<u16>,
}

/// The layers over a home, from the one that is written down to the user's own files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HomeLayers {
    /// The user's home.
    pub(crate) home: PathBuf,
    /// Layers between, the upper first, which are only read. They may be of several boxes at once.
    pub(crate) between: Vec<PathBuf>,
    /// The directory for what is written, with the folders `upper` and `work`, of one box alone.
    pub(crate) top: PathBuf,
}

impl BoxPlan {
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    pub(crate) fn write(&self) -> io::Result<()> {
        fs::write(self.dir.join(PLAN), serde_json::to_vec(self)?)
    }
}
