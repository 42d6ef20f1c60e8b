//! After each decision: what it was made from is handed to a thread that compares it with what the
//! coordinator would have decided. In any other mode than shadow none of this does anything.

use std::time::Duration;

use aq_caps::Token;
use aq_fleet::client::Client;
use aq_manifest::JobId;
use jiff::Timestamp;

use super::super::fleet::{FleetSettings, FleetSettingsError};
use super::super::replica::{Asked, Handed, Replica};
use super::{Dispatcher, Progress, RunError};
use crate::store::QueueDir;
use crate::sync::fleet::{Shadow, ShadowSettings, shadow_log};

/// How many changes are kept for the next decision before they are handed over without one.
const MANY: usize = 1000;

/// How long a loop that has nothing more to do waits for the comparisons that are left.
const PATIENCE: Duration = Duration::from_secs(2);

/// The comparison, from the loop.
pub(super) struct Watch {
    thread: Shadow<Handed>,
    /// Decisions that were not handed over, because too many waited.
    dropped: usize,
}

impl Dispatcher<'_> {
    /// Starts to compare.
    pub(super) fn start_shadow(
        &mut self,
        settings: &FleetSettings,
        client: &Client,
        capabilities: Vec<Token>,
        tell: impl Fn(String) + Send + 'static,
    ) -> Result<(), RunError> {
        let shadow = settings.factory.shadow().map_err(FleetSettingsError::from)?;
        let factory = settings.factory.clone();
        let log = shadow_log(&self.queue.state());
        let (second, host) = self.model.follow();
        let mut replica = Replica::new(second, host);
        let queue = self.queue.clone();
        let thread = Shadow::start(
            client,
            ShadowSettings { factory, shadow, capabilities, log },
            move |handed| replica.take(handed),
            move |id| job_text(&queue, id),
            tell,
        )
        .map_err(|e| RunError::System("start the thread of the shadow", e))?;
        self.shadow = Some(Watch { thread, dropped: 0 });
        Ok(())
    }

    /// A job was started, and the model does not know it yet.
    pub(super) fn shadow_started(&mut self, id: &JobId) {
        if self.shadow.is_some() {
            self.hand_over(Some(Some(id.clone())));
        }
    }

    /// There is nothing more to start. That is a decision, too, when there is a slot and a job that waits.
    pub(super) fn shadow_idle(&mut self) {
        if self.shadow.is_none() {
            return;
        }
        let changed = self.model.changes().map_or(0, |changes| changes.len());
        if changed == 0 {
            return;
        }
        let counts = self.model.counts();
        let review_full = self.options.max_review.is_some_and(|max| counts.review >= max);
        let has_slot = counts.running < self.options.max && !review_full;
        if has_slot && counts.waiting > 0 {
            self.hand_over(Some(None));
        } else if changed > MANY {
            self.hand_over(None);
        }
    }

    /// The last comparisons, and how all jobs stand in the end.
    pub(super) fn end_shadow(&mut self) {
        if self.shadow.is_none() {
            return;
        }
        let is_last_told = self.hand_over(None);
        let Some(Watch { thread, dropped }) = self.shadow.take() else { return };
        let patience = if self.summary.is_cut_short() { Duration::ZERO } else { PATIENCE };
        let left = thread.finish(patience);
        // What was handed over last is no decision.
        let missed = dropped + left.saturating_sub(usize::from(is_last_told));
        if missed > 0 {
            let words =
                format!("{missed} decisions were not compared: the coordinator is too slow");
            (self.observer)(Progress::Fleet(&words));
        }
    }

    /// Hands over what has changed, and the decision: the job that was started, or none. It never waits.
    /// `false`: too much waits already.
    fn hand_over(&mut self, decided: Option<Option<JobId>>) -> bool {
        let (Some(watch), Some(known)) = (&mut self.shadow, self.model.changes()) else {
            return false;
        };
        let asked = decided.map(|started| Asked { at: Timestamp::now(), started });
        let is_decision = asked.is_some();
        let handed = Handed { changes: std::mem::take(known), asked };
        if let Err(handed) = watch.thread.offer(handed) {
            // What has changed goes with the next one.
            *known = handed.changes;
            watch.dropped += usize::from(is_decision);
            return false;
        }
        true
    }
}

/// The text of a job's file, which may be moved at this moment.
fn job_text(queue: &QueueDir, id: &JobId) -> Option<String> {
    (0..3).find_map(|_| queue.read_job(queue.find(id)?, id).ok())
}
