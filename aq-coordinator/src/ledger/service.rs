//! The one row about the coordinators themselves: outages, grace, and epochs above lost ones.

use std::time::Duration;

use aq_fleet::protocol::Epoch;

use super::DbTime;

/// A gap between two ticks that is longer than this was an outage.
const OUTAGE: Duration = Duration::from_secs(5);

/// The durations of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTiming {
    /// A lease holds this long.
    pub lease: Duration,
    /// When nobody has ticked for longer than this, hosts could not renew. Coordinators tick every
    /// second.
    pub outage: Duration,
}

impl LeaseTiming {
    /// With leases of this length, and an outage from 5 seconds on.
    pub const fn new(lease: Duration) -> Self {
        Self { lease, outage: OUTAGE }
    }
}

/// The state of the service as a whole, one row in the database.
///
/// Epochs must never be used again, also not when a backup is put back and the time since is lost
/// (docs/fleet-protocol.md). A job is granted less than once in a millisecond, so the number of
/// milliseconds since the database was made is above every epoch that was drawn before now, and
/// each coordinator that opens the database, or finds that nobody ticked for a while, begins there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceState {
    /// When the database was made.
    pub created: DbTime,
    /// The latest tick of any coordinator.
    pub last_alive: DbTime,
    /// No lease lapses before.
    pub grace_until: DbTime,
    /// No grant has a smaller epoch from now on.
    pub epoch_floor: Epoch,
    /// The latest restore of a backup.
    pub restored: Option<DbTime>,
    /// Hosts still have time to say what they ended since.
    pub settles: bool,
    /// A person wants what nobody knows of to be run.
    pub run_doubted: bool,
}

impl ServiceState {
    /// That of a new database.
    pub const fn new(now: DbTime) -> Self {
        Self {
            created: now,
            last_alive: now,
            grace_until: now,
            epoch_floor: Epoch(1),
            restored: None,
            settles: false,
            run_doubted: false,
        }
    }

    /// Returns the time for which nobody has ticked, when that was an outage, or a restored backup,
    /// or the clock has jumped, forwards or backwards.
    pub fn gap(&self, now: DbTime, timing: LeaseTiming) -> Option<Duration> {
        let gap = now.since(self.last_alive).max(self.last_alive.since(now));
        (gap > timing.outage).then_some(gap)
    }

    /// After an outage: nothing lapses for one lease time from now, for hosts that could not renew
    /// did nothing wrong, and epochs begin as in [`start`](Self::start).
    #[must_use]
    pub fn resume(&self, now: DbTime, timing: LeaseTiming, highest: Epoch) -> Self {
        Self { grace_until: now.plus(timing.lease), ..self.start(now, highest) }
    }

    /// When a coordinator opens the database: a backup may have been put back within a moment, so
    /// epochs begin above all that could have been drawn. `highest` is the largest epoch of any
    /// job; it counts when the clock has gone backwards. Its first [`tick`](Self::tick) has to
    /// follow.
    #[must_use]
    pub fn start(&self, now: DbTime, highest: Epoch) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let by_clock = millis(now.since(self.created)).saturating_add(1);
        let backwards = millis(self.last_alive.since(now));
        let known = self.epoch_floor.0.max(highest.0).saturating_add(backwards);
        Self { last_alive: now, epoch_floor: Epoch(by_clock.max(known)), ..*self }
    }

    /// Tests for a time at which leases may lapse.
    pub fn may_lapse(&self, now: DbTime) -> bool {
        now >= self.grace_until
    }
}
