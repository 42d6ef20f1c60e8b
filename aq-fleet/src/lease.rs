//! A lease as its holder sees it. Pure: time comes in as an argument.
//!
//! The holder counts from the moment at which it *sent* the request that granted or renewed the
//! lease, on a clock that only goes forward, and trusts it for 80 % of its length
//! (docs/fleet-protocol.md, Rules). So however long an answer took, the holder stops trusting a
//! lease before the coordinator gives the job to somebody else. From then on it may go on working,
//! but does not ship until it has renewed.

use std::time::Duration;

use crate::protocol::{Epoch, LeaseAnswer, LeaseState};

/// The part of a lease's length for which its holder trusts it, in percent.
const TRUSTED_PERCENT: u32 = 80;

/// One grant that this host holds, or held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLease {
    epoch: Epoch,
    /// When the newest request was sent that the times below come from.
    sent_at: Duration,
    trusted_until: Duration,
    ends: Duration,
    lost: bool,
}

/// Reliability of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseTrust {
    /// Nobody else has the job.
    Trusted,
    /// The job goes on, but must not ship before a renewal: somebody else may soon have it.
    Untrusted,
    /// The job is somebody else's: stop it at once, and never ship it.
    Lost,
}

impl HostLease {
    /// A lease of the grant `epoch`, from a request sent at `sent_at` whose answer said that it
    /// holds for `length_ms`. A grant with epoch 0 grants nothing: it is lost from the start.
    pub fn new(epoch: Epoch, sent_at: Duration, length_ms: u64) -> Self {
        let (trusted_until, ends) = times(sent_at, length_ms);
        Self { epoch, sent_at, trusted_until, ends, lost: epoch.is_dry() }
    }

    /// A lease that was held before this process began, and about which nothing is known until it
    /// is renewed.
    pub fn resumed(epoch: Epoch) -> Self {
        Self::new(epoch, Duration::ZERO, 0)
    }

    /// A renewal of this grant was answered: it holds `expires_in_ms` from `sent_at` on. That may
    /// be shorter than before, when the coordinator was started again with other settings. An
    /// answer that a newer one overtook changes nothing, and none brings a lost lease back.
    pub fn renewed(&mut self, sent_at: Duration, expires_in_ms: u64) {
        if sent_at >= self.sent_at {
            self.sent_at = sent_at;
            (self.trusted_until, self.ends) = times(sent_at, expires_in_ms);
        }
    }

    /// A heartbeat sent at `sent_at` was answered, with this about the job. What it says of an
    /// older grant does not matter.
    pub fn answered(&mut self, sent_at: Duration, answer: &LeaseAnswer) {
        self.saw(answer.epoch);
        if answer.epoch == self.epoch {
            match answer.state {
                LeaseState::Held => self.renewed(sent_at, answer.expires_in_ms),
                LeaseState::Lost => self.lose(),
            }
        }
    }

    /// The coordinator refused with 409, or said that the lease is lost. That is final.
    pub fn lose(&mut self) {
        self.lost = true;
    }

    /// An epoch of this job was seen somewhere. A newer one means that the job was granted again.
    pub fn saw(&mut self, epoch: Epoch) {
        if epoch > self.epoch {
            self.lose();
        }
    }

    /// Returns the reliability at `now`.
    pub fn trust(&self, now: Duration) -> LeaseTrust {
        if self.lost {
            LeaseTrust::Lost
        } else if now < self.trusted_until {
            LeaseTrust::Trusted
        } else {
            LeaseTrust::Untrusted
        }
    }

    /// When trust ends, unless it is renewed before. Not after [`HostLease::ends`].
    pub fn trusted_until(&self) -> Duration {
        self.trusted_until
    }

    /// When the coordinator may give the job to somebody else, as seen from here: it may not do so
    /// earlier, and may do so at any time later.
    pub fn ends(&self) -> Duration {
        self.ends
    }
}

