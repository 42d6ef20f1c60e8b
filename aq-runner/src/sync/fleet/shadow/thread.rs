//! The thread that compares, and the loop's end of it.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aq_fleet::client::{CallError, CoordinatorClient};
use aq_fleet::protocol::{FleetJobId, ShadowVerdict, WaitReason};
use aq_fleet::shadow::{
    ComparisonLine, DryClaimAnswer, ShadowComparison, ShadowReason, SnapshotId, compare,
};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::asking::{DryPick, ShadowConversation, ShadowSettings};
use super::decision::{ShadowDecision, ShadowQuestion};
use super::log_file::append;
use super::mirror::CoordinatorMirror;

/// Maximum of decisions that may wait for their turn.
const WAITING: usize = 256;

/// Number of jobs that this host does not have which are taken out of its mirror for one decision.
const STRANGERS: usize = 20;

/// It parses job files, and sends them.
const STACK: usize = 2 << 20;

/// A decision whose last call had less time than this when all ended is left out: that says nothing
/// of the coordinator.
const FAIR: Duration = Duration::from_secs(1);

/// The thread, from the loop. `T` is what the loop hands over for one decision.
#[derive(Debug)]
pub struct ShadowThread<T> {
    /// `None` once it has ended.
    sender: Option<SyncSender<T>>,
    shared: Arc<ShadowShared>,
    log: ShadowSettings,
}

#[derive(Debug, Default)]
struct ShadowShared {
    state: Mutex<ShadowState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct ShadowState {
    /// Things that wait for their turn, the one whose turn it is included.
    waiting: usize,
    /// The decision whose turn it is.
    current: Option<CurrentDecision>,
    /// Nothing more is written.
    ended: bool,
}

#[derive(Debug)]
struct CurrentDecision {
    at: Timestamp,
    local: Option<String>,
    snapshot: SnapshotId,
    /// When it began, or when the coordinator answered last.
    since: Instant,
}

/// The state of the thread.
struct ComparerThread<D, R> {
    shared: Arc<ShadowShared>,
    describe: D,
    read: R,
    tell: Box<dyn Fn(String) + Send>,
    asking: ShadowConversation,
    mirror: CoordinatorMirror,
    /// The last comparison in which the host picked nothing: the same again says nothing new.
    idle: Option<(SnapshotId, Vec<String>)>,
    log_failed: bool,
}

impl<T: Send + 'static> ShadowThread<T> {
    /// Starts the thread. `describe` makes a decision of what the loop hands over, in the same
    /// order and on the thread; `read` gives the text of a job's file, wherever it is; `tell`
    /// takes what a person should know.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        client: &CoordinatorClient,
        settings: ShadowSettings,
        describe: impl FnMut(T) -> Option<ShadowDecision> + Send + 'static,
        read: impl Fn(&JobId) -> Option<String> + Send + 'static,
        tell: impl Fn(String) + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let shared = Arc::new(ShadowShared::default());
        let answered = {
            let shared = shared.clone();
            move || shared.answered()
        };
        let comparer = ComparerThread {
            shared: shared.clone(),
            describe,
            read,
            tell: Box::new(tell),
            asking: ShadowConversation::new(client.clone(), settings.clone(), answered),
            mirror: CoordinatorMirror::default(),
            idle: None,
            log_failed: false,
        };
        std::thread::Builder::new()
            .name("aq-shadow".to_owned())
            .stack_size(STACK)
            .spawn(move || comparer.work(&receiver))?;
        Ok(Self { sender: Some(sender), shared, log: settings })
    }

    /// Hands something over, without waiting.
    ///
    /// # Errors
    /// Gives it back when too much waits already.
    pub fn offer(&self, item: T) -> Result<(), T> {
        let Some(sender) = &self.sender else { return Err(item) };
        self.shared.lock().waiting += 1;
        sender.try_send(item).map_err(|e| {
            self.shared.lock().waiting -= 1;
            match e {
                TrySendError::Full(item) | TrySendError::Disconnected(item) => item,
            }
        })
    }

    /// Ends it. What waits is compared, for as long as `patience`; a decision whose turn it is
    /// then, and that has waited for an answer for a while, has had none in time. Answers how many
    /// others there were.
    pub fn finish(mut self, patience: Duration) -> usize {
        self.sender = None;
        let until = Instant::now() + patience;
        let mut state = self.shared.lock();
        while state.waiting > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.map_or_else(|e| e.into_inner().0, |(state, _)| state);
        }
        state.ended = true;
        let current = state.current.take();
        if let Some(current) = current.filter(|current| current.since.elapsed() >= FAIR) {
            state.waiting -= 1;
            // One line the less in a log is all that can go wrong.
            let _ = append(&self.log.log, &current.unanswered());
        }
        state.waiting
    }
}

impl<T> Drop for ShadowThread<T> {
    fn drop(&mut self) {
        // A thread that is in the middle of a call ends after it; nobody waits for that.
        self.shared.lock().ended = true;
    }
}

impl ShadowShared {
    fn lock(&self) -> MutexGuard<'_, ShadowState> {
        // Whoever panicked with the lock left values that are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self) {
        if let Some(current) = &mut self.lock().current {
            current.since = Instant::now();
        }
    }
}

impl CurrentDecision {
    fn unanswered(self) -> ComparisonLine {
        let reason = Some(ShadowReason::Unreachable);
        let comparison = ShadowComparison {
            verdict: ShadowVerdict::Error,
            local: self.local,
            coord: None,
            reason,
        };
        ComparisonLine::new(self.at, comparison, millis(self.since.elapsed()), self.snapshot)
    }
}

