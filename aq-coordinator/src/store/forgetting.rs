//! The times after which data goes that is not kept for good, and the amount that goes at once.

use std::time::Duration;

use crate::ledger::DbTime;

/// The least time that messages of the feed are kept.
const KEEP_EVENTS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Messages that go in one transaction.
pub(crate) const EVENTS_AT_ONCE: i64 = 1000;

/// Jobs whose past goes in one transaction, and hosts: claims wait for no more than these.
pub(crate) const PAST_AT_ONCE: i64 = 100;

/// The result of one call of [`forget`](super::CoordinatorStore::forget).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForgetReport {
    /// Ended jobs of which key, digest, outcome and last epoch are left.
    pub jobs: usize,
    /// Hosts that were not heard of.
    pub hosts: usize,
    /// Messages of the feed.
    pub events: usize,
}

impl ForgetReport {
    pub(crate) fn add(&mut self, more: Self) {
        self.jobs += more.jobs;
        self.hosts += more.hosts;
        self.events += more.events;
    }

    /// Tests for more that may go at once.
    pub(crate) fn is_full(self) -> bool {
        let most = |most: i64| usize::try_from(most).unwrap_or(usize::MAX);
        self.jobs.max(self.hosts) >= most(PAST_AT_ONCE) || self.events >= most(EVENTS_AT_ONCE)
    }
}

/// The moment from which on all is kept.
pub(crate) fn kept_from(now: DbTime, keep: Duration) -> i64 {
    let millis = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    now.0.saturating_sub_unsigned(millis)
}

/// The moment from which on messages of the feed are kept: for as long as the rest, where that is
/// longer.
pub(crate) fn events_from(now: DbTime, keep: Option<Duration>) -> i64 {
    kept_from(now, keep.unwrap_or_default().max(KEEP_EVENTS))
}
