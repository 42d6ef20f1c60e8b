//! The loop's queue in memory, a second time: another thread follows what happened to it, and
//! describes what the loop chose from without holding the loop up. It costs the loop a note of what
//! changed.

use std::collections::{BTreeSet, HashMap, HashSet};

use aq_fleet::shadow::{InboxSnapshot, ShadowCandidate, ShadowReason as Word};
use aq_manifest::{JobId, Priority, Stage};
use aq_scheduler::{HostId, HostLack, HostPlan, JobQueue, JobState, SettledAs, WaitReason};
use jiff::Timestamp;

use crate::run::queue::change::{JobOrigin, QueueChange, QueuedJob};

use crate::sync::fleet::{MirroredJob, ShadowDecision, ShadowQuestion};

/// What the loop hands over: what happened since the last time, and what it decided then.
#[derive(Debug)]
pub(crate) struct LoopHandover {
    pub(crate) changes: Vec<QueueChange>,
    pub(crate) asked: Option<LoopDecision>,
}

/// A decision.
#[derive(Clone, Debug)]
pub(crate) struct LoopDecision {
    pub(crate) at: Timestamp,
    /// The job that was started; `None` when a slot stays free.
    pub(crate) started: Option<JobId>,
}

/// The second queue.
#[derive(Debug)]
pub(crate) struct QueueReplica {
    queue: JobQueue,
    host: HostId,
    jobs: HashMap<JobId, ReplicatedJob>,
    /// Who had a key in the end, and where it ended.
    ended: HashMap<String, (JobId, Stage)>,
    /// Ends that are to be reported.
    news: Vec<MirroredJob>,
}

#[derive(Debug)]
struct ReplicatedJob {
    original: MirroredJob,
    key: Option<String>,
    priority: Priority,
    added_at: Timestamp,
    lock: Option<String>,
    deps: Vec<String>,
    running: bool,
    /// It has waited in the inbox, so that the coordinator may know of it.
    was_seen: bool,
}

impl QueueReplica {
    /// A copy of a queue that has no jobs yet.
    pub(crate) fn new(queue: JobQueue, host: HostId) -> Self {
        Self { queue, host, jobs: HashMap::new(), ended: HashMap::new(), news: Vec::new() }
    }

    /// Follows, and describes the decision. `None`: there is nothing to report or compare.
    pub(crate) fn take(&mut self, handed: LoopHandover) -> Option<ShadowDecision> {
        for change in handed.changes {
            self.follow(change);
        }
        let Some(asked) = handed.asked else {
            let snapshot = self.snapshot(Timestamp::now());
            return Some(ShadowDecision { originals: self.originals(&snapshot), question: None });
        };
        // One that did not come from the inbox is none that a coordinator would give.
        let local = match &asked.started {
            Some(id) => {
                let job = self.jobs.get(id).filter(|job| job.original.stage == Stage::Inbox)?;
                Some(job.original.key.clone())
            }
            None => None,
        };
        let snapshot = self.snapshot(asked.at);
        if snapshot.jobs.is_empty() {
            return None;
        }
        let originals = self.originals(&snapshot);
        let held = self.jobs.values().filter(|job| job.running);
        let mut held_locks: Vec<String> = held.filter_map(|job| job.lock.clone()).collect();
        held_locks.sort_unstable();
        held_locks.dedup();
        let question = Some(ShadowQuestion { at: asked.at, local, snapshot, held_locks });
        Some(ShadowDecision { originals, question })
    }

