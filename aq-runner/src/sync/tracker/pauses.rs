//! Pauses of trackers that are not well, and of single jobs whose item is refused. An item that is
//! locked, or breaks the tracker, keeps no other from being updated.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aq_manifest::JobId;
use aq_tracker::TrackerKind;

/// The first pause after a failure; each further one is twice as long, up to the longest.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// So many jobs that fail in a row are no accident of their items: the tracker itself is not well.
const MANY: usize = 3;

/// The pauses in force.
#[derive(Debug, Default)]
pub(super) struct DeliveryPauses {
    trackers: BTreeMap<TrackerKind, DeliveryPause>,
    jobs: BTreeMap<JobId, DeliveryPause>,
    /// Jobs that failed since the tracker took anything.
    failed: BTreeMap<TrackerKind, BTreeSet<JobId>>,
}

#[derive(Clone, Copy, Debug)]
struct DeliveryPause {
    failures: u32,
    until: Instant,
}

impl DeliveryPauses {
    /// True while nothing may be sent for this job.
    pub(super) fn holds(&self, kind: TrackerKind, job: &JobId) -> bool {
        let now = Instant::now();
        let pauses = [self.trackers.get(&kind), self.jobs.get(job)];
        pauses.into_iter().flatten().any(|pause| now < pause.until)
    }

    /// The jobs, those that failed least first: what keeps failing must not use up every try.
    pub(super) fn in_order(&self, jobs: &BTreeSet<JobId>) -> Vec<JobId> {
        let mut jobs: Vec<JobId> = jobs.iter().cloned().collect();
        jobs.sort_by_key(|job| self.jobs.get(job).map_or(0, |pause| pause.failures));
        jobs
    }

    /// The tracker took what was sent for a job.
    pub(super) fn succeeded(&mut self, kind: TrackerKind, job: &JobId) {
        self.trackers.remove(&kind);
        self.failed.remove(&kind);
        self.jobs.remove(job);
    }

    /// Forgets a job that has nothing more to be sent.
    pub(super) fn forget(&mut self, job: &JobId) {
        self.jobs.remove(job);
    }

    /// Begins a pause of a tracker, which may have named it.
    pub(super) fn tracker_failed(
        &mut self,
        kind: TrackerKind,
        named: Option<Duration>,
    ) -> Duration {
        self.failed.remove(&kind);
        let pause = DeliveryPause::after(self.trackers.get(&kind), named);
        self.trackers.insert(kind, pause.0);
        pause.1
    }

    /// Begins a pause of one job. Answers it, and that of the tracker when it seems to be the
    /// cause.
    pub(super) fn job_failed(
        &mut self,
        kind: TrackerKind,
        job: &JobId,
    ) -> (Duration, Option<Duration>) {
        let (pause, length) = DeliveryPause::after(self.jobs.get(job), None);
        self.jobs.insert(job.clone(), pause);
        let failed = self.failed.entry(kind).or_default();
        failed.insert(job.clone());
        // One that has rested before is probed with one job.
        let is_tracker = failed.len() >= MANY || self.trackers.contains_key(&kind);
        (length, is_tracker.then(|| self.tracker_failed(kind, None)))
    }

    /// Time until the next pause ends.
    pub(super) fn next_end(&self, now: Instant) -> Option<Duration> {
        let ends = self.trackers.values().chain(self.jobs.values());
        let left = ends.map(|pause| pause.until.saturating_duration_since(now));
        left.filter(|left| !left.is_zero()).min()
    }
}

impl DeliveryPause {
    /// The pause after one more failure, and its length.
    fn after(before: Option<&Self>, named: Option<Duration>) -> (Self, Duration) {
        let failures = before.map_or(0, |pause| pause.failures);
        let growing = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
        let length = named.unwrap_or(Duration::ZERO).max(growing);
        let until = Instant::now() + length;
        (Self { failures: failures.saturating_add(1), until }, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> JobId {
        name.parse().unwrap()
    }

    #[test]
    fn pauses_grow_and_a_named_one_holds() {
        let mut pauses = DeliveryPauses::default();
        let mut next = |named| pauses.tracker_failed(TrackerKind::Items, named).as_secs();
        assert_eq!([next(None), next(None), next(Some(Duration::from_secs(60)))], [1, 2, 60]);
        for _ in 0..100 {
            assert!(next(None) <= 300);
        }
    }

    #[test]
    fn one_failing_job_pauses_itself_only() {
        let mut pauses = DeliveryPauses::default();
        for want in [1, 2, 4, 8] {
            let (own, tracker) = pauses.job_failed(TrackerKind::GitHub, &job("a"));
            assert_eq!((own.as_secs(), tracker), (want, None));
        }
        assert!(pauses.holds(TrackerKind::GitHub, &job("a")));
        assert!(!pauses.holds(TrackerKind::GitHub, &job("b")));
        let jobs = [job("a"), job("b")].into();
        assert_eq!(pauses.in_order(&jobs), [job("b"), job("a")]);
    }

    #[test]
    fn many_failing_jobs_pause_tracker() {
        let mut pauses = DeliveryPauses::default();
        let mut fail = |name| pauses.job_failed(TrackerKind::GitHub, &job(name)).1.is_some();
        assert_eq!([fail("a"), fail("b"), fail("c")], [false, false, true]);
        assert!(pauses.holds(TrackerKind::GitHub, &job("d")));
        assert!(!pauses.holds(TrackerKind::Items, &job("d")));
        pauses.succeeded(TrackerKind::GitHub, &job("d"));
        assert!(!pauses.holds(TrackerKind::GitHub, &job("d")));
        assert!(pauses.holds(TrackerKind::GitHub, &job("a")));
    }
}
