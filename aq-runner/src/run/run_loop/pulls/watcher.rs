//! The thread that opens pull requests and asks about open ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use aq_ledger::RecordKey;
use aq_manifest::{JobId, Stage};
use aq_tracker::RetryAdvice;
use jiff::Timestamp;

use crate::checkpoint::GitWatch;
use crate::run::operator::pull::{PullForge, PullJob, PullProgress};
use crate::run::operator::pull_error::PullError;
use crate::run::settings::QueueSettings;
use crate::store::{HeldJob, JobRecord, QueueDir};

/// The first pause after something went wrong; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// The longest of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// The pause for a job that somebody else holds for a moment.
const MOMENT: Duration = Duration::from_secs(1);

/// The longest sleep. Nothing is done at its end but to look at the time.
const LONG: Duration = Duration::from_secs(3600);

/// A word of the loop to the thread.
#[derive(Debug)]
pub(super) enum PullNotice {
    /// A job is in testing/ that is shipped by a pull request.
    Tested(JobId),
    /// A job has left testing/.
    Left(JobId),
}

/// A word of the thread to the loop.
#[derive(Debug)]
pub(super) enum PullNews {
    /// One notice was handled.
    Answered,
    /// The request of a job is open, and waits for people. Said once.
    Open {
        /// The job.
        id: JobId,
        /// The page.
        url: String,
    },
    /// A job is in another folder now.
    Moved(JobId),
    /// Something went wrong, in words.
    Trouble(String),
}

/// The thread's state.
pub(super) struct PullWatcher {
    queue: QueueDir,
    settings: QueueSettings,
    tell: Sender<PullNews>,
    wake: Box<dyn Fn() + Send>,
    is_ending: Arc<AtomicBool>,
    jobs: BTreeMap<JobId, WatchedPull>,
    /// The end of the pause that GitHub wants, or needs.
    rests_until: Option<Instant>,
}

/// A job whose request is watched.
#[derive(Debug)]
struct WatchedPull {
    next: Instant,
    /// The version of the request that was read last.
    etag: Option<String>,
    /// Times in a row that something went wrong.
    failures: u32,
    /// The trouble that was reported last: it is reported once.
    told: Option<String>,
    /// The page that was reported.
    url: Option<String>,
}

impl PullWatcher {
    pub(super) fn new(
        queue: QueueDir,
        settings: QueueSettings,
        tell: Sender<PullNews>,
        wake: Box<dyn Fn() + Send>,
        is_ending: Arc<AtomicBool>,
    ) -> Self {
        let jobs = BTreeMap::new();
        Self { queue, settings, tell, wake, is_ending, jobs, rests_until: None }
    }