    fn follow(&mut self, change: QueueChange) {
        match change {
            QueueChange::Put(put) => self.put(*put),
            QueueChange::Settled { key, by, settled } => {
                self.queue.settle(&key, settled);
                self.ended.insert(key, (by, folder(settled)));
            }
            QueueChange::Started { id, state } => {
                let _ = self.queue.set_state(&id, state);
                if let Some(job) = self.jobs.get_mut(&id) {
                    job.running = true;
                    if job.original.stage == Stage::Inbox {
                        job.original.stage = Stage::Building;
                    }
                }
            }
            QueueChange::Ended { id, key, settled } => {
                if self.queue.set_state(&id, JobState::Settled(settled)).is_err()
                    && let Some(key) = &key
                {
                    self.queue.settle(key, settled);
                }
                if let Some(key) = key {
                    self.queue.forget(&key);
                    self.ended.insert(key, (id.clone(), folder(settled)));
                }
                if let Some(job) = self.jobs.remove(&id) {
                    job.deps.iter().for_each(|key| self.queue.forget(key));
                    if job.was_seen {
                        self.news.push(MirroredJob { stage: folder(settled), ..job.original });
                    }
                }
            }
            QueueChange::Forgotten(id) => {
                let _ = self.queue.remove(&id);
                self.jobs.remove(&id);
            }
            QueueChange::SetBack(now) => self.queue.set_back(now),
            QueueChange::Engines(engines) => {
                for (name, state) in engines {
                    let _ = self.queue.set_engine(self.host, &name, state);
                }
            }
        }
    }

    fn put(&mut self, put: QueuedJob) {
        let QueuedJob { job, state, origin } = put;
        let JobOrigin { stage, has_own_lock, version } = origin;
        let id = job.id.clone();
        let _ = self.queue.remove(&id);
        let was_seen = self.jobs.remove(&id).is_some_and(|job| job.was_seen);
        let key = job.key.clone().unwrap_or_else(|| format!("job:{id}"));
        let lock = job.lock.clone().filter(|_| has_own_lock);
        let known = ReplicatedJob {
            original: MirroredJob { key, id: id.clone(), stage, lock, version },
            key: job.key.clone(),
            priority: job.priority,
            added_at: job.added_at,
            lock: job.lock.clone(),
            deps: job.deps.clone(),
            running: matches!(state, JobState::Running { .. }),
            was_seen: was_seen || stage == Stage::Inbox,
        };
        if self.queue.insert(job, state).is_ok() {
            self.jobs.insert(id, known);
        }
    }

    /// What waits in the inbox, and why.
    fn snapshot(&mut self, at: Timestamp) -> InboxSnapshot {
        let Ok(plan) = self.queue.plan(self.host, at) else { return InboxSnapshot::default() };
        let waiting = self.queue.order().into_iter().filter_map(|id| {
            let job = self.jobs.get(id).filter(|job| job.original.stage == Stage::Inbox)?;
            Some(ShadowCandidate {
                key: job.original.key.clone(),
                priority: job.priority,
                waits: self.waits(&plan, id),
                mirrored: false,
            })
        });
        InboxSnapshot { jobs: waiting.collect() }
    }

    fn waits(&self, plan: &HostPlan, id: &JobId) -> Option<Word> {
        Some(match self.queue.explain(plan, id)? {
            WaitReason::WaitingOn { .. } => Word::Deps,
            WaitReason::LockHeld { .. } | WaitReason::RepositoryInUse { .. } => Word::Lock,
            WaitReason::Needs { .. } => Word::Capability,
            WaitReason::Backoff { .. } => Word::Backoff,
            WaitReason::NoEngine { .. }
            | WaitReason::EngineCooling { .. }
            | WaitReason::EngineLimited { .. }
            | WaitReason::EngineOut { .. }
            | WaitReason::HostLacks(HostLack::Engine { .. } | HostLack::OtherProgram { .. }) => {
                Word::Engine
            }
            // Another one goes first: that is what is compared.
            WaitReason::NoSlot { .. }
            | WaitReason::ReviewFull { .. }
            | WaitReason::Behind { .. } => return None,
            WaitReason::HostLacks(_) => Word::Backoff,
            _ => Word::Unknown,
        })
    }