fn times(sent_at: Duration, length_ms: u64) -> (Duration, Duration) {
    let length = Duration::from_millis(length_ms);
    // A `Duration` has room for more than a thousand times the milliseconds of any answer.
    let trusted = length * TRUSTED_PERCENT / 100;
    (sent_at.saturating_add(trusted), sent_at.saturating_add(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn answer(epoch: u64, state: LeaseState, expires_in_ms: u64) -> LeaseAnswer {
        let job_id = uuid::Uuid::nil().into();
        LeaseAnswer { job_id, epoch: Epoch(epoch), state, expires_in_ms }
    }

    #[test]
    fn lease_is_trusted_from_request() {
        let lease = HostLease::new(Epoch(3), s(100), 60_000);
        assert_eq!(lease.trust(s(100)), LeaseTrust::Trusted);
        assert_eq!(lease.trust(Duration::from_millis(147_999)), LeaseTrust::Trusted);
        assert_eq!(lease.trust(s(148)), LeaseTrust::Untrusted);
        assert_eq!(lease.trust(s(1_000_000)), LeaseTrust::Untrusted);
        assert_eq!((lease.trusted_until(), lease.ends()), (s(148), s(160)));
    }

    #[test]
    fn renewal_counts_from_its_request() {
        let mut lease = HostLease::new(Epoch(3), s(100), 60_000);
        lease.renewed(s(200), 60_000);
        assert_eq!(lease.trust(s(247)), LeaseTrust::Trusted);
        lease.renewed(s(150), 60_000);
        assert_eq!(lease.trusted_until(), s(248));
        lease.answered(s(300), &answer(3, LeaseState::Held, 10_000));
        assert_eq!((lease.trusted_until(), lease.ends()), (s(308), s(310)));
    }

    #[test]
    fn a_coordinator_with_shorter_leases_is_believed() {
        let mut lease = HostLease::new(Epoch(3), s(0), 60_000);
        lease.renewed(s(5), 10_000);
        assert_eq!(
            (lease.trust(s(12)), lease.trust(s(13))),
            (LeaseTrust::Trusted, LeaseTrust::Untrusted)
        );
    }

    #[test]
    fn untrusted_lease_can_be_renewed() {
        let mut lease = HostLease::new(Epoch(3), s(0), 1_000);
        assert_eq!(lease.trust(s(5)), LeaseTrust::Untrusted);
        lease.renewed(s(5), 60_000);
        assert_eq!(lease.trust(s(6)), LeaseTrust::Trusted);
        lease.lose();
        lease.renewed(s(7), 60_000);
        lease.answered(s(8), &answer(3, LeaseState::Held, 60_000));
        assert_eq!(lease.trust(s(8)), LeaseTrust::Lost);
    }

    #[test]
    fn older_grants_news_is_ignored() {
        let held = HostLease::new(Epoch(3), s(0), 60_000);
        let after = |epoch, state| {
            let mut lease = held.clone();
            lease.answered(s(10), &answer(epoch, state, 60_000));
            (lease.trust(s(1)), lease.trusted_until())
        };
        assert_eq!(after(2, LeaseState::Lost), (LeaseTrust::Trusted, s(48)));
        assert_eq!(after(2, LeaseState::Held), (LeaseTrust::Trusted, s(48)));
        assert_eq!(after(3, LeaseState::Held), (LeaseTrust::Trusted, s(58)));
        assert_eq!(after(3, LeaseState::Lost).0, LeaseTrust::Lost);
        assert_eq!(after(4, LeaseState::Held).0, LeaseTrust::Lost);
        assert_eq!(after(4, LeaseState::Lost).0, LeaseTrust::Lost);
    }

    #[test]
    fn unknown_leases_are_not_trusted() {
        assert_eq!(HostLease::new(Epoch::DRY, s(0), 60_000).trust(s(1)), LeaseTrust::Lost);
        let mut resumed = HostLease::resumed(Epoch(9));
        assert_eq!(resumed.trust(s(0)), LeaseTrust::Untrusted);
        resumed.renewed(s(50), 60_000);
        assert_eq!(resumed.trust(s(51)), LeaseTrust::Trusted);
    }

    proptest! {
        /// The coordinator gives the lease at some moment after the request was sent and not
        /// before; so trust has always ended when it may give the job away.
        #[test]
        fn trust_ends_before_the_coordinators_lease_does(
            sent in 0..1_000_000_u64, on_the_way in 0..100_000_u64, length in any::<u64>(),
        ) {
            let sent_at = Duration::from_millis(sent);
            let lease = HostLease::new(Epoch(1), sent_at, length);
            let granted = sent_at + Duration::from_millis(on_the_way);
            let given_away = granted.saturating_add(Duration::from_millis(length));
            prop_assert!(lease.trusted_until() <= given_away);
            prop_assert_ne!(lease.trust(given_away), LeaseTrust::Trusted);
        }
    }
}
