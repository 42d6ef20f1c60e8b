//! A box as it is described, and what is said of it afterwards.

use std::io;
use std::path::PathBuf;

use crate::denials::DenialLog;
#[cfg(target_os = "linux")]
use crate::denials::{Denial, DenialKind};
use crate::network::HostList;
#[cfg(target_os = "linux")]
use crate::network::ProxyEvent;
use crate::policy::{PathPolicy, PolicyError};
use crate::probe::BoxLevel;

/// A box, before it is made.
#[derive(Clone, Debug)]
pub struct BoxSpec {
    /// Its strength; [`BoxLevel::None`] is no box.
    pub level: BoxLevel,
    /// The paths.
    pub policy: PathPolicy,
    /// The directory in which its command starts.
    pub cwd: PathBuf,
    /// The hosts that it may reach. `None`: it has the network of this host.
    pub hosts: Option<HostList>,
    /// Layers between the user's home and the one that is written, the upper first. They are only
    /// read, so they may be those of several boxes.
    pub layers: Vec<PathBuf>,
    /// Writes that are refused are reported, too; each call that opens a file for writing takes
    /// some microseconds more then.
    pub reports_writes: bool,
    /// The highest version of Landlock that is used; the kernel's own otherwise.
    pub landlock_abi: Option<u32>,
}

/// Reason why there is no box.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The rules about paths.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A network that only the level `full` bounds.
    #[error("the network is bounded at the level full only, and this box has {0}")]
    NoNetwork(BoxLevel),
    /// Files of the box's directory.
    #[error("cannot make the box in {}: {source}", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The program that enters boxes gave no answer.
    #[error("cannot try what this kernel gives: {0}")]
    NoTrial(String),
}

/// Report about a box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoxReport {
    /// Reason why the box was not made, or its command not started.
    pub failure: Option<String>,
    /// Parts that the system did not give.
    pub lacks: Vec<String>,
    /// Accesses that were refused.
    pub denials: DenialLog,
    /// Hosts that were reached, each once.
    pub hosts: Vec<String>,
}

#[cfg(target_os = "linux")]
/// The most hosts that are kept by name.
const MOST_HOSTS: usize = 200;

#[cfg(target_os = "linux")]
impl BoxReport {
    pub(crate) fn hear(&mut self, event: ProxyEvent) {
        match event {
            ProxyEvent::Refused(host) => self.denials.add(Denial::new(DenialKind::Host, host)),
            ProxyEvent::Allowed(host) => {
                if !self.hosts.contains(&host) && self.hosts.len() < MOST_HOSTS {
                    self.hosts.push(host);
                }
            }
        }
    }
}
