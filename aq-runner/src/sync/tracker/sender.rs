//! Telling what waits: in order for each job, and with pauses for a tracker that is not well.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

use aq_manifest::{JobId, Stage};
use aq_tracker::{
    ItemId, RetryAdvice, StatusMap, Tracker, TrackerError, TrackerKind, Trackers, mapping,
};

use super::outbox::{JobUpdates, UpdateOutbox};
use super::pauses::{DeliveryPauses, FIRST_PAUSE};

/// Sends what waits in an outbox.
pub(crate) struct OutboxSender {
    outbox: UpdateOutbox,
    statuses: StatusMap,
    trackers: Trackers,
    made: BTreeMap<TrackerKind, Box<dyn Tracker>>,
    pauses: DeliveryPauses,
    waiting: BTreeSet<JobId>,
}

/// Result of a try, for whoever logs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SendResult {
    /// The tracker knows it.
    Told(JobId),
    /// It will never know this.
    Dropped(JobId, Stage, String),
    /// This job is tried again after so long; others go on.
    Delayed(JobId, Duration, String),
    /// The tracker is left alone for so long.
    Rests(Duration, String),
    /// The outbox cannot be used.
    Broken(String),
}

impl OutboxSender {
    pub(crate) fn new(outbox: UpdateOutbox, statuses: StatusMap, trackers: Trackers) -> Self {
        Self {
            outbox,
            statuses,
            trackers,
            made: BTreeMap::new(),
            pauses: DeliveryPauses::default(),
            waiting: BTreeSet::new(),
        }
    }

    /// Notes that something of this job waits in the outbox.
    pub(crate) fn add(&mut self, job: JobId) {
        self.waiting.insert(job);
    }

    /// Sends all that may be sent now.
    pub(crate) fn send(&mut self, happened: &mut dyn FnMut(SendResult)) {
        for job in self.pauses.in_order(&self.waiting) {
            match self.send_job(&job, happened) {
                Ok(true) => {
                    self.waiting.remove(&job);
                    self.pauses.forget(&job);
                }
                Ok(false) => {}
                Err(e) => {
                    happened(SendResult::Broken(e.to_string()));
                    return;
                }
            }
        }
    }

    /// Returns the pause until something can be sent; `None`: nothing waits.
    pub(crate) fn pause(&self, now: Instant) -> Option<Duration> {
        if self.waiting.is_empty() {
            return None;
        }
        // A job that no pause holds would have been sent.
        Some(self.pauses.next_end(now).unwrap_or(FIRST_PAUSE))
    }

    /// Sends what waits of one job. `true`: nothing is left.
    fn send_job(&mut self, job: &JobId, happened: &mut dyn FnMut(SendResult)) -> io::Result<bool> {
        loop {
            let _talk = self.outbox.lock_talk()?;
            let Some(told) = self.outbox.read(job) else { return Ok(true) };
            let Some(echo) = told.waiting.first().cloned() else { return Ok(true) };
            let id: Result<ItemId, _> = told.item.parse();
            let kind = id.as_ref().map_or(TrackerKind::Items, |id| self.trackers.kind(id));
            if self.pauses.holds(kind, job) {
                return Ok(false);
            }
            let result = match (&id, mapping::update(&echo, &self.statuses)) {
                (Ok(id), Some(update)) => self.tell(id, kind, &update, &told),
                (Err(e), _) => {
                    Err(TrackerError::Refused { who: kind.name(), detail: e.to_string() })
                }
                // The settings have changed since.
                (Ok(_), None) => Ok(told.comment.clone()),
            };
            match result {
                Ok(comment) => {
                    self.pauses.succeeded(kind, job);
                    self.outbox.change(job, |told| {
                        told.done(&echo);
                        told.echoed = Some(echo.stage.folder().to_owned());
                        told.comment = comment;
                        told.problem = None;
                    })?;
                    happened(SendResult::Told(job.clone()));
                }
                Err(e) => {
                    let (why, retry) = (e.to_string(), e.retry());
                    let is_known = told.problem.as_ref() == Some(&why);
                    self.outbox.change(job, |told| {
                        told.problem = Some(why.clone());
                        if retry == RetryAdvice::Never {
                            told.done(&echo);
                        }
                    })?;
                    match retry {
                        RetryAdvice::Never => {
                            happened(SendResult::Dropped(job.clone(), echo.stage, why));
                        }
                        RetryAdvice::ItemLater => {
                            let (pause, rest) = self.pauses.job_failed(kind, job);
                            match rest {
                                Some(rest) => happened(SendResult::Rests(rest, why)),
                                // Said once until it changes: it may last.
                                None if is_known => {}
                                None => happened(SendResult::Delayed(job.clone(), pause, why)),
                            }
                            return Ok(false);
                        }
                        RetryAdvice::Later(named) => {
                            let rest = self.pauses.tracker_failed(kind, named);
                            happened(SendResult::Rests(rest, why));
                            return Ok(false);
                        }
                    }
                }
            }
        }
    }

