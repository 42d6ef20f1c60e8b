//! After the restore of a backup: the time that was lost, and what nobody knows of it.
//!
//! A restore is noticed at a coordinator's start, or by what hosts say. From then on it *settles*
//! for one lease time, in which every host that lives registers again and says what it has ended
//! since. Until then nothing is granted and nothing ships. All jobs that have not ended are
//! *doubted*; when it has settled, those are not whose holder has renewed its lease since, and
//! those that were submitted since. The others wait for a person.

use super::{DbTime, FleetJob, LeaseStatus, LeaseTiming, ServiceState};

impl FleetJob {
    /// The job, which may have ended in the time that was lost.
    #[must_use]
    pub fn doubt(&self) -> Self {
        Self { doubted: true, ..self.clone() }.next_after(self)
    }
}

impl ServiceState {
    /// Notes a restore.
    #[must_use]
    pub fn restore(&self, now: DbTime) -> Self {
        Self { restored: Some(now), settles: true, run_doubted: false, ..*self }
    }

    /// Tests for hosts that have had their time, which nobody has noted yet.
    pub fn has_settled(&self, now: DbTime, timing: LeaseTiming) -> bool {
        let over = |restored: DbTime| now >= restored.plus(timing.lease) || now < restored;
        self.settles && self.restored.is_none_or(over)
    }

    /// A job that its holder has renewed: it has not ended. While others have still time to say
    /// that they have had it since, it stays in doubt.
    #[must_use]
    pub fn renewed(&self, job: FleetJob) -> FleetJob {
        FleetJob { doubted: job.doubted && self.settles, ..job }
    }

    /// A doubted job when hosts have had their time.
    pub fn settle(&self, job: &FleetJob, timing: LeaseTiming) -> FleetJob {
        let restored = self.restored.unwrap_or_default();
        let renewed = |job: &FleetJob| {
            let held = job.tenure.as_ref().filter(|tenure| tenure.hold == LeaseStatus::Held);
            held.is_some_and(|held| held.until >= restored.plus(timing.lease))
        };
        let is_new = job.submitted_at >= restored;
        let mut next = job.clone();
        next.doubted &= !(self.run_doubted || is_new || renewed(job));
        next.next_after(job)
    }
}
