//! The times at which open pull requests are asked about. No clock is read here, and nobody asked.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aq_manifest::JobId;
use aq_tracker::RetryAdvice;

use super::watcher::PullNews;
use crate::run::operator::pull_error::PullError;

/// The first pause after something went wrong; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// The longest of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// The pause for a job that somebody else holds for a moment.
const MOMENT: Duration = Duration::from_secs(1);

/// The longest sleep. Nothing is done at its end but to look at the time.
const LONG: Duration = Duration::from_secs(3600);

/// The requests that are watched.
#[derive(Debug, Default)]
pub(super) struct PullSchedule {
    jobs: BTreeMap<JobId, WatchedPull>,
    /// The end of the pause that GitHub wants, or needs.
    rests_until: Option<Instant>,
}

/// A job whose request is watched.
#[derive(Debug)]
struct WatchedPull {
    next: Instant,
    /// The version of the request that was read last, and acted on.
    etag: Option<String>,
    /// Times in a row that something went wrong.
    failures: u32,
    /// The trouble that was reported last: it is reported once.
    told: Option<String>,
    /// The page that was reported.
    url: Option<String>,
}

/// The result of a look at a job.
#[derive(Debug)]
pub(super) enum PullLook {
    /// It is not in testing/ any more.
    Left,
    /// It has moved.
    Moved,
    /// Its request is open; with its page where that is known.
    Waits(Option<String>),
}

impl PullSchedule {
    /// Takes a job in, whose time has come at once. One that is watched keeps its time.
    pub(super) fn watch(&mut self, id: JobId, now: Instant) {
        self.jobs.entry(id).or_insert_with(|| WatchedPull {
            next: now,
            etag: None,
            failures: 0,
            told: None,
            url: None,
        });
    }

    /// Forgets a job.
    pub(super) fn leave(&mut self, id: &JobId) {
        self.jobs.remove(id);
    }

    /// The time until something is due.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        let until = |time: Instant| time.saturating_duration_since(now);
        let next = self.jobs.values().map(|watched| watched.next).min();
        let rest = self.rests_until.map_or(Duration::ZERO, until);
        next.map_or(LONG, until).max(rest)
    }

    /// The jobs whose time has come; none during a pause of GitHub's.
    pub(super) fn due(&self, now: Instant) -> Vec<JobId> {
        if self.is_resting(now) {
            return Vec::new();
        }
        let due = self.jobs.iter().filter(|(_, watched)| watched.next <= now);
        due.map(|(id, _)| id.clone()).collect()
    }

    /// Tests for a pause of GitHub's, which is the same for all jobs.
    pub(super) fn is_resting(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|end| end > now)
    }

    /// The version of a job's request that nothing is left to be done about.
    pub(super) fn etag(&self, id: &JobId) -> Option<String> {
        self.jobs.get(id)?.etag.clone()
    }

    /// Takes in how a look at a job ended, at which the request had this version. The next one of
    /// an open request comes `every` so often. Answers what is worth a word.
    pub(super) fn looked(
        &mut self,
        id: &JobId,
        look: Result<(PullLook, Option<String>), PullError>,
        every: Duration,
        now: Instant,
    ) -> Option<PullNews> {
        let watched = self.jobs.get_mut(id)?;
        match look {
            Ok((PullLook::Left, _)) => {
                self.jobs.remove(id);
                None
            }
            Ok((PullLook::Moved, _)) => {
                self.jobs.remove(id);
                Some(PullNews::Moved(id.clone()))
            }
            Ok((PullLook::Waits(url), etag)) => {
                (watched.etag, watched.failures, watched.told) = (etag, 0, None);
                watched.next = now + every;
                let url = url.filter(|url| watched.url.as_ref() != Some(url))?;
                watched.url = Some(url.clone());
                Some(PullNews::Open { id: id.clone(), url })
            }
            Err(e) if e.is_passing() => {
                watched.next = now + MOMENT;
                None
            }
            Err(e) => self.went_wrong(id, &e, now),
        }
    }

    fn went_wrong(&mut self, id: &JobId, error: &PullError, now: Instant) -> Option<PullNews> {
        let watched = self.jobs.get_mut(id)?;
        let doubled = FIRST_PAUSE.saturating_mul(1 << watched.failures.min(10));
        let pause = doubled.min(LONGEST_PAUSE);
        watched.failures += 1;
        watched.next = now + pause;
        if let RetryAdvice::Later(wanted) = error.retry() {
            self.rests_until = Some(now + wanted.unwrap_or(pause));
        }
        let why = error.to_string();
        if watched.told.as_ref() == Some(&why) {
            return None;
        }
        watched.told = Some(why.clone());
        Some(PullNews::Trouble(format!("{id}: {why}")))
    }
}

#[cfg(test)]
mod tests;