    fn tell(
        &mut self,
        id: &ItemId,
        kind: TrackerKind,
        update: &aq_tracker::RenderedUpdate,
        told: &JobUpdates,
    ) -> Result<Option<String>, TrackerError> {
        if !self.made.contains_key(&kind) {
            self.made.insert(kind, self.trackers.tracker(kind)?);
        }
        self.made[&kind].echo(id, update, told.comment.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use aq_tracker::{OwnTrackers, RenderedUpdate, TrackerItem, TrackerUpdate};

    use super::*;

    type Answers = VecDeque<Result<Option<String>, TrackerError>>;

    /// The updates that were sent, and the answers; when there is no answer left, all is well.
    #[derive(Clone, Default)]
    struct FakeSender {
        told: Arc<Mutex<Vec<String>>>,
        answers: Arc<Mutex<Answers>>,
    }

    impl Tracker for FakeSender {
        fn item(&self, _: &ItemId) -> Result<TrackerItem, TrackerError> {
            panic!("nothing is read here");
        }

        fn echo(
            &self,
            id: &ItemId,
            update: &RenderedUpdate,
            comment: Option<&str>,
        ) -> Result<Option<String>, TrackerError> {
            let line = format!("{id} {} {}", update.stage, comment.unwrap_or("-"));
            self.told.lock().unwrap().push(line);
            self.answers.lock().unwrap().pop_front().unwrap_or(Ok(Some("c1".to_owned())))
        }
    }

    struct SenderLab {
        _dir: tempfile::TempDir,
        outbox: UpdateOutbox,
        fake: FakeSender,
        sender: OutboxSender,
    }

    fn lab(answers: impl IntoIterator<Item = Result<Option<String>, TrackerError>>) -> SenderLab {
        let dir = tempfile::tempdir().unwrap();
        let outbox = UpdateOutbox::new(dir.path().join("tracker"));
        let fake = FakeSender::default();
        fake.answers.lock().unwrap().extend(answers);
        let sender = sender(&outbox, &fake);
        SenderLab { _dir: dir, outbox, fake, sender }
    }

    fn sender(outbox: &UpdateOutbox, fake: &FakeSender) -> OutboxSender {
        let own = [TrackerKind::Items, TrackerKind::GitHub].into_iter().fold(
            OwnTrackers::default(),
            |own, kind| {
                let fake = fake.clone();
                own.with(kind, move || Ok(Box::new(fake.clone())))
            },
        );
        OutboxSender::new(outbox.clone(), StatusMap::default(), Trackers::new(|_| None).with(own))
    }

    fn job(name: &str) -> JobId {
        name.parse().unwrap()
    }

    impl SenderLab {
        fn put(&mut self, name: &str, item: &str, stages: &[Stage]) {
            let lock = self.outbox.lock().unwrap();
            let mut told = JobUpdates { item: item.to_owned(), ..JobUpdates::default() };
            let echoes = stages.iter().map(|&stage| TrackerUpdate::read(stage, |_| None));
            told.note(echoes, &StatusMap::default());
            self.outbox.write(&lock, &job(name), &told).unwrap();
            self.sender.add(job(name));
        }

        fn send(&mut self) -> Vec<SendResult> {
            let mut happened = Vec::new();
            self.sender.send(&mut |what| happened.push(what));
            happened
        }

        fn told(&self) -> Vec<String> {
            self.fake.told.lock().unwrap().clone()
        }
    }

    fn down() -> TrackerError {
        TrackerError::Unavailable { who: "it", detail: "down".to_owned() }
    }

    #[test]
    fn updates_keep_order_and_comment() {
        let mut lab = lab([]);
        lab.put("a", "X", &[Stage::Building, Stage::Review, Stage::Testing]);
        let happened = lab.send();
        assert_eq!(lab.told(), ["X building -", "X review c1", "X testing c1"]);
        assert_eq!(happened.len(), 3);
        assert_eq!(lab.sender.pause(Instant::now()), None);
        let told = lab.outbox.read(&job("a")).unwrap();
        assert_eq!(told.echoed.as_deref(), Some("testing"));
        assert!(lab.send().is_empty(), "nothing is told twice");
    }

    #[test]
    fn updates_outlast_a_restart() {
        let mut lab = lab([Ok(None), Err(down())]);
        lab.put("a", "X", &[Stage::Building, Stage::Review]);
        lab.put("b", "Y", &[Stage::Building]);
        assert!(matches!(&lab.send()[..], [SendResult::Told(..), SendResult::Rests(..)]));
        assert!(lab.send().is_empty(), "it rests");
        assert!(lab.sender.pause(Instant::now()).is_some());
        assert_eq!(lab.told(), ["X building -", "X review -"]);
        // Another process, with the same files.
        lab.sender = sender(&lab.outbox, &lab.fake);
        for job in lab.outbox.jobs() {
            lab.sender.add(job);
        }
        lab.send();
        assert_eq!(lab.told()[2..], ["X review -", "Y building -"]);
    }

    #[test]
    fn one_tracker_does_not_hold_up_the_other() {
        let mut lab = lab([Err(down())]);
        lab.put("a", "X", &[Stage::Building]);
        lab.put("b", "github:o/r#1", &[Stage::Building]);
        lab.send();
        assert_eq!(lab.told(), ["X building -", "github:o/r#1 building -"]);
    }

    #[test]
    fn refused_update_blocks_no_other() {
        let gone = TrackerError::NotFound { who: "it", item: "X".to_owned() };
        let mut lab = lab([Err(gone)]);
        lab.put("a", "X", &[Stage::Building, Stage::Failed]);
        lab.put("b", "github:nonsense", &[Stage::Building]);
        let happened = lab.send();
        assert!(
            matches!(
                &happened[..],
                [SendResult::Dropped(..), SendResult::Told(..), SendResult::Dropped(..)]
            ),
            "{happened:?}"
        );
        assert_eq!(lab.told(), ["X building -", "X failed -"]);
    }

    #[test]
    fn a_locked_issue_does_not_silence_others() {
        let locked = || TrackerError::Forbidden {
            who: "it",
            item: "X".to_owned(),
            variable: "T",
            detail: "issue is locked".to_owned(),
        };
        let broken = || TrackerError::Failed { who: "it", detail: "status 500".to_owned() };
        let mut lab = lab([Err(locked()), Err(broken())]);
        lab.put("a", "github:o/r#1", &[Stage::Building, Stage::Failed]);
        lab.put("b", "github:o/r#2", &[Stage::Building]);
        lab.put("c", "github:o/r#3", &[Stage::Building, Stage::Failed]);
        let happened = lab.send();
        assert!(
            matches!(
                &happened[..],
                [
                    SendResult::Delayed(..),
                    SendResult::Delayed(..),
                    SendResult::Told(_),
                    SendResult::Told(_)
                ]
            ),
            "{happened:?}"
        );
        // The order of one item's steps holds.
        assert_eq!(lab.told()[0], "github:o/r#1 building -");
        assert_eq!(lab.told()[2..], ["github:o/r#3 building -", "github:o/r#3 failed c1"]);
        let told = lab.outbox.read(&job("a")).unwrap();
        assert!(told.problem.unwrap().contains("issue is locked"));
        assert_eq!(told.waiting.len(), 2);
        assert!(lab.sender.pause(Instant::now()).is_some_and(|pause| pause <= FIRST_PAUSE));
    }
}