    /// The jobs that the coordinator has to know of: those that it has seen waiting, and those that
    /// others wait for.
    fn originals(&mut self, snapshot: &InboxSnapshot) -> Vec<MirroredJob> {
        let in_backoff: HashSet<&str> = snapshot
            .jobs
            .iter()
            .filter(|job| job.waits == Some(Word::Backoff))
            .map(|job| job.key.as_str())
            .collect();
        let waiting = self.jobs.values().filter(|job| job.original.stage == Stage::Inbox);
        let wanted: BTreeSet<&str> =
            waiting.flat_map(|job| &job.deps).map(String::as_str).collect();
        // For a job that comes to wait for one of the others, it is reported again.
        self.ended.retain(|key, _| wanted.contains(key.as_str()));
        let is_wanted =
            |job: &ReplicatedJob| job.key.as_deref().is_some_and(|key| wanted.contains(key));
        let mut live: Vec<&ReplicatedJob> =
            self.jobs.values().filter(|job| job.was_seen || is_wanted(job)).collect();
        live.sort_by(|a, b| (a.added_at, &a.original.id).cmp(&(b.added_at, &b.original.id)));
        let mut all: Vec<MirroredJob> = Vec::with_capacity(live.len());
        let mut place: HashMap<String, usize> = HashMap::new();
        for job in live {
            let mut original = job.original.clone();
            if in_backoff.contains(original.key.as_str()) {
                // A pause is the host's own affair: there it cannot be picked, nor counts as done.
                original.stage = Stage::Failed;
            }
            match place.get(&original.key) {
                // Two of one key: the one that waits is compared.
                Some(&at) if original.stage == Stage::Inbox => all[at] = original,
                Some(_) => {}
                None => {
                    place.insert(original.key.clone(), all.len());
                    all.push(original);
                }
            }
        }
        let holders = wanted.iter().filter_map(|&key| {
            let (id, stage) = self.ended.get(key)?;
            let (key, id, stage) = (key.to_owned(), id.clone(), *stage);
            Some(MirroredJob { key, id, stage, lock: None, version: 0 })
        });
        let ended: Vec<MirroredJob> = self.news.iter().cloned().chain(holders).collect();
        self.news.clear();
        for original in ended {
            if !place.contains_key(&original.key) {
                place.insert(original.key.clone(), all.len());
                all.push(original);
            }
        }
        all
    }
}

const fn folder(settled: SettledAs) -> Stage {
    match settled {
        SettledAs::Shipped => Stage::Shipped,
        SettledAs::Failed => Stage::Failed,
        SettledAs::Quarantined => Stage::Quarantine,
    }
}

#[cfg(test)]
mod tests {
    use aq_scheduler::{EngineState, HostLimits, ScheduledJob, SchedulerHost, UnschedulablePolicy};

    use super::*;

    const NOW: &str = "2026-01-01T09:00:00Z";

    fn replica() -> QueueReplica {
        let mut queue = JobQueue::new();
        let host = queue.add_host(SchedulerHost {
            engines: [("shell".to_owned(), EngineState::READY)].into(),
            limits: HostLimits { max: 2, max_review: None },
            misfits: UnschedulablePolicy::Keep,
            ..SchedulerHost::default()
        });
        QueueReplica::new(queue, host)
    }

    fn put(
        id: &str,
        stage: Stage,
        state: JobState,
        with: impl FnOnce(&mut QueuedJob),
    ) -> QueueChange {
        let added_at = NOW.parse().unwrap();
        let engines = vec!["shell".to_owned()];
        let job = ScheduledJob { engines, ..ScheduledJob::new(id.parse().unwrap(), added_at) };
        let origin = JobOrigin { stage, has_own_lock: false, version: 1 };
        let mut put = QueuedJob { job, state, origin };
        with(&mut put);
        QueueChange::Put(Box::new(put))
    }

    fn waiting(id: &str, with: impl FnOnce(&mut QueuedJob)) -> QueueChange {
        put(id, Stage::Inbox, JobState::WAITING, with)
    }

    fn take(
        replica: &mut QueueReplica,
        changes: Vec<QueueChange>,
        started: Option<&str>,
    ) -> Option<ShadowDecision> {
        let started = started.map(|id| id.parse().unwrap());
        let asked = Some(LoopDecision { at: NOW.parse().unwrap(), started });
        replica.take(LoopHandover { changes, asked })
    }

    fn stages(decision: &ShadowDecision) -> Vec<(&str, Stage)> {
        decision.originals.iter().map(|job| (job.key.as_str(), job.stage)).collect()
    }

    fn started(replica: &QueueReplica, id: &str) -> QueueChange {
        let state = JobState::Running { host: replica.host, engine: "shell".to_owned() };
        QueueChange::Started { id: id.parse().unwrap(), state }
    }

