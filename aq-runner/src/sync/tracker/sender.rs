//! Telling what waits: in order for each job, and with pauses for a tracker that is not well.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

use aq_manifest::{JobId, Stage};
use aq_tracker::{ItemId, Kind, Retry, StatusMap, Tracker, TrackerError, mapping};

use super::outbox::{Outbox, Told};

/// The first pause after a failure; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Makes the tracker of a kind.
pub(crate) type Connect = Box<dyn Fn(Kind) -> Result<Box<dyn Tracker>, TrackerError> + Send>;

/// Sends what waits in an outbox.
pub(crate) struct Sender {
    outbox: Outbox,
    statuses: StatusMap,
    connect: Connect,
    made: BTreeMap<Kind, Box<dyn Tracker>>,
    rests: BTreeMap<Kind, Rest>,
    waiting: BTreeSet<JobId>,
}

/// A tracker that is left alone for a while.
#[derive(Clone, Copy, Debug)]
struct Rest {
    failures: u32,
    until: Instant,
}

/// What came of a try, for whoever logs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// The tracker knows it.
    Told(JobId),
    /// It will never know this.
    Dropped(JobId, Stage, String),
    /// The tracker is left alone for so long.
    Rests(Duration, String),
    /// The outbox cannot be used.
    Broken(String),
}

