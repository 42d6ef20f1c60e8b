//! The rules of scheduling written down as plainly as they are stated: every question is
//! answered by looking at every job. Slow, and that is the point.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use aq_manifest::{DepsMode, JobId};
use aq_scheduler::{
    EngineState, HostId, HostLack, JobState, ScheduledJob, SchedulerHost, SettledAs,
    UnschedulablePolicy,
};
use jiff::Timestamp;

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) jobs: Vec<(ScheduledJob, JobState)>,
    pub(crate) settled: BTreeMap<String, SettledAs>,
    pub(crate) hosts: Vec<(HostId, SchedulerHost)>,
    pub(crate) lacks: Vec<(HostId, HostLack)>,
    pub(crate) now: Timestamp,
}

/// The expected content of a plan.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Expected {
    pub(crate) start: Vec<(JobId, String)>,
    pub(crate) reject: Vec<JobId>,
    pub(crate) wake_at: Option<Timestamp>,
}

impl Model {
    pub(crate) fn find(&self, id: &JobId) -> Option<usize> {
        self.jobs.iter().position(|(job, _)| job.id == *id)
    }

    pub(crate) fn insert(&mut self, job: ScheduledJob, state: JobState) {
        if let JobState::Settled(settled) = state {
            if let Some(key) = job.key {
                self.settle(&key, settled);
            }
            return;
        }
        if let Some(key) = &job.key
            && self.settled.get(key) != Some(&SettledAs::Shipped)
        {
            self.settled.remove(key);
        }
        self.jobs.push((job, state));
    }

    pub(crate) fn set_state(&mut self, id: &JobId, state: JobState) {
        let Some(place) = self.find(id) else { return };
        if let JobState::Settled(settled) = state {
            let (job, _) = self.jobs.remove(place);
            if let Some(key) = job.key {
                self.settle(&key, settled);
            }
        } else {
            self.jobs[place].1 = state;
            self.jobs[place].0.obstacle = None;
        }
    }

    pub(crate) fn settle(&mut self, key: &str, settled: SettledAs) {
        if self.settled.get(key) != Some(&SettledAs::Shipped) {
            self.settled.insert(key.to_owned(), settled);
        }
    }

    /// Tests for a job of this key and deps that would wait for itself.
    pub(crate) fn closes_cycle(&self, key: &str, deps: &[String]) -> bool {
        let mut seen = BTreeSet::new();
        let mut ahead: Vec<&String> = deps.iter().collect();
        while let Some(at) = ahead.pop() {
            if at == key {
                return true;
            }
            if seen.insert(at) {
                ahead.extend(self.deps_of(at));
            }
        }
        false
    }

    /// The keys that jobs of this key wait for.
    pub(crate) fn deps_of(&self, key: &str) -> Vec<&String> {
        let of_key = self.jobs.iter().filter(|(job, _)| job.key.as_deref() == Some(key));
        of_key.flat_map(|(job, _)| &job.deps).collect()
    }

