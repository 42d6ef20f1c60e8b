//! Jobs that something went wrong with: each is left alone for a while and then tried again, so
//! that neither the loop nor the disk is kept busy with it.

use std::collections::HashMap;
use std::time::Duration;

use aq_manifest::JobId;
use jiff::Timestamp;

/// The first pause before another try; each further one of a loop that goes on is twice as long.
const PAUSE: Duration = Duration::from_secs(5);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// Tries after which a loop that is to end does not wait for the job any longer: the 30 s that the
/// slot of a launch without a process may be taken.
const TRIES: u32 = 6;

/// Which jobs, how often they were tried, and when they are tried again.
#[derive(Debug, Default)]
pub(crate) struct JobBackoff {
    jobs: HashMap<JobId, FailedTries>,
}

#[derive(Debug)]
struct FailedTries {
    tries: u32,
    next: BackoffState,
    /// Its record cannot be used, which was reported.
    is_left: bool,
}

#[derive(Clone, Copy, Debug)]
enum BackoffState {
    /// It is left alone until then.
    Pause(Timestamp),
    /// It is being tried; how often it was counts if that goes wrong too.
    Trying,
    /// It is left alone for good.
    Never,
}

impl JobBackoff {
    /// Notes that something went wrong with a job at `now`. Answers whether it will be tried
    /// again; `give_up` says whether there is an end to that.
    pub(crate) fn add(&mut self, id: &JobId, now: Timestamp, give_up: bool) -> bool {
        let tries = self.jobs.get(id).map_or(0, |job| job.tries).saturating_add(1);
        let go_on = !give_up || tries < TRIES;
        let doubled = PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(LONGEST);
        let pause = if give_up { PAUSE } else { doubled };
        let again = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        let next = if go_on { BackoffState::Pause(again) } else { BackoffState::Never };
        self.jobs.insert(id.clone(), FailedTries { tries, next, is_left: false });
        go_on
    }

    /// Notes that a job cannot be used as it is. Answers whether that is news. A loop that is to
    /// end, as `at_once` says, does not look again.
    pub(crate) fn leave(&mut self, id: &JobId, now: Timestamp, at_once: bool) -> bool {
        let is_known = self.jobs.get(id).is_some_and(|job| job.is_left);
        let again = now.saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
        let next = if at_once { BackoffState::Never } else { BackoffState::Pause(again) };
        self.jobs.insert(id.clone(), FailedTries { tries: 0, next, is_left: true });
        !is_known
    }

    /// Forgets that a job could not be used.
    pub(crate) fn mended(&mut self, id: &JobId) {
        if self.jobs.get(id).is_some_and(|job| job.is_left) {
            self.jobs.remove(id);
        }
    }

    /// Notes that a job is tried again now.
    pub(crate) fn looked(&mut self, id: &JobId) {
        if let Some(job) = self.jobs.get_mut(id) {
            job.next = BackoffState::Trying;
        }
    }

    /// Forgets about a job that is well, or gone.
    pub(crate) fn over(&mut self, id: &JobId) {
        self.jobs.remove(id);
    }

    /// Whether a job is to be left alone at `now`.
    pub(crate) fn pauses(&self, id: &JobId, now: Timestamp) -> bool {
        self.jobs.get(id).is_some_and(|job| match job.next {
            // A pause that is too long was begun by a clock that has been set back since.
            BackoffState::Pause(until) => {
                now < until && until <= now.saturating_add(LONGEST).unwrap_or(until)
            }
            BackoffState::Trying => false,
            BackoffState::Never => true,
        })
    }

    /// The jobs to try again at `now`.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = &JobId> {
        let pauses = |job: &FailedTries| matches!(job.next, BackoffState::Pause(_));
        let due = self.jobs.iter().filter(move |&(id, job)| pauses(job) && !self.pauses(id, now));
        due.map(|(id, _)| id)
    }

    /// The jobs that are to be tried again, and when.
    pub(crate) fn pauses_left(&self) -> impl Iterator<Item = (&JobId, Timestamp)> {
        self.jobs.iter().filter_map(|(id, job)| match job.next {
            BackoffState::Pause(until) => Some((id, until)),
            BackoffState::Trying | BackoffState::Never => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn draining_loops_give_jobs_up() {
        let id = JobId::new("a").unwrap();
        let mut backoff = JobBackoff::default();
        for n in 1..6 {
            let now = 10 * n;
            assert!(backoff.add(&id, at(now), true));
            assert!(backoff.pauses(&id, at(now + 4)));
            assert_eq!(backoff.pauses_left().collect::<Vec<_>>(), [(&id, at(now + 5))]);
            assert_eq!(backoff.due(at(now + 5)).collect::<Vec<_>>(), [&id]);
            backoff.looked(&id);
            assert!(!backoff.pauses(&id, at(now + 5)));
            assert_eq!(backoff.pauses_left().next(), None);
        }
        assert!(!backoff.add(&id, at(60), true));
        assert!(backoff.pauses(&id, at(1_000)));
        assert_eq!(backoff.pauses_left().next(), None);
        backoff.over(&id);
        assert!(!backoff.pauses(&id, at(60)));
    }

    #[test]
    fn pauses_end_when_the_clock_is_set_back() {
        let id = JobId::new("a").unwrap();
        let mut backoff = JobBackoff::default();
        for now in 0..100 {
            assert!(backoff.add(&id, at(now), false));
        }
        assert_eq!(backoff.pauses_left().next(), Some((&id, at(99 + 60))));
        assert!(!backoff.pauses(&id, at(-3_600)));
    }
}
