//! The result of a run loop.

/// The result of a loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopSummary {
    /// Jobs that were started, or taken up again, and came to an end.
    pub ended: u32,
    /// Jobs that are in failed/ because of this loop.
    pub failed: u32,
    /// Jobs that still wait when it ends.
    pub waiting: u32,
    /// Of these, those that wait for something that the host lacks, or for an engine that is out
    /// of use.
    pub kept: u32,
    /// Workers that go on without the loop, because a signal ended it.
    pub left_running: u32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its handle ended it, or somebody who asked by `aq stop`.
    pub stopped: bool,
}

impl LoopSummary {
    /// Tests whether somebody wanted the loop to end.
    pub(in crate::run) fn is_cut_short(&self) -> bool {
        self.stopped || self.signal.is_some()
    }
}