    /// The deps that are not satisfied, each once.
    fn unmet<'a>(&self, job: &'a ScheduledJob) -> Vec<&'a String> {
        let mut unmet = Vec::new();
        for dep in &job.deps {
            let shipped = self.settled.get(dep) == Some(&SettledAs::Shipped);
            let testing = self.jobs.iter().any(|(other, state)| {
                other.key.as_ref() == Some(dep) && *state == JobState::Testing
            });
            let met = shipped || (testing && job.deps_mode == DepsMode::Soft);
            if !met && !unmet.contains(&dep) {
                unmet.push(dep);
            }
        }
        unmet
    }

    fn running_on(&self, host: HostId, with: Option<&str>) -> usize {
        let fits = |state: &JobState| match state {
            JobState::Running { host: on, engine } => {
                *on == host && with.is_none_or(|name| name == engine)
            }
            _ => false,
        };
        self.jobs.iter().filter(|(_, state)| fits(state)).count()
    }

    fn host(&self, id: HostId) -> &SchedulerHost {
        &self.hosts.iter().find(|(other, _)| *other == id).unwrap().1
    }

    pub(crate) fn free(&self, id: HostId) -> usize {
        let limits = self.host(id).limits;
        let in_review = self.jobs.iter().filter(|(_, state)| *state == JobState::Review).count();
        if limits.max_review.is_some_and(|max| in_review >= max as usize) {
            return 0;
        }
        if self.lacks.iter().any(|(host, _)| *host == id) {
            return 0;
        }
        (limits.max as usize).saturating_sub(self.running_on(id, None))
    }

    /// Judges a waiting job on a host after these have been started: the printed reason why it does
    /// not start, or the engine to start it with. The third is the time that mends it.
    pub(crate) fn judge(
        &self,
        job: &ScheduledJob,
        not_before: Option<Timestamp>,
        id: HostId,
        started: &[(JobId, String)],
    ) -> Result<String, (String, Option<Timestamp>)> {
        let host = self.host(id);
        let refuse = |why: String| Err((why, None));
        let join = |items: Vec<String>| items.join(", ");
        if job.held {
            return refuse("held by a person".to_owned());
        }
        let lacking = host.capabilities.missing(&job.requirements);
        if !lacking.is_empty() {
            return refuse(format!(
                "needs {}",
                join(lacking.iter().map(ToString::to_string).collect())
            ));
        }
        let state = |name: &String| host.engines.get(name).cloned().unwrap_or_default();
        let installed = |name: &&String| state(name) != EngineState::Missing;
        if job.engines.is_empty() {
            return refuse("no engine is named".to_owned());
        }
        if !job.engines.iter().any(|name| installed(&name)) {
            return refuse(format!("no engine installed of {}", join(job.engines.clone())));
        }
        let unmet = self.unmet(job);
        if !unmet.is_empty() {
            let mark = |key: &&String| {
                let live = self.jobs.iter().any(|(other, _)| other.key.as_ref() == Some(*key));
                let mark = match self.settled.get(*key) {
                    _ if live => "",
                    Some(SettledAs::Failed) => " (failed)",
                    Some(SettledAs::Quarantined) => " (quarantined)",
                    _ => " (no such job)",
                };
                format!("{key}{mark}")
            };
            return refuse(format!("waiting on {}", join(unmet.iter().map(mark).collect())));
        }
        if let Some(obstacle) = &job.obstacle
            && not_before.is_none_or(|until| until > self.now)
        {
            return Err((obstacle.to_string(), not_before));
        }
        if let Some(until) = not_before.filter(|&until| until > self.now) {
            return Err((format!("backoff until {until}"), Some(until)));
        }
        if job.repository.is_some() {
            let runs = |id: &JobId, state: &JobState| {
                matches!(state, JobState::Running { .. }) || started.iter().any(|(it, _)| it == id)
            };
            let same = |(other, state): &&(ScheduledJob, JobState)| {
                other.repository == job.repository && runs(&other.id, state)
            };
            if self.jobs.iter().any(|other| same(&other)) {
                return refuse("repository in use".to_owned());
            }
        }
        if job.lock.is_some() {
            let same = |other: &&(ScheduledJob, JobState)| other.0.lock == job.lock;
            let mut same = self.jobs.iter().filter(same);
            if same.clone().any(|(_, state)| matches!(state, JobState::Running { .. })) {
                return refuse("lock held".to_owned());
            }
            if let Some((before, _)) =
                same.find(|(other, _)| started.iter().any(|(id, _)| *id == other.id))
            {
                return refuse(format!("behind {}, which has the same lock", before.id));
            }
        }
        let mut usable = None;
        let mut waits: Vec<(u8, Timestamp, String)> = Vec::new();
        for name in &job.engines {
            let limit = match state(name) {
                EngineState::Missing => continue,
                EngineState::Absent { lack } => {
                    waits.push((3, Timestamp::MAX, lack.to_string()));
                    continue;
                }
                EngineState::OutOfUse { reason } => {
                    let why = format!("engine {name} out of use: {reason}");
                    waits.push((2, Timestamp::MAX, why));
                    continue;
                }
                EngineState::CoolingDown { until } if until > self.now => {
                    waits.push((0, until, format!("engine {name} cooling down until {until}")));
                    continue;
                }
                EngineState::CoolingDown { .. } => Some(1),
                EngineState::Ready { limit } => limit,
            };
            let planned = started.iter().filter(|(_, engine)| engine == name).count();
            let with = self.running_on(id, Some(name)) + planned;
            if limit.is_none_or(|limit| with < limit as usize) {
                usable = Some(name.clone());
                break;
            }
            waits.push((1, Timestamp::MAX, format!("engine {name} takes no further job for now")));
        }
        let Some(usable) = usable else {
            // Stable, so that of two that wait alike the preferred one is named.
            waits.sort_by_key(|(kind, until, _)| (*kind, *until));
            let (kind, until, why) = waits.remove(0);
            return Err((why, (kind == 0).then_some(until)));
        };
        if let Some((_, lack)) = self.lacks.iter().find(|(host, _)| *host == id) {
            return refuse(lack.to_string());
        }
        let in_review = self.jobs.iter().filter(|(_, state)| *state == JobState::Review).count();
        if let Some(max) = host.limits.max_review
            && in_review >= max as usize
        {
            return refuse(format!("no free slot ({in_review} of {max} jobs wait in review)"));
        }
        if self.free(id) <= started.len() {
            return refuse("no free slot".to_owned());
        }
        Ok(usable)
    }

    /// The waiting jobs, the first to go first.
    pub(crate) fn waiting(&self) -> Vec<(&ScheduledJob, Option<Timestamp>)> {
        let mut waiting: Vec<_> = self
            .jobs
            .iter()
            .filter_map(|(job, state)| match state {
                JobState::Waiting { not_before } => Some((job, *not_before)),
                _ => None,
            })
            .collect();
        waiting.sort_by_key(|(job, _)| (Reverse(job.priority), job.added_at, job.id.clone()));
        waiting
    }

    pub(crate) fn plan(&self, id: HostId) -> Expected {
        let mut plan = Expected::default();
        let mut wakes = Vec::new();
        for (job, not_before) in self.waiting() {
            // A pause can matter also for a job that this host cannot take.
            if self.unmet(job).is_empty() && !job.held {
                wakes.extend(not_before.filter(|&until| until > self.now));
            }
            match self.judge(job, not_before, id, &plan.start) {
                Ok(engine) => plan.start.push((job.id.clone(), engine)),
                Err((why, until)) => {
                    wakes.extend(until);
                    let never = why.starts_with("needs ") || why.starts_with("no engine ");
                    if never && self.host(id).misfits == UnschedulablePolicy::Reject {
                        plan.reject.push(job.id.clone());
                    }
                }
            }
        }
        plan.reject.sort();
        if plan.start.len() < self.free(id) {
            plan.wake_at = wakes.into_iter().min();
        }
        plan
    }

    /// Tests for a queue in which something runs, or would if all pauses and cool-downs were over.
    pub(crate) fn will_progress(&self, id: HostId) -> bool {
        let runs =
            |(_, state): &(ScheduledJob, JobState)| matches!(state, JobState::Running { .. });
        if self.jobs.iter().any(runs) {
            return true;
        }
        let later = Self { now: Timestamp::MAX, ..self.clone() };
        !later.plan(id).start.is_empty()
    }
}
