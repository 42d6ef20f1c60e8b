//! A host, as far as placing jobs needs to know it.

use std::collections::BTreeMap;
use std::fmt;

use aq_caps::Capabilities;
use jiff::Timestamp;

use crate::HostLack;
use crate::arena::{ArenaIndex, ClassIx, EngineIx};
use crate::class::JobClass;

/// A host of a queue; given by [`JobQueue::add_host`](crate::JobQueue::add_host) and never used
/// again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(crate) u32);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The offer of a host. The local loop has one; a coordinator has many.
#[derive(Clone, Debug, Default)]
pub struct SchedulerHost {
    /// The capabilities that jobs may require of it.
    pub capabilities: Capabilities,
    /// Its engines by name. One that is not here is [`EngineState::Missing`].
    pub engines: BTreeMap<String, EngineState>,
    /// Its limits.
    pub limits: HostLimits,
    /// The fate of waiting jobs that it can never run.
    pub misfits: UnschedulablePolicy,
}

/// Limits of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostLimits {
    /// Jobs running at once. Zero starts nothing.
    pub max: u32,
    /// Start nothing while this many jobs of the queue wait in review.
    pub max_review: Option<u32>,
}

impl Default for HostLimits {
    /// One job at a time; any number in review.
    fn default() -> Self {
        Self { max: 1, max_review: None }
    }
}

/// The fate of a waiting job whose requirements a host does not meet, or of whose engines it has
/// none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnschedulablePolicy {
    /// The plan rejects it: no other host will come. The local loop.
    #[default]
    Reject,
    /// It waits for another host. The coordinator.
    Keep,
}

/// Availability of a host's engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EngineState {
    /// Not installed.
    #[default]
    Missing,
    /// Installed, with at most `limit` jobs running with it at once.
    Ready {
        /// `None`: as many as there are slots.
        limit: Option<u32>,
    },
    /// Not there now, and known to have been: its jobs wait where an engine that is `Missing` has
    /// them rejected.
    Absent {
        /// The reason for its jobs.
        lack: HostLack,
    },
    /// Starts nothing before `until`. From then on it counts as `Ready { limit: Some(1) }`: one
    /// job goes first as a probe, and the caller says what comes of it.
    CoolingDown {
        /// The first instant at which it may be tried.
        until: Timestamp,
    },
    /// Installed, but a person has to act first.
    OutOfUse {
        /// The reason, in words for that person.
        reason: String,
    },
}

impl EngineState {
    /// Installed and without a limit.
    pub const READY: Self = Self::Ready { limit: None };
}

/// A host in a queue, with what runs on it.
#[derive(Clone, Debug)]
pub(crate) struct HostEntry {
    pub(crate) capabilities: Capabilities,
    pub(crate) limits: HostLimits,
    pub(crate) misfits: UnschedulablePolicy,
    pub(crate) running: u32,
    /// The lack that keeps it from starting anything.
    pub(crate) lack: Option<HostLack>,
    engines: Vec<EngineSlots>,
    /// Match of the host and the class in each slot, for the class born so.
    meets: Vec<(u64, bool)>,
}

#[derive(Clone, Debug, Default)]
struct EngineSlots {
    state: EngineState,
    running: u32,
}

impl HostEntry {
    pub(crate) fn new(
        capabilities: Capabilities,
        limits: HostLimits,
        misfits: UnschedulablePolicy,
    ) -> Self {
        let (engines, meets) = (Vec::new(), Vec::new());
        Self { capabilities, limits, misfits, running: 0, lack: None, engines, meets }
    }

    pub(crate) fn set_capabilities(&mut self, capabilities: Capabilities) {
        self.capabilities = capabilities;
        self.meets.clear();
    }

    fn engine(&mut self, ix: EngineIx) -> &mut EngineSlots {
        if self.engines.len() <= ix.place() {
            self.engines.resize_with(ix.place() + 1, EngineSlots::default);
        }
        &mut self.engines[ix.place()]
    }

    pub(crate) fn set_engine(&mut self, ix: EngineIx, state: EngineState) {
        self.engine(ix).state = state;
    }

    pub(crate) fn engine_state(&self, ix: EngineIx) -> &EngineState {
        self.engines.get(ix.place()).map_or(&EngineState::Missing, |engine| &engine.state)
    }

    pub(crate) fn running_with(&self, ix: EngineIx) -> u32 {
        self.engines.get(ix.place()).map_or(0, |engine| engine.running)
    }

    pub(crate) fn started(&mut self, ix: EngineIx) {
        self.running += 1;
        self.engine(ix).running += 1;
    }

    pub(crate) fn ended(&mut self, ix: EngineIx) {
        self.running -= 1;
        self.engine(ix).running -= 1;
    }

    /// Tests the host against the requirements of a class.
    pub(crate) fn meets(&self, ix: ClassIx, class: &JobClass) -> bool {
        match self.meets.get(ix.place()) {
            Some(&(born, meets)) if born == class.born => meets,
            _ => self.capabilities.satisfies_all(&class.placement.requirements),
        }
    }

    /// Works out `meets` once for a class, so that it costs nothing later.
    pub(crate) fn remember(&mut self, ix: ClassIx, class: &JobClass) {
        if self.meets.len() <= ix.place() {
            self.meets.resize(ix.place() + 1, (0, false));
        }
        if self.meets[ix.place()].0 != class.born {
            self.meets[ix.place()] = (class.born, self.meets(ix, class));
        }
    }
}
