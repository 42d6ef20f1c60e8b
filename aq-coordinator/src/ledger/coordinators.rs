//! The coordinators that are or were at work on the database: when hosts could renew their leases.

use std::time::Duration;

use uuid::Uuid;

use super::{DbTime, LeaseTiming, ServiceState};

/// One process that keeps time on the database, from its start on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CoordinatorRun {
    /// A new one with each start.
    pub id: Uuid,
    /// Its start, or the end of the last time that it was away.
    pub since: DbTime,
    /// Its latest tick.
    pub seen: DbTime,
}

impl CoordinatorRun {
    /// Runs that were seen before so long ago decide nothing any more.
    pub fn forgotten_after(timing: LeaseTiming) -> Duration {
        timing.lease + timing.outage
    }

    /// Notes a tick of the coordinator `me` in `runs`, which need not hold forgotten ones. One that
    /// was away itself begins anew. Answers its own run, and when leases end again.
    pub fn tick(
        runs: &mut Vec<Self>,
        me: Uuid,
        now: DbTime,
        timing: LeaseTiming,
    ) -> (Self, DbTime) {
        let is_away = |run: &Self| now.since(run.seen).max(run.seen.since(now)) > timing.outage;
        let known = runs.iter().find(|run| run.id == me && !is_away(run));
        let own = Self { id: me, since: known.map_or(now, |run| run.since), seen: now };
        // What the clock was put back from says nothing of the time that comes again.
        runs.retain(|run| run.id != me && run.seen.since(now) <= timing.outage);
        runs.push(own);
        (own, Self::back_since(runs).unwrap_or(now).plus(timing.lease))
    }

    /// The latest start at which no other coordinator was at work, before and after it.
    fn back_since(runs: &[Self]) -> Option<DbTime> {
        let is_covered =
            |run: &Self| runs.iter().any(|other| other.since < run.since && other.seen > run.since);
        runs.iter().filter(|run| !is_covered(run)).map(|run| run.since).max()
    }
}

impl ServiceState {
    /// A tick in time of the coordinator `me`: no lease ends before one lease time from when hosts
    /// could renew again.
    #[must_use]
    pub fn tick(
        &self,
        runs: &mut Vec<CoordinatorRun>,
        me: Uuid,
        now: DbTime,
        timing: LeaseTiming,
    ) -> (Self, CoordinatorRun) {
        let (own, grace_until) = CoordinatorRun::tick(runs, me, now, timing);
        (Self { last_alive: now, grace_until, ..*self }, own)
    }
}
