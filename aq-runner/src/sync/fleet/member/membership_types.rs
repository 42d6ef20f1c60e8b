//! The settings of a membership, the status that it sends, and its news for the loop.

use std::path::PathBuf;

use aq_caps::CapabilityToken;
use aq_fleet::protocol::{FactoryId, FleetJobId, LeaseGrant, LeaseRef};

use crate::sync::fleet::ended::EndedLog;

/// The host that joins, and its settings.
#[derive(Clone, Debug)]
pub struct MembershipSettings {
    /// This host in the fleet.
    pub factory: FactoryId,
    /// The host's name, for people.
    pub host: String,
    /// Its capabilities.
    pub capabilities: Vec<CapabilityToken>,
    /// Its slots.
    pub capacity: u32,
    /// The version of aq.
    pub version: String,
    /// The coordinator decides what runs here (`AQ_FLEET_ROUTE=1`).
    pub route: bool,
    /// Work is asked for once instead of waited for.
    pub once: bool,
    /// Keeps the claim that is under way until its jobs are on disk, so that one whose answer was
    /// lost, also with this process, is asked for again and not made twice.
    pub request_file: PathBuf,
    /// The jobs that were ended here.
    pub ended: EndedLog,
}

/// The loop's facts about itself, sent whenever they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostStatus {
    /// Slots for more fleet jobs.
    pub free: u32,
    /// Lock keys that jobs of this host's own hold.
    pub held_locks: Vec<String>,
    /// The fleet's jobs that are here.
    pub leases: Vec<LeaseRef>,
}

/// The coordinator's news.
#[derive(Clone, Debug)]
pub enum MemberNews {
    /// It can be reached, after it could not.
    Joined,
    /// It cannot be reached, or refuses this host; sent once until that changes.
    Trouble(String),
    /// These jobs are this host's. [`FleetMembership::taken`](super::FleetMembership::taken) says
    /// that they are on disk.
    Granted(Vec<LeaseGrant>),
    /// There was nothing to claim; sent with [`MembershipSettings::once`] only.
    NothingToClaim,
    /// The job has passed to another host.
    Lost(LeaseRef),
    /// A person wants the job to end.
    Cancel(FleetJobId),
    /// No more jobs are to be taken; those that have not started go back. Sent with every
    /// heartbeat.
    Drain,
}