    /// Goes on until the loop ends.
    pub(super) fn run(mut self, notices: &Receiver<PullNotice>) {
        loop {
            let answered = match notices.recv_timeout(self.pause()) {
                Ok(first) => {
                    let all: Vec<PullNotice> =
                        [first].into_iter().chain(notices.try_iter()).collect();
                    let count = all.len();
                    all.into_iter().for_each(|notice| self.take(notice));
                    count
                }
                Err(RecvTimeoutError::Timeout) => 0,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            self.look_at_due();
            (0..answered).for_each(|_| self.say(PullNews::Answered));
            if answered > 0 {
                (self.wake)();
            }
        }
    }

    fn take(&mut self, notice: PullNotice) {
        match notice {
            PullNotice::Tested(id) => {
                // One that is watched has its time.
                self.jobs.entry(id).or_insert_with(|| WatchedPull {
                    next: Instant::now(),
                    etag: None,
                    failures: 0,
                    told: None,
                    url: None,
                });
            }
            PullNotice::Left(id) => _ = self.jobs.remove(&id),
        }
    }

    fn pause(&self) -> Duration {
        let next = self.jobs.values().map(|watched| watched.next).min();
        let now = Instant::now();
        let due = next.map_or(LONG, |next| next.saturating_duration_since(now));
        let rest =
            self.rests_until.map_or(Duration::ZERO, |end| end.saturating_duration_since(now));
        due.max(rest)
    }

    fn look_at_due(&mut self) {
        let now = Instant::now();
        let due = self.jobs.iter().filter(|(_, watched)| watched.next <= now);
        let due: Vec<JobId> = due.map(|(id, _)| id.clone()).collect();
        if due.is_empty() || self.is_resting() {
            return;
        }
        // The pauses of the config may be others by now. One with an error changes nothing.
        if let Ok(settings) = QueueSettings::load(&self.queue, self.settings.environment.clone()) {
            self.settings = settings;
        }
        for id in due {
            if self.is_ending.load(Ordering::SeqCst) || self.is_resting() {
                return;
            }
            self.look_at(&id);
        }
    }

    fn is_resting(&self) -> bool {
        self.rests_until.is_some_and(|end| end > Instant::now())
    }

    fn look_at(&mut self, id: &JobId) {
        let Some(mut watched) = self.jobs.remove(id) else { return };
        match self.try_look_at(id, &mut watched.etag) {
            Ok(PullLook::Left) => return,
            Ok(PullLook::Moved) => {
                self.say(PullNews::Moved(id.clone()));
                return (self.wake)();
            }
            Ok(PullLook::Waits(url)) => {
                if let Some(url) = url.filter(|url| watched.url.as_ref() != Some(url)) {
                    self.say(PullNews::Open { id: id.clone(), url: url.clone() });
                    watched.url = Some(url);
                }
                watched.failures = 0;
                watched.told = None;
                watched.next = Instant::now() + self.settings.shipping.pr_every;
            }
            Err(e) if e.is_passing() => watched.next = Instant::now() + MOMENT,
            Err(e) => self.went_wrong(id, &mut watched, &e),
        }
        self.jobs.insert(id.clone(), watched);
    }

    fn went_wrong(&mut self, id: &JobId, watched: &mut WatchedPull, error: &PullError) {
        let doubled = FIRST_PAUSE.saturating_mul(1 << watched.failures.min(10));
        let pause = doubled.min(LONGEST_PAUSE);
        watched.failures += 1;
        watched.next = Instant::now() + pause;
        if let RetryAdvice::Later(wanted) = error.retry() {
            // It is the same for all jobs.
            self.rests_until = Some(Instant::now() + wanted.unwrap_or(pause));
        }
        let why = error.to_string();
        if watched.told.as_ref() != Some(&why) {
            self.say(PullNews::Trouble(format!("{id}: {why}")));
            watched.told = Some(why);
        }
    }

    fn try_look_at(&self, id: &JobId, etag: &mut Option<String>) -> Result<PullLook, PullError> {
        if !self.queue.has(Stage::Testing, id) {
            return Ok(PullLook::Left);
        }
        let record = JobRecord::read(&self.queue, Stage::Testing, id.clone())?;
        let forge = PullForge::of(&self.settings)?;
        let is_ending = self.is_ending.clone();
        let watch = GitWatch::default()
            .stopped_by(Arc::new(move || is_ending.load(Ordering::SeqCst)), Duration::ZERO);
        let request =
            PullJob { queue: &self.queue, settings: &self.settings, forge: &forge, watch };
        let now = Timestamp::now();
        let progress = if record.meta.has(RecordKey::PullRequestOpen) {
            request.look(&record, etag, now)?
        } else {
            let mut job = HeldJob::lock(&self.queue, id)?;
            if job.stage() != Stage::Testing {
                return Ok(PullLook::Left);
            }
            job.expect_sound()?;
            let is_begun = job.row().has_pull_request();
            Some(match is_begun {
                true => request.complete(&mut job, now)?,
                false => request.begin(&mut job, false, now)?,
            })
        };
        Ok(match progress {
            Some(PullProgress::Open { url, .. }) => PullLook::Waits(Some(url)),
            None => PullLook::Waits(None),
            Some(PullProgress::Merged { .. } | PullProgress::Closed { .. }) => PullLook::Moved,
        })
    }

    /// Says something to the loop, which may be gone.
    fn say(&self, news: PullNews) {
        let _ = self.tell.send(news);
    }
}

/// The result of a look at a job.
enum PullLook {
    /// It is not in testing/ any more.
    Left,
    /// It has moved.
    Moved,
    /// Its request is open; with its page where that is known.
    Waits(Option<String>),
}