impl<D, R: Fn(&JobId) -> Option<String>> ComparerThread<D, R> {
    fn work<T>(mut self, items: &Receiver<T>)
    where
        D: FnMut(T) -> Option<ShadowDecision>,
    {
        for item in items {
            if self.shared.lock().ended {
                return;
            }
            if let Some(decision) = (self.describe)(item) {
                self.decided(decision);
            }
            let mut state = self.shared.lock();
            if state.ended {
                return;
            }
            state.waiting -= 1;
            drop(state);
            self.shared.changed.notify_all();
        }
    }

    fn decided(&mut self, decision: ShadowDecision) {
        let ShadowDecision { originals, question } = decision;
        let Some(mut question) = question else {
            // With the next decision it is sent again.
            let _ = self
                .asking
                .begin()
                .and_then(|()| self.mirror.follow(&mut self.asking, &originals, &self.read));
            return;
        };
        let snapshot = question.snapshot.id();
        let idle = question.local.is_none().then(|| (snapshot, question.held_locks.clone()));
        if idle.is_some() && idle == self.idle {
            return;
        }
        self.shared.lock().current = Some(CurrentDecision {
            at: question.at,
            local: question.local.clone(),
            snapshot,
            since: Instant::now(),
        });
        let mut latency = Duration::ZERO;
        let picked = self.asking.begin().and_then(|()| {
            self.mirror.follow(&mut self.asking, &originals, &self.read)?;
            self.pick(&mut question, &mut latency)
        });
        let picked = picked
            .unwrap_or_else(|why| DryPick { answered: DryClaimAnswer::from(&why), job: None });
        let comparison = compare(&question.snapshot, question.local.as_deref(), &picked.answered);
        self.idle = idle.filter(|_| comparison.verdict != ShadowVerdict::Error);
        let verdict = comparison.verdict;
        let line = ComparisonLine::new(question.at, comparison, millis(latency), snapshot);
        if self.write(&line) {
            self.say(&question, &picked, verdict);
        }
    }

    /// Asks, and asks again when the answer was about jobs that this host does not have: an earlier
    /// loop mirrored them, and could not say any more that they went.
    fn pick(
        &mut self,
        question: &mut ShadowQuestion,
        latency: &mut Duration,
    ) -> Result<DryPick, CallError> {
        for job in &mut question.snapshot.jobs {
            job.mirrored = self.mirror.get(&job.key).is_some();
        }
        for turn in 1.. {
            let begun = self.asking.now();
            let mut picked = self.asking.pick(&question.held_locks)?;
            *latency = self.asking.now().saturating_sub(begun);
            match self.stranger(question, &mut picked)? {
                Some(job) if turn < STRANGERS => self.asking.report(job, Stage::Failed, None)?,
                _ => return Ok(picked),
            }
        }
        unreachable!("the last turn returns")
    }

    /// The job that is in the way of the host's pick without being one of the host's. Why the
    /// pick waits is added to the answer.
    fn stranger(
        &mut self,
        question: &ShadowQuestion,
        picked: &mut DryPick,
    ) -> Result<Option<FleetJobId>, CallError> {
        match &picked.answered {
            DryClaimAnswer::Failed(_) => return Ok(None),
            DryClaimAnswer::Job { key } if question.local.as_ref() == Some(key) => return Ok(None),
            DryClaimAnswer::Job { key } if self.mirror.get(key).is_none() => {
                return Ok(picked.job.filter(|&job| !self.mirror.has(job)));
            }
            DryClaimAnswer::Job { .. } | DryClaimAnswer::Nothing { .. } => {}
        }
        let mirror = question.local.as_deref().and_then(|key| self.mirror.get(key));
        let Some(job) = mirror else { return Ok(None) };
        let view = match self.asking.call(|client| client.job(job)) {
            Ok(view) => view,
            Err(CallError::Refused(problem)) if problem.status == 404 => {
                // It has another database than it had: all is to be sent again.
                self.mirror.forget_all();
                return Err(CallError::Refused(problem));
            }
            // That the picks differ is known all the same.
            Err(_) => return Ok(None),
        };
        let why = view.waits().map(|given| given.reason);
        let holder = match &why {
            Some(WaitReason::LockHeld { job }) => job.as_str().parse().ok(),
            _ => None,
        };
        if let DryClaimAnswer::Nothing { waiting } = &mut picked.answered {
            *waiting = why;
        }
        Ok(holder.filter(|&holder| !self.mirror.has(holder)))
    }

    /// Reports the result of the comparison to the coordinator, for its statistics.
    fn say(&mut self, question: &ShadowQuestion, picked: &DryPick, verdict: ShadowVerdict) {
        let told = match &question.local {
            // The host has started it by now.
            Some(key) => self.mirror.get(key).map(|job| (key, job, Stage::Building)),
            None => match &picked.answered {
                DryClaimAnswer::Job { key } => {
                    self.mirror.get(key).map(|job| (key, job, Stage::Inbox))
                }
                DryClaimAnswer::Nothing { .. } | DryClaimAnswer::Failed(_) => None,
            },
        };
        let Some((key, job, stage)) = told else { return };
        if self.asking.report(job, stage, Some(verdict)).is_ok() {
            self.mirror.told(key, stage);
        }
    }

    /// Writes a line. `false`: all has ended meanwhile, and this decision was written without its
    /// answer.
    fn write(&mut self, line: &ComparisonLine) -> bool {
        let mut state = self.shared.lock();
        if state.ended || state.current.take().is_none() {
            return false;
        }
        let written = append(&self.asking.settings.log, line);
        drop(state);
        if let Err(e) = &written
            && !self.log_failed
        {
            let path = self.asking.settings.log.display();
            (self.tell)(format!("cannot write {path}: {e}"));
        }
        self.log_failed = written.is_err();
        true
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
