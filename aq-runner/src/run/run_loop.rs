//! The run loop: it plans, starts workers and sleeps until something happens. It holds nothing
//! that is not on disk, so it can end at any moment.
//!
//! [`LoopCore`] decides: an event in, effects out, and nothing of the world. [`EffectPerformer`]
//! does the effects and sends the results as events; [`EventSource`] sends what wakes the loop. The
//! [`LoopListeners`] hear of the changes of jobs: without any of them the loop is the same.

mod clock;
mod context;
pub(crate) mod echo;
mod effects;
mod event_source;
pub(crate) mod folder_watch;
mod folders;
pub(crate) mod handle;
mod listeners;
mod lock;
mod loop_core;
pub(crate) mod options;
mod progress;
mod pulls;
pub(crate) mod replica;

use aq_scheduler::{HostLimits, SeenBy};
use jiff::Timestamp;

use crate::store::{QueueDir, remove_old_spares};

use super::host::ProbePolicy;
use super::host_capabilities;
use super::sandbox::cached_sandbox;
use super::settings::QueueSettings;
use crate::run::engines::sightings::note_engines;
use crate::run::queue::model::QueueModel;
use crate::run::queue::reading::read_host;
use crate::run::run_loop::options::RunOptions;
use context::{LoopContext, PendingWork, WorkList};
use effects::{EffectPerformer, keep_settings};
use event_source::EventSource;
pub(super) use event_source::{LoopStopper, WakeCause, WakeChannel};
pub use folders::LostPart;
use folders::QueueIdentity;
use listeners::LoopListeners;
pub(super) use lock::{LoopLock, become_the_loop};
pub(super) use loop_core::LoopNotice;
pub use loop_core::LoopSummary;
use loop_core::{LoopCore, LoopEffect, LoopEvent};
pub use progress::{LoopProgress, RunError};

/// Runs the loop until a signal ends it or, with `once`, until nothing more will happen by itself.
/// [`start`](super::start) gives it a thread and a handle.
///
/// # Errors
/// When it cannot start, or the queue's folders cannot be read any more.
pub fn run(
    queue: &QueueDir,
    settings: QueueSettings,
    options: &RunOptions,
    observer: &mut dyn FnMut(LoopProgress<'_>),
) -> Result<LoopSummary, RunError> {
    run_as(become_the_loop(queue, options)?, WakeChannel::new(), queue, settings, options, observer)
}

/// Runs the loop of a queue whose lock is taken.
pub(super) fn run_as(
    lock: LoopLock,
    channel: WakeChannel,
    queue: &QueueDir,
    settings: QueueSettings,
    options: &RunOptions,
    observer: &mut dyn FnMut(LoopProgress<'_>),
) -> Result<LoopSummary, RunError> {
    let identity = QueueIdentity::of(queue);
    if !lock.is_signed() {
        observer(LoopProgress::Trouble(
            "the disk is full: until there is room, nobody finds this loop, or can stop it",
        ));
    }
    keep_settings(queue, &settings, observer);
    // Watching starts before the first look, so that nothing falls between the two.
    let source = EventSource::new(queue, channel, options.take_signals)
        .map_err(|e| RunError::System("take signals", e))?;
    let limits = HostLimits { max: options.max, max_review: options.max_review };
    // First, since a program may turn out to be no engine.
    let capabilities =
        host_capabilities(Some(queue), &settings, ProbePolicy::AsNeeded, cached_sandbox(queue))
            .capabilities;
    // What was not noted is not missed later, and no more than that.
    let _ = note_engines(queue, &settings, SeenBy::RunLoop);
    let listeners = LoopListeners::new(queue, &settings)?;
    let tokens = capabilities.iter().cloned().collect();
    let host = read_host(queue, &settings, capabilities, limits, Timestamp::now());
    let context = LoopContext { queue, settings, options, observer, source };
    let mut run_loop = RunLoop {
        core: LoopCore::new(QueueModel::new(host), options.once),
        effects: EffectPerformer::new(lock, identity, context, listeners),
        work: WorkList::default(),
    };
    let joined = run_loop.effects.join(tokens, &mut run_loop.core);
    let result = joined.and_then(|found| {
        run_loop.work.put_first(found);
        run_loop.run()
    });
    run_loop.effects.leave(run_loop.core.summary());
    result
}

struct RunLoop<'a> {
    core: LoopCore,
    effects: EffectPerformer<'a>,
    work: WorkList,
}

impl RunLoop<'_> {
    fn run(&mut self) -> Result<LoopSummary, RunError> {
        self.work_off()?;
        let queue = self.effects.queue();
        let found = self.effects.begin()?;
        remove_old_spares(queue);
        self.work.put_first(found);
        self.work_off()?;
        self.effects.expect_all_folders()?;
        self.work.put_first(vec![LoopEffect::CheckHost]);
        loop {
            if let Some(summary) = self.work_off()? {
                return Ok(summary);
            }
            self.work.put_first(vec![LoopEvent::AllHandled]);
        }
    }

    /// Handles and does everything that is left, each piece with all that follows from it. Answers
    /// the result when the loop has ended.
    fn work_off(&mut self) -> Result<Option<LoopSummary>, RunError> {
        while let Some(work) = self.work.next() {
            let mut follows = Vec::new();
            match work {
                PendingWork::Event(event) => {
                    let effects = self.core.handle(event, Timestamp::now());
                    self.work.put_first(effects);
                }
                PendingWork::LoopEffect(LoopEffect::End(summary)) => return Ok(Some(summary)),
                PendingWork::LoopEffect(effect) => {
                    self.effects.perform(effect, &self.core, &mut follows)?;
                }
                PendingWork::Wake(cause) => self.effects.wake(cause, &self.core, &mut follows)?,
            }
            self.work.put_first(follows);
        }
        Ok(None)
    }
}
