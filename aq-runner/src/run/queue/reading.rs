//! Reading for the queue in memory: this host's engines, and a job's record as the scheduler's job.

use std::hash::{DefaultHasher, Hash, Hasher};

use aq_caps::Capabilities;
use aq_ledger::{JobRow, RecordKey};
use aq_manifest::{ReviewPolicy, Stage};
use aq_scheduler::{
    EngineState, HostLimits, JobState, ScheduledJob, SchedulerHost, SettledAs, UnschedulablePolicy,
    WaitReason,
};
use jiff::Timestamp;

use crate::engine::EngineRegistry;
use crate::run::engines::availability::{KnownEngines, state};
use crate::run::host_lack::recorded_lack;
use crate::run::queue::change::{DependencyEnd, EndedJob, JobOrigin, ReadJob};
use crate::run::settings::QueueSettings;
use crate::run::start_point::recorded_conflict;
use crate::store::{JobRecord, QueueDir, holder};

/// This host as the scheduler sees it.
pub(crate) fn read_host(
    queue: &QueueDir,
    settings: &QueueSettings,
    capabilities: Capabilities,
    limits: HostLimits,
    now: Timestamp,
) -> SchedulerHost {
    let engines = read_engines(queue, settings, now).into_iter().collect();
    SchedulerHost { capabilities, engines, limits, misfits: UnschedulablePolicy::Reject }
}

/// Which engines are installed, and which rest.
pub(crate) fn read_engines(
    queue: &QueueDir,
    settings: &QueueSettings,
    now: Timestamp,
) -> Vec<(String, EngineState)> {
    let known = KnownEngines::read(queue);
    let names = settings.engines.names();
    names.map(|name| (name.to_owned(), state(&known, settings, name, now))).collect()
}

/// The job of a record, with the ends of what it waits for.
pub(crate) fn read_job(queue: &QueueDir, engines: &EngineRegistry, row: JobRow<'_>) -> ReadJob {
    let job = scheduler_job(engines, &[], row);
    let ends = dependency_ends(queue, &job.deps);
    let mut hasher = DefaultHasher::new();
    row.source().hash(&mut hasher);
    let has_own_lock = row.lock().is_some() && row.lock() == row.content().get(RecordKey::Cwd);
    let origin = JobOrigin { stage: row.stage, has_own_lock, version: hasher.finish() };
    ReadJob { job, origin, ends }
}

/// The ends of jobs whose keys are waited for. A key that cannot be looked up is not known.
pub(crate) fn dependency_ends(queue: &QueueDir, keys: &[String]) -> Vec<DependencyEnd> {
    let end = |key: &String| {
        let holder = holder(queue, key).ok()??;
        let settled = settled(holder.stage)?;
        Some(DependencyEnd { key: key.clone(), by: holder.id, settled })
    };
    keys.iter().filter_map(end).collect()
}

/// A job that has ended, by its record.
pub(crate) fn ended_job(record: &JobRecord, settled: SettledAs) -> EndedJob {
    EndedJob {
        id: record.id.clone(),
        key: record.meta.get(RecordKey::IdempotencyKey).map(str::to_owned),
        deps: record.meta.list(RecordKey::Deps),
        settled,
    }
}

/// A record as the scheduler's job, without requirements that the tools in `unasked` would have to
/// answer: nobody knows what those are.
fn scheduler_job(engines: &EngineRegistry, unasked: &[String], row: JobRow<'_>) -> ScheduledJob {
    let wanted = row.engine_wanted();
    let class = row.engine_class().unwrap_or_default();
    let prefers = row.prefers_engine().unwrap_or_default();
    // An engine or a class that does not exist is never installed either: the plan rejects it.
    let candidates = engines
        .candidates(wanted, class, &prefers)
        .unwrap_or_else(|_| vec![wanted.unwrap_or(class).to_owned()]);
    let mut requirements = row.capabilities().unwrap_or_default();
    requirements.retain(|wanted| !unasked.iter().any(|tool| wanted.depends_on(tool)));
    ScheduledJob {
        priority: row.priority().unwrap_or_default(),
        lock: row.lock().map(str::to_owned),
        repository: row.content().get(RecordKey::RepositoryLock).map(str::to_owned),
        key: row.idempotency_key().map(str::to_owned),
        deps: row.deps().unwrap_or_default(),
        deps_mode: row.deps_mode().unwrap_or_default(),
        requirements,
        engines: candidates,
        held: row.stage == Stage::Inbox && row.held().is_some(),
        ..ScheduledJob::new(row.id.clone(), row.added_at().unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

/// A job for somebody who looks: what it lacked it lacks until a loop has tried again.
pub(crate) fn seen_from_outside(
    settings: &QueueSettings,
    unasked: &[String],
    row: JobRow<'_>,
    state: JobState,
) -> (ScheduledJob, JobState) {
    let lack = recorded_lack(row.content()).map(WaitReason::HostLacks);
    let obstacle = lack.or_else(|| recorded_conflict(row.content()));
    let state = match (&obstacle, state) {
        (Some(_), JobState::Waiting { .. }) => JobState::WAITING,
        (_, state) => state,
    };
    (ScheduledJob { obstacle, ..scheduler_job(&settings.engines, unasked, row) }, state)
}

/// The meaning of a folder for the key of a job that is in it.
pub(crate) fn settled(stage: Stage) -> Option<SettledAs> {
    match stage {
        Stage::Shipped => Some(SettledAs::Shipped),
        Stage::Failed => Some(SettledAs::Failed),
        Stage::Quarantine => Some(SettledAs::Quarantined),
        Stage::Inbox | Stage::Building | Stage::Review | Stage::Testing => None,
    }
}

/// State of a job that nobody works on, by its folder and record. `None`: it has ended, or
/// only recovery can find out.
pub(crate) fn resting_state(row: JobRow<'_>, now: Timestamp) -> Option<JobState> {
    // A pause that began in the future was written by a clock that has been set back since.
    let clock_was_wrong = row.ended_at().is_some_and(|at| at > now);
    let not_before = row.next_eligible().filter(|_| !clock_was_wrong);
    match row.stage {
        Stage::Inbox => Some(JobState::Waiting { not_before }),
        // The agent's work is accepted and `verify` has not judged it: that is still to be run.
        Stage::Review if row.review_policy().unwrap_or_default() == ReviewPolicy::Auto => {
            Some(JobState::Waiting { not_before })
        }
        Stage::Review => Some(JobState::Review),
        Stage::Testing => Some(JobState::Testing),
        Stage::Building | Stage::Shipped | Stage::Failed | Stage::Quarantine => None,
    }
}
