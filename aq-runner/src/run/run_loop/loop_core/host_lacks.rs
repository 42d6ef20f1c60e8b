//! Lacks of the host: jobs wait for the thing, the loop says it once, and they go on by themselves.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aq_manifest::JobId;
use aq_scheduler::{HostLack, JobState, WaitReason};
use jiff::Timestamp;

use super::{LoopCore, LoopEffect, LoopReport, MetLack, RunLack};
use crate::run::queue::model::QueueModel;

/// Pause between two looks at the room while there is too little.
pub(in crate::run) const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Jobs that are named when a loop ends without them; the others are counted.
const NAMED: usize = 5;

/// The lacks that a loop has met.
#[derive(Debug, Default)]
pub(super) struct HostLacks {
    /// Codes of what jobs have met since the loop began: for others it may be here now.
    met: HashMap<JobId, String>,
    /// Engines that are gone, each with its line printed.
    absent: Vec<HostLack>,
    room: Option<HostLack>,
}

impl HostLacks {
    /// The longest that the loop may sleep, where a lack shortens it.
    pub(super) fn sleep_limit(&self) -> Option<Duration> {
        self.room.as_ref().map(|_| LOOK_AGAIN)
    }

    /// Notes what a job has met. Answers whether it is news: no other job has met it, or all have
    /// got over it since.
    fn met(&mut self, id: &JobId, lack: &HostLack) -> bool {
        let code = match lack {
            // The words change with every job.
            HostLack::Resource { resource, .. } => resource.as_str().to_owned(),
            other => other.to_string(),
        };
        let is_known = self.met.values().any(|met| *met == code);
        self.met.insert(id.clone(), code);
        !is_known
    }

    /// The jobs that wait for the same as this one, which has not met it again. All of them are
    /// forgotten.
    fn got_over(&mut self, id: &JobId) -> Vec<JobId> {
        let Some(code) = self.met.remove(id) else { return Vec::new() };
        let is_same = |(other, met): (&JobId, &String)| (*met == code).then(|| other.clone());
        let mut others: Vec<JobId> = self.met.iter().filter_map(is_same).collect();
        others.sort();
        self.met.retain(|_, met| *met != code);
        others
    }
}

impl LoopCore {
    /// State of a resting job, with its lack. One that was not tried by this loop is tried at once:
    /// a person may have mended what an earlier loop met.
    pub(super) fn with_lack(
        &self,
        id: &JobId,
        state: JobState,
        met: Option<MetLack>,
    ) -> (JobState, Option<WaitReason>) {
        let JobState::Waiting { .. } = state else { return (state, None) };
        match met {
            None => (state, None),
            Some(_) if !self.lacks.met.contains_key(id) => (JobState::WAITING, None),
            // A loop that drains the queue does not wait for long, but says what is left.
            Some(met) if self.once && !met.is_worth_a_wait => {
                (JobState::WAITING, Some(WaitReason::HostLacks(met.lack)))
            }
            Some(met) => (state, Some(WaitReason::HostLacks(met.lack))),
        }
    }

    /// Takes note of a job that has come back. Answers whether it did for want of something.
    pub(super) fn came_back(&mut self, id: &JobId, lack: Option<RunLack>, now: Timestamp) -> bool {
        match lack {
            None => {
                for other in self.lacks.got_over(id) {
                    self.look_at(&other, now);
                }
                false
            }
            Some(RunLack::Engine) => {
                // It was there when the plan was made. The next one says what follows.
                self.effects.push(LoopEffect::ReadEngines);
                true
            }
            Some(RunLack::Host(lack)) => {
                if self.lacks.met(id, &lack) {
                    self.report_trouble(format!(
                        "{id} waits, and its attempt does not count: {lack}"
                    ));
                }
                true
            }
        }
    }

    /// Reports an error that a job met in the loop, once while it is the host's.
    pub(super) fn report_error(&mut self, id: &JobId, text: &str, lack: Option<&HostLack>) {
        if lack.is_none_or(|lack| self.lacks.met(id, lack)) {
            self.report_trouble(text.to_owned());
        }
    }

    /// Reports engines that are gone. A loop that drains the queue does so at its end.
    pub(super) fn report_absent(&mut self, absent: &[HostLack]) {
        if *absent == *self.lacks.absent {
            return;
        }
        let before = std::mem::replace(&mut self.lacks.absent, absent.to_vec());
        for lack in absent.iter().filter(|lack| !before.contains(lack)) {
            if !self.once {
                self.report_trouble(format!("{lack}; its jobs wait until it is there"));
            }
        }
    }

    /// Takes in whether there is room.
    pub(super) fn take_room(&mut self, lack: Option<HostLack>) {
        if lack == self.lacks.room {
            return;
        }
        if let (Some(lack), None, false) = (&lack, &self.lacks.room, self.once) {
            self.report_trouble(format!("{lack}; nothing starts until there is"));
        }
        self.model.set_lack(lack.clone());
        self.lacks.room = lack;
    }

    /// Names the jobs that a loop leaves because of a fault of the host or of an engine, or because
    /// their deps do not go together or cannot be had. Answers how many those of a fault are.
    pub(super) fn report_kept(&mut self, now: Timestamp) -> u32 {
        let kept = kept_jobs(&mut self.model, now);
        for ((reason, _), jobs) in &kept {
            let waits = if jobs.len() == 1 { "waits" } else { "wait" };
            let more = match jobs.len().checked_sub(NAMED) {
                None | Some(0) => String::new(),
                Some(more) => format!(" and {more} more"),
            };
            let named = jobs.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            self.report_trouble(format!("{named}{more} {waits}: {reason}"));
        }
        let faults = kept.iter().filter(|((_, is_fault), _)| *is_fault);
        u32::try_from(faults.map(|(_, jobs)| jobs.len()).sum::<usize>()).unwrap_or(u32::MAX)
    }

    pub(super) fn report_trouble(&mut self, words: String) {
        self.effects.push(LoopEffect::LoopReport(LoopReport::Trouble(words)));
    }
}

/// The jobs that wait because of such a thing, by its words and whether it is a fault.
fn kept_jobs(model: &mut QueueModel, now: Timestamp) -> BTreeMap<(String, bool), Vec<String>> {
    let plan = model.plan(now);
    let mut kept: BTreeMap<(String, bool), Vec<String>> = BTreeMap::new();
    for id in model.order() {
        let Some(reason) = model.explain(&plan, id) else { continue };
        let is_fault = match reason {
            WaitReason::HostLacks(_) | WaitReason::EngineOut { .. } => true,
            WaitReason::DepsConflict { .. } | WaitReason::DepElsewhere { .. } => false,
            _ => continue,
        };
        kept.entry((reason.to_string(), is_fault)).or_default().push(id.to_string());
    }
    kept
}