    #[test]
    fn decision_keeps_its_snapshot() {
        let mut replica = replica();
        let changes = vec![
            waiting("a", |put| {
                put.job.key = Some("k".to_owned());
                (put.job.lock, put.origin.has_own_lock) = (Some("/home/me".to_owned()), true);
            }),
            waiting("b", |put| put.job.lock = Some("/home/me".to_owned())),
            waiting("c", |put| put.job.deps = vec!["k".to_owned()]),
            put("d", Stage::Inbox, JobState::Waiting { not_before: Some(Timestamp::MAX) }, |_| {}),
            waiting("e", |put| put.job.priority = Priority::High),
        ];
        let first = take(&mut replica, changes, Some("e")).unwrap();
        let question = first.question.clone().unwrap();
        assert_eq!(question.local.as_deref(), Some("job:e"));
        assert_eq!(question.held_locks, Vec::<String>::new());
        let jobs: Vec<_> =
            question.snapshot.jobs.iter().map(|job| (job.key.as_str(), job.waits)).collect();
        let deps = Some(Word::Deps);
        assert_eq!(
            jobs,
            [
                ("job:e", None),
                ("k", None),
                ("job:b", None),
                ("job:c", deps),
                ("job:d", Some(Word::Backoff))
            ]
        );
        // A pause is the host's own affair.
        let inbox = Stage::Inbox;
        assert_eq!(
            stages(&first),
            [
                ("k", inbox),
                ("job:b", inbox),
                ("job:c", inbox),
                ("job:d", Stage::Failed),
                ("job:e", inbox)
            ]
        );
        let locks: Vec<_> = first.originals.iter().map(|job| job.lock.as_deref()).collect();
        assert_eq!(locks, [Some("/home/me"), None, None, None, None]);

        // Now `e` runs, and then `a`, which holds its lock.
        let changes = vec![started(&replica, "e")];
        take(&mut replica, changes, Some("a")).unwrap();
        let changes = vec![started(&replica, "a")];
        let third = take(&mut replica, changes, None).unwrap();
        let question = third.question.clone().unwrap();
        assert_eq!((question.local, question.held_locks), (None, vec!["/home/me".to_owned()]));
        assert_eq!(question.snapshot.get("job:b").unwrap().waits, Some(Word::Lock));
        assert_eq!(stages(&third)[0], ("k", Stage::Building));

        // The end of `a` is reported as long as somebody waits for its key.
        let (id, key) = ("a".parse().unwrap(), Some("k".to_owned()));
        let ended = vec![QueueChange::Ended { id, key, settled: SettledAs::Shipped }];
        let fourth = take(&mut replica, ended, None).unwrap();
        assert!(stages(&fourth).contains(&("k", Stage::Shipped)));
        assert_eq!(fourth.question.as_ref().unwrap().snapshot.get("job:c").unwrap().waits, None);
        let fifth = take(&mut replica, Vec::new(), None).unwrap();
        assert!(stages(&fifth).contains(&("k", Stage::Shipped)));
        let gone = vec![QueueChange::Forgotten("c".parse().unwrap())];
        assert!(!stages(&take(&mut replica, gone, None).unwrap()).contains(&("k", Stage::Shipped)));
        assert!(replica.ended.is_empty(), "nobody waits for it any more");
    }

    #[test]
    fn only_awaited_jobs_are_mirrored() {
        let mut replica = replica();
        let keyed = |put: &mut QueuedJob| put.job.key = Some(format!("k-{}", put.job.id));
        let changes = vec![
            put("rests", Stage::Review, JobState::Review, keyed),
            put("done", Stage::Testing, JobState::Testing, keyed),
            waiting("a", |put| put.job.deps = vec!["k-done".to_owned(), "k-old".to_owned()]),
            QueueChange::Settled {
                key: "k-old".to_owned(),
                by: "old".parse().unwrap(),
                settled: SettledAs::Failed,
            },
            put("verify", Stage::Review, JobState::WAITING, |_| {}),
        ];
        let decision = take(&mut replica, changes, None).unwrap();
        assert_eq!(
            stages(&decision),
            [("job:a", Stage::Inbox), ("k-done", Stage::Testing), ("k-old", Stage::Failed)]
        );
        assert_eq!(decision.question.unwrap().snapshot.jobs.len(), 1);
        // What is verified was not picked from the inbox.
        assert!(take(&mut replica, Vec::new(), Some("verify")).is_none());
    }
}
