//! The plan, and what follows when there is nothing more to start: a sleep, or the end.

use std::time::Duration;

use aq_manifest::JobId;
use aq_scheduler::HostRejection;
use jiff::Timestamp;

use super::{LoopCore, LoopEffect, LoopNotice, LoopReport, SWEEP};

impl LoopCore {
    /// Does what the plan says; where it says nothing more, the loop rests when the listeners have
    /// heard so. Jobs are rejected before others are started, and these one by one: where one is
    /// not as the plan saw it, there is another plan.
    pub(super) fn decide(&mut self, now: Timestamp) {
        if self.begin_merges(now) {
            return;
        }
        let plan = self.model.plan(now);
        self.report_absent(&plan.absent);
        if plan.start.is_empty() && plan.reject.is_empty() {
            self.wake_at = plan.wake_at;
            self.effects.extend([LoopEffect::Notify(LoopNotice::Idle), LoopEffect::AskListeners]);
            return;
        }
        let are_engines_missing =
            plan.reject.iter().any(|(_, why)| matches!(why, HostRejection::NoEngine { .. }));
        if are_engines_missing && !std::mem::replace(&mut self.are_engines_fresh, true) {
            // One may have been installed since.
            return self.effects.push(LoopEffect::ReadEngines);
        }
        self.are_engines_fresh = false;
        if plan.reject.is_empty() {
            self.starts = plan.start.into();
            return self.launch_next();
        }
        let rejects = plan.reject.into_iter().map(|(id, why)| LoopEffect::Reject(id, why));
        self.effects.extend(rejects);
    }

    fn launch_next(&mut self) {
        let next = self.starts.pop_front();
        self.effects
            .extend(next.map(|start| LoopEffect::Launch { id: start.job, engine: start.engine }));
    }

    /// Sleeps, or ends when the queue is drained.
    pub(super) fn rest(
        &mut self,
        are_listeners_drained: bool,
        next: Option<Timestamp>,
        now: Timestamp,
    ) {
        if self.once && are_listeners_drained && self.is_drained() {
            self.effects.push(LoopEffect::ExpectQueue);
            self.summary.waiting = self.model.counts().waiting;
            self.summary.kept = self.report_kept(now);
            self.report_unmerged();
            return self.effects.push(LoopEffect::End(self.summary));
        }
        let limit = self.sleep_limit(next, now);
        let counts = self.model.counts();
        self.effects
            .extend([LoopEffect::LoopReport(LoopReport::Idle(counts)), LoopEffect::Sleep(limit)]);
    }

    fn is_drained(&self) -> bool {
        self.running.is_empty()
            && self.busy.is_empty()
            && self.unsettled.is_empty()
            && self.trains.is_drained()
            && self.backoff.pauses_left().next().is_none()
            && !self.model.will_progress()
    }

    fn sleep_limit(&self, next: Option<Timestamp>, now: Timestamp) -> Duration {
        let unsettled = self.unsettled.values().copied();
        // One that somebody holds is looked at when it is free.
        let pauses = self.backoff.pauses_left().filter(|(id, _)| !self.busy.contains(*id));
        let conflicting = self.conflicting.values().copied();
        let merges = self.trains.wake_at(now);
        let next = self.wake_at.into_iter().chain(unsettled).chain(conflicting).chain(next);
        let next = next.chain(merges);
        let next = next.chain(pauses.map(|(_, until)| until));
        let until =
            |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
        let most = self.lacks.sleep_limit().unwrap_or(SWEEP);
        next.min().map_or(most, |at| until(at).min(most))
    }

    pub(super) fn launched(&mut self, id: JobId, engine: String) {
        let before = self.model.state(&id);
        self.running.insert(id.clone());
        self.unsettled.remove(&id);
        self.backoff.over(&id);
        self.effects.push(LoopEffect::Notify(LoopNotice::Started(id.clone())));
        self.model.started(&id, &engine);
        self.notify_changes();
        self.notify(&id, before);
        self.effects.push(LoopEffect::LoopReport(LoopReport::Started { id, engine }));
        self.launch_next();
    }
}
