//! Pull requests of jobs in testing/, beside the loop and never in its way: one thread opens those
//! that were begun, and asks about open ones. What a forge answers, or does not, reaches the loop
//! only as jobs that have moved.
//!
//! The thread is started for the first job that needs it. It keeps nothing: intents and open
//! requests are in the jobs' records.

mod schedule;
mod watcher;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use aq_ledger::RecordKey;
use aq_manifest::{JobId, ShipMode, Stage};
use aq_scheduler::JobState;

use crate::run::fleet::lease;
use crate::run::queue::train::ship_mode;
use crate::run::run_loop::context::{ListenerContext, LoopContext};
use crate::run::run_loop::event_source::WakeCause;
use crate::run::run_loop::loop_core::{LoopEvent, LoopNotice, LoopReport};
use crate::run::run_loop::progress::LoopProgress;
use crate::run::settings::QueueSettings;
use crate::store::JobRecord;
use watcher::{PullNews, PullNotice, PullWatcher};

/// Time for which a loop that ends waits for the request that is being opened. The next loop
/// completes it.
const LAST_CALL: Duration = Duration::from_secs(5);

/// The loop's side of the thread.
#[derive(Debug, Default)]
pub(super) struct PullListener {
    thread: Option<PullThread>,
    /// Notices that the thread has not answered yet.
    unanswered: usize,
}

#[derive(Debug)]
struct PullThread {
    to_watcher: Sender<PullNotice>,
    news: Receiver<PullNews>,
    is_ending: Arc<AtomicBool>,
    /// Nothing ever comes; it closes when the thread has ended.
    ended: Receiver<()>,
}

impl PullListener {
    /// Hears that a job has come to testing/, or left it.
    pub(super) fn hear(&mut self, notice: &LoopNotice, context: &mut LoopContext<'_>) {
        let LoopNotice::Job { id, before, after } = notice else { return };
        let is_tested = |state: &Option<JobState>| matches!(state, Some(JobState::Testing));
        if is_tested(after) && needs_pull(context, id) {
            self.send(PullNotice::Tested(id.clone()), context);
        } else if is_tested(before) && !is_tested(after) && self.thread.is_some() {
            self.send(PullNotice::Left(id.clone()), context);
        }
    }

    /// Takes in what the thread has done, and has the jobs looked at that it has moved.
    pub(super) fn woken(&mut self, at: &mut ListenerContext<'_, '_>) {
        for news in self.news() {
            if let PullNews::Moved(id) = &news {
                at.send(LoopEvent::JobTouched(id.clone()));
            }
            self.report(news, at.context);
        }
    }

    /// Tests whether every request that was to be opened is open, or could not be opened, and every
    /// open one was asked about. Nobody waits for people.
    pub(super) fn is_drained(&self) -> bool {
        self.unanswered == 0
    }

    /// Gives the thread a moment for what it is at.
    pub(super) fn finish(mut self, context: &mut LoopContext<'_>) {
        if let Some(thread) = &mut self.thread {
            thread.is_ending.store(true, Ordering::SeqCst);
            // The channel is closed by this.
            thread.to_watcher = channel().0;
            let _ = thread.ended.recv_timeout(LAST_CALL);
        }
        for news in self.news() {
            self.report(news, context);
        }
    }

    fn news(&self) -> Vec<PullNews> {
        self.thread.iter().flat_map(|thread| thread.news.try_iter()).collect()
    }

    fn report(&mut self, news: PullNews, context: &mut LoopContext<'_>) {
        match news {
            PullNews::Answered => self.unanswered = self.unanswered.saturating_sub(1),
            PullNews::Open { id, url } => {
                (context.observer)(LoopProgress::PullRequest { id: &id, url: &url });
            }
            PullNews::Moved(id) => {
                let stage = context.queue.find(&id).filter(|stage| stage.is_final());
                let record = stage.and_then(|stage| JobRecord::read(context.queue, stage, id).ok());
                if let Some(record) = record {
                    context.report(&LoopReport::Ended(Box::new(record)));
                }
            }
            PullNews::Trouble(why) => context.report_trouble(&why),
        }
    }

    fn send(&mut self, notice: PullNotice, context: &mut LoopContext<'_>) {
        if self.thread.is_none() {
            match start(context) {
                Ok(thread) => self.thread = Some(thread),
                Err(why) => {
                    let why = format!("pull requests are not looked at: {why}");
                    return context.report_trouble(&why);
                }
            }
        }
        // A thread that is gone answers nothing.
        if self.thread.as_ref().is_some_and(|thread| thread.to_watcher.send(notice).is_ok()) {
            self.unanswered += 1;
        }
    }
}

/// Tests for a job that is shipped by a pull request, and not by the loop.
fn is_by_pull(settings: &QueueSettings, record: &JobRecord) -> bool {
    let row = record.unchecked();
    row.has_pull_request() || ship_mode(row, settings) == ShipMode::Pr
}

/// Tests for a job whose request was begun, or that this loop is to ship by one.
fn needs_pull(context: &LoopContext<'_>, id: &JobId) -> bool {
    let Ok(record) = JobRecord::read(context.queue, Stage::Testing, id.clone()) else {
        return false;
    };
    if record.unchecked().has_pull_request() {
        return true;
    }
    context.options.ship
        && is_by_pull(&context.settings, &record)
        && lease(&record.meta).is_none()
        // A person decides about work that is not on the branch.
        && !record.meta.has(RecordKey::LeftOut)
}

fn start(context: &LoopContext<'_>) -> Result<PullThread, String> {
    let (to_watcher, notices) = channel();
    let (tell, news) = channel();
    let (alive, ended) = channel::<()>();
    let is_ending = Arc::new(AtomicBool::new(false));
    let settings = QueueSettings::load(context.queue, context.settings.environment.clone());
    let watcher = PullWatcher::new(
        context.queue.clone(),
        settings.map_err(|e| e.to_string())?,
        tell,
        Box::new(context.source.waker(WakeCause::ListenerNews)),
        is_ending.clone(),
    );
    let thread = std::thread::Builder::new().name("aq-forge".to_owned()).spawn(move || {
        let _alive = alive;
        watcher.run(&notices);
    });
    thread.map_err(|e| format!("cannot start a thread: {e}"))?;
    Ok(PullThread { to_watcher, news, is_ending, ended })
}