impl Sender {
    pub(crate) fn new(outbox: Outbox, statuses: StatusMap, connect: Connect) -> Self {
        Self {
            outbox,
            statuses,
            connect,
            made: BTreeMap::new(),
            rests: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Notes that something of this job waits in the outbox.
    pub(crate) fn add(&mut self, job: JobId) {
        self.waiting.insert(job);
    }

    /// Tells all that may be told now.
    pub(crate) fn send(&mut self, happened: &mut dyn FnMut(Happened)) {
        for job in self.waiting.clone() {
            match self.send_job(&job, happened) {
                Ok(true) => {
                    self.waiting.remove(&job);
                }
                Ok(false) => {}
                Err(e) => {
                    happened(Happened::Broken(e.to_string()));
                    return;
                }
            }
        }
    }

    /// How long until something can be told; `None`: nothing waits.
    pub(crate) fn pause(&self, now: Instant) -> Option<Duration> {
        if self.waiting.is_empty() {
            return None;
        }
        // A job whose tracker does not rest would have been told.
        let ends = self.rests.values().map(|rest| rest.until.saturating_duration_since(now));
        Some(ends.filter(|left| !left.is_zero()).min().unwrap_or(FIRST_PAUSE))
    }

    /// Tells what waits of one job. `true`: nothing is left.
    fn send_job(&mut self, job: &JobId, happened: &mut dyn FnMut(Happened)) -> io::Result<bool> {
        loop {
            let _talk = self.outbox.lock_talk()?;
            let Some(told) = self.outbox.read(job) else { return Ok(true) };
            let Some(echo) = told.waiting.first().cloned() else { return Ok(true) };
            let id: Result<ItemId, _> = told.item.parse();
            let kind = id.as_ref().map_or(Kind::Items, ItemId::kind);
            if self.rests.get(&kind).is_some_and(|rest| Instant::now() < rest.until) {
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
                    self.rests.remove(&kind);
                    self.outbox.change(job, |told| {
                        told.done(&echo);
                        told.echoed = Some(echo.stage.folder().to_owned());
                        told.comment = comment;
                        told.problem = None;
                    })?;
                    happened(Happened::Told(job.clone()));
                }
                Err(e) => {
                    let (why, retry) = (e.to_string(), e.retry());
                    self.outbox.change(job, |told| {
                        told.problem = Some(why.clone());
                        if retry == Retry::Never {
                            told.done(&echo);
                        }
                    })?;
                    if let Retry::Later(named) = retry {
                        happened(Happened::Rests(self.rest(kind, named), why));
                        return Ok(false);
                    }
                    happened(Happened::Dropped(job.clone(), echo.stage, why));
                }
            }
        }
    }

    fn tell(
        &mut self,
        id: &ItemId,
        kind: Kind,
        update: &aq_tracker::Update,
        told: &Told,
    ) -> Result<Option<String>, TrackerError> {
        if !self.made.contains_key(&kind) {
            self.made.insert(kind, (self.connect)(kind)?);
        }
        self.made[&kind].echo(id, update, told.comment.as_deref())
    }

    fn rest(&mut self, kind: Kind, named: Option<Duration>) -> Duration {
        let failures = self.rests.get(&kind).map_or(0, |rest| rest.failures);
        let growing = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
        let pause = named.unwrap_or(Duration::ZERO).max(growing);
        let rest = Rest { failures: failures.saturating_add(1), until: Instant::now() + pause };
        self.rests.insert(kind, rest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use aq_tracker::{Echo, Item, Update};

    use super::*;

    type Answers = VecDeque<Result<Option<String>, TrackerError>>;

    /// What was told, and what is answered; when there is no answer left, all is well.
    #[derive(Clone, Default)]
    struct Fake {
        told: Arc<Mutex<Vec<String>>>,
        answers: Arc<Mutex<Answers>>,
    }

    impl Tracker for Fake {
        fn item(&self, _: &ItemId) -> Result<Item, TrackerError> {
            panic!("nothing is read here");
        }

        fn echo(
            &self,
            id: &ItemId,
            update: &Update,
            comment: Option<&str>,
        ) -> Result<Option<String>, TrackerError> {
            let line = format!("{id} {} {}", update.stage, comment.unwrap_or("-"));
            self.told.lock().unwrap().push(line);
            self.answers.lock().unwrap().pop_front().unwrap_or(Ok(Some("c1".to_owned())))
        }
    }

    struct Lab {
        _dir: tempfile::TempDir,
        outbox: Outbox,
        fake: Fake,
        sender: Sender,
    }

    fn lab(answers: impl IntoIterator<Item = Result<Option<String>, TrackerError>>) -> Lab {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::new(dir.path().join("tracker"));
        let fake = Fake::default();
        fake.answers.lock().unwrap().extend(answers);
        let sender = sender(&outbox, &fake);
        Lab { _dir: dir, outbox, fake, sender }
    }

    fn sender(outbox: &Outbox, fake: &Fake) -> Sender {
        let fake = fake.clone();
        let connect: Connect = Box::new(move |_| Ok(Box::new(fake.clone())));
        Sender::new(outbox.clone(), StatusMap::default(), connect)
    }

    fn job(name: &str) -> JobId {
        name.parse().unwrap()
    }

    impl Lab {
        fn put(&mut self, name: &str, item: &str, stages: &[Stage]) {
            let lock = self.outbox.lock().unwrap();
            let mut told = Told { item: item.to_owned(), ..Told::default() };
            let echoes = stages.iter().map(|&stage| Echo::read(stage, |_| None));
            told.note(echoes, &StatusMap::default());
            self.outbox.write(&lock, &job(name), &told).unwrap();
            self.sender.add(job(name));
        }

        fn send(&mut self) -> Vec<Happened> {
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
    fn a_job_is_told_in_order_and_with_its_comment() {
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
    fn a_tracker_that_is_down_is_left_alone_and_told_the_rest_after_a_restart() {
        let mut lab = lab([Ok(None), Err(down())]);
        lab.put("a", "X", &[Stage::Building, Stage::Review]);
        lab.put("b", "Y", &[Stage::Building]);
        assert!(matches!(&lab.send()[..], [Happened::Told(..), Happened::Rests(..)]));
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
    fn what_is_refused_is_dropped_and_what_follows_is_told() {
        let gone = TrackerError::NotFound { who: "it", item: "X".to_owned() };
        let mut lab = lab([Err(gone)]);
        lab.put("a", "X", &[Stage::Building, Stage::Failed]);
        lab.put("b", "github:nonsense", &[Stage::Building]);
        let happened = lab.send();
        assert!(
            matches!(
                &happened[..],
                [Happened::Dropped(..), Happened::Told(..), Happened::Dropped(..)]
            ),
            "{happened:?}"
        );
        assert_eq!(lab.told(), ["X building -", "X failed -"]);
    }

    #[test]
    fn pauses_grow_and_a_named_one_holds() {
        let mut lab = lab([]);
        let mut pauses = |named| lab.sender.rest(Kind::Items, named).as_secs();
        assert_eq!([pauses(None), pauses(None), pauses(Some(Duration::from_secs(60)))], [1, 2, 60]);
        for _ in 0..100 {
            assert!(pauses(None) <= 300);
        }
    }
}
