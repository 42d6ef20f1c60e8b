//! The thread that opens pull requests and asks about open ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use aq_ledger::RecordKey;
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::schedule::{PullLook, PullSchedule};
use crate::checkpoint::GitWatch;
use crate::run::operator::pull::{PullForge, PullJob, PullProgress};
use crate::run::operator::pull_error::PullError;
use crate::run::settings::QueueSettings;
use crate::store::{HeldJob, JobRecord, QueueDir};

/// A word of the loop to the thread.
#[derive(Debug)]
pub(super) enum PullNotice {
    /// A job is in testing/ that is shipped by a pull request.
    Tested(JobId),
    /// A job has left testing/.
    Left(JobId),
}

/// A word of the thread to the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    schedule: PullSchedule,
}

impl PullWatcher {
    pub(super) fn new(
        queue: QueueDir,
        settings: QueueSettings,
        tell: Sender<PullNews>,
        wake: Box<dyn Fn() + Send>,
        is_ending: Arc<AtomicBool>,
    ) -> Self {
        let schedule = PullSchedule::default();
        Self { queue, settings, tell, wake, is_ending, schedule }
    }

    /// Goes on until the loop ends.
    pub(super) fn run(mut self, notices: &Receiver<PullNotice>) {
        loop {
            let answered = match notices.recv_timeout(self.schedule.pause(Instant::now())) {
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
            PullNotice::Tested(id) => self.schedule.watch(id, Instant::now()),
            PullNotice::Left(id) => self.schedule.leave(&id),
        }
    }

    fn look_at_due(&mut self) {
        let due = self.schedule.due(Instant::now());
        if due.is_empty() {
            return;
        }
        // The pauses of the config may be others by now. One with an error changes nothing.
        if let Ok(settings) = QueueSettings::load(&self.queue, self.settings.environment.clone()) {
            self.settings = settings;
        }
        for id in due {
            if self.is_ending.load(Ordering::SeqCst) || self.schedule.is_resting(Instant::now()) {
                return;
            }
            let mut etag = self.schedule.etag(&id);
            let look = self.try_look_at(&id, &mut etag).map(|look| (look, etag));
            let every = self.settings.shipping.pr_every;
            let Some(news) = self.schedule.looked(&id, look, every, Instant::now()) else {
                continue;
            };
            let has_moved = matches!(news, PullNews::Moved(_));
            self.say(news);
            if has_moved {
                (self.wake)();
            }
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
