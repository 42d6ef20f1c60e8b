//! After each decision: what it was made from is handed to a thread that compares it with what the
//! coordinator would have decided.

use std::time::Duration;

use aq_caps::CapabilityToken;
use aq_fleet::client::CoordinatorClient;
use aq_manifest::JobId;
use jiff::Timestamp;

use crate::run::fleet::{FleetSettings, FleetSettingsError};
use crate::run::queue::change::QueueChange;
use crate::run::run_loop::context::{ListenerContext, LoopContext};
use crate::run::run_loop::loop_core::{LoopCore, LoopNotice};
use crate::run::run_loop::progress::{LoopProgress, RunError};
use crate::run::run_loop::replica::{LoopDecision, LoopHandover, QueueReplica};
use crate::store::QueueDir;
use crate::sync::fleet::{ShadowSettings, ShadowThread, shadow_log};

/// How many changes are kept for the next decision before they are handed over without one.
const MANY: usize = 1000;

/// How long a loop that has nothing more to do waits for the comparisons that are left.
const PATIENCE: Duration = Duration::from_secs(2);

/// The comparison, from the loop.
pub(super) struct ShadowWatch {
    thread: ShadowThread<LoopHandover>,
    /// The changes since the last decision that was handed over.
    changes: Vec<QueueChange>,
    /// Decisions that were not handed over, because too many waited.
    dropped: usize,
}

impl ShadowWatch {
    /// Starts to compare.
    pub(super) fn start(
        settings: &FleetSettings,
        client: &CoordinatorClient,
        capabilities: Vec<CapabilityToken>,
        core: &mut LoopCore,
        queue: &QueueDir,
        tell: impl Fn(String) + Send + 'static,
    ) -> Result<Self, RunError> {
        let shadow = settings.factory.shadow().map_err(FleetSettingsError::from)?;
        let factory = settings.factory.clone();
        let log = shadow_log(&queue.state());
        let (second, host) = core.follow();
        let mut replica = QueueReplica::new(second, host);
        let queue = queue.clone();
        let thread = ShadowThread::start(
            client,
            ShadowSettings { factory, shadow, capabilities, log },
            move |handed| replica.take(handed),
            move |id| job_text(&queue, id),
            tell,
        )
        .map_err(|e| RunError::System("start the thread of the shadow", e))?;
        Ok(Self { thread, changes: Vec::new(), dropped: 0 })
    }

    /// Hears of a change in the loop.
    pub(super) fn hear(&mut self, notice: LoopNotice, at: &ListenerContext<'_, '_>) {
        match notice {
            LoopNotice::Queue(change) => self.changes.push(change),
            // The change comes after this.
            LoopNotice::Started(id) => _ = self.hand_over(Some(Some(id))),
            LoopNotice::Idle => self.idle(at),
            LoopNotice::Job { .. }
            | LoopNotice::FoldersChanged
            | LoopNotice::Woken
            | LoopNotice::ClockSetBack => {}
        }
    }

    /// There is nothing more to start. That is a decision, too, when there is a slot and a job that
    /// waits.
    fn idle(&mut self, at: &ListenerContext<'_, '_>) {
        if self.changes.is_empty() {
            return;
        }
        let (counts, options) = (at.core.counts(), at.context.options);
        let review_full = options.max_review.is_some_and(|max| counts.review >= max);
        let has_slot = counts.running < options.max && !review_full;
        if has_slot && counts.waiting > 0 {
            self.hand_over(Some(None));
        } else if self.changes.len() > MANY {
            self.hand_over(None);
        }
    }

    /// The last comparisons, and how all jobs stand in the end.
    pub(super) fn finish(mut self, is_cut_short: bool, context: &mut LoopContext<'_>) {
        let is_last_told = self.hand_over(None);
        let patience = if is_cut_short { Duration::ZERO } else { PATIENCE };
        let left = self.thread.finish(patience);
        // What was handed over last is no decision.
        let missed = self.dropped + left.saturating_sub(usize::from(is_last_told));
        if missed > 0 {
            let words =
                format!("{missed} decisions were not compared: the coordinator is too slow");
            (context.observer)(LoopProgress::Fleet(&words));
        }
    }

    /// Hands over what has changed, and the decision: the job that was started, or none. It never
    /// waits. `false`: too much waits already.
    fn hand_over(&mut self, decided: Option<Option<JobId>>) -> bool {
        let asked = decided.map(|started| LoopDecision { at: Timestamp::now(), started });
        let is_decision = asked.is_some();
        let handed = LoopHandover { changes: std::mem::take(&mut self.changes), asked };
        if let Err(handed) = self.thread.offer(handed) {
            // What has changed goes with the next one.
            self.changes = handed.changes;
            self.dropped += usize::from(is_decision);
            return false;
        }
        true
    }
}

/// The text of a job's file, which may be moved at this moment.
fn job_text(queue: &QueueDir, id: &JobId) -> Option<String> {
    (0..3).find_map(|_| queue.read_job(queue.find(id)?, id).ok())
}
