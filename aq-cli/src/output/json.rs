//! Answers for programs. The shapes are documented in `docs/commands.md`; `version` is raised
//! when a key changes its meaning or goes, not when one is added.

mod coded;
mod job_shape;
mod stream;
mod tame;
mod version;

use std::io::{BufWriter, Write};

use aq_fleet::protocol::{FeedEvent, GivenReason, JobSummary};
use aq_manifest::{JobId, Outcome};
use aq_runner::insights::{InsightsDay, InsightsGroup, JobNumbers, QueueInsights, days};
use aq_runner::run::host::HostReport;
use aq_runner::run::{
    AgreementReport, BuildsOn, BuiltDep, DepChange, FleetJobs, FleetOverview, FleetPart,
    FleetSubmission, JobView, QueueOverview, TrackerView, log_host,
};
use aq_runner::store::{AddReport, DraftResult};
use aq_sandbox::{ItemState, KernelFeatures, items};
use aq_scheduler::EngineState;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

pub(crate) use coded::{CodedReason, shown};
pub(crate) use version::{JsonOption, JsonVersion};

use super::human::FileFindings;
use super::job::changed_deps;
use super::note_written;
use coded::shapes;
use job_shape::JobShape;
use stream::{write_item, write_object};
use tame::{tame, tamed};

/// Jobs that are written by more than one thread.
const MANY_JOBS: usize = 1_000;

/// Any value; its texts without what a terminal would obey, since programs print them.
pub(crate) fn value(value: &Value) {
    let mut value = value.clone();
    tame(&mut value);
    let mut out = BufWriter::with_capacity(64 << 10, std::io::stdout().lock());
    let written = serde_json::to_writer_pretty(&mut out, &value).map_err(std::io::Error::from);
    note_written(written.and_then(|()| writeln!(out)).and_then(|()| out.flush()));
}

pub(crate) fn added(report: &AddReport, version: JsonVersion) {
    let one = |added: &DraftResult| match added {
        DraftResult::New { id } => json!({ "id": id.as_str(), "result": "new", "stage": "inbox" }),
        DraftResult::Unchanged { id, stage } | DraftResult::SameFile { id, stage, .. } => {
            json!({ "id": id.as_str(), "result": "unchanged", "stage": stage.folder() })
        }
        DraftResult::Superseded { id, old } => {
            json!({
                "id": id.as_str(), "result": "superseded", "stage": "inbox",
                "replaced": old.as_str(),
            })
        }
    };
    let added: Vec<Value> = report.added.iter().map(one).collect();
    let warnings = shapes(version, report.warnings.iter().map(CodedReason::from));
    value(&json!({ "version": version.number(), "added": added, "warnings": warnings }));
}

pub(crate) fn checked(files: &[FileFindings], version: JsonVersion) {
    let one = |file: &FileFindings| {
        let error = file.error.as_ref().map(|error| error.shape(version));
        json!({ "file": file.file, "ok": error.is_none(), "error": error, "report": file.report })
    };
    let files: Vec<Value> = files.iter().map(one).collect();
    value(&json!({ "version": version.number(), "files": files }));
}

/// Its shape has a version of its own, which [`AgreementReport`] keeps.
pub(crate) fn agreement(report: &AgreementReport, version: JsonVersion) {
    let mut shape = json!(report);
    shape["missing"] = shapes(version, report.missing.iter().map(CodedReason::from)).into();
    if version == JsonVersion::V1 {
        shape["version"] = version.number().into();
    }
    value(&shape);
}

pub(crate) fn status(overview: &QueueOverview, recent: &[JobNumbers], version: JsonVersion) {
    let counts: Map<String, Value> = overview
        .counts
        .iter()
        .map(|(stage, &count)| (stage.folder().to_owned(), count.into()))
        .collect();
    let run_loop = overview.run_loop.as_ref().map(|found| {
        json!({
            "pid": found.pid, "started_at": found.started_at, "max": found.max,
            "max_review": found.max_review,
        })
    });
    let resting: Vec<Value> =
        overview.resting.iter().map(|(name, state)| resting_shape(name, state)).collect();
    let mut answer = json!({
        "version": version.number(),
        "queue": overview.queue.display().to_string(),
        "trusted": !overview.is_untrusted,
        "now": overview.now,
        "loop": run_loop,
        "counts": counts,
        "jobs": [],
        "last_24h": recent_shape(recent),
        "resting_engines": resting,
        "not_jobs": overview.strangers,
    });
    tame(&mut answer);
    let Value::Object(mut answer) = answer else { return };
    // Offline the answer is what it is without a fleet.
    if let Some(part) = &overview.fleet {
        let part = match part {
            Ok(part) => part_shape(part),
            Err(problem) => json!({ "problem": CodedReason::from(problem).shape(version) }),
        };
        answer.insert("fleet".to_owned(), tamed(part));
    }
    let jobs: Vec<&JobView> = overview.jobs.iter().chain(&overview.ended).collect();
    let written = job_pieces(&jobs, overview.now, version);
    let mut out = std::io::stdout().lock();
    note_written(written.and_then(|pieces| write_object(&answer, "jobs", &pieces, &mut out)));
}

/// Writes the shapes of jobs, many of them by two threads.
fn job_pieces(
    jobs: &[&JobView],
    now: Timestamp,
    version: JsonVersion,
) -> std::io::Result<Vec<Vec<u8>>> {
    let write = |jobs: &[&JobView]| -> std::io::Result<Vec<u8>> {
        let mut piece = Vec::new();
        let Some(first) = jobs.first() else { return Ok(piece) };
        let mut shape = JobShape::of(first, now, version);
        for job in jobs {
            shape.next(job);
            write_item(&shape, &mut piece)?;
        }
        Ok(piece)
    };
    if jobs.len() < MANY_JOBS {
        return Ok(vec![write(jobs)?]);
    }
    let (first, second) = jobs.split_at(jobs.len() / 2);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| write(second));
        let first = write(first)?;
        let second = second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(vec![first, second])
    })
}

/// The jobs that ended lately: how many well, and what they took.
fn recent_shape(recent: &[JobNumbers]) -> Value {
    let good = recent.iter().filter(|job| job.succeeded()).count();
    let all = aq_runner::insights::insights(recent.iter().cloned(), None).all;
    json!({
        "good": good,
        "failed": recent.len() - good,
        "median_s": all.median_s,
        "input_tokens": all.input_tokens,
        "output_tokens": all.output_tokens,
        "cost_usd": all.cost_usd,
    })
}

/// What `aq submit` did.
pub(crate) fn submitted(jobs: &[(JobId, FleetSubmission)], version: JsonVersion) {
    let one = |(name, job): &(JobId, FleetSubmission)| {
        json!({
            "name": name.as_str(), "job_id": job.job.to_string(), "key": job.key, "new": job.is_new,
        })
    };
    let jobs: Vec<Value> = jobs.iter().map(one).collect();
    value(&json!({ "version": version.number(), "submitted": jobs }));
}

/// `aq fleet-status`: this host's part, and the coordinator's own answers as they are.
pub(crate) fn fleet(own: Option<&FleetPart>, fleet: Option<&FleetOverview>, version: JsonVersion) {
    let jobs = |fleet: &FleetOverview| -> Vec<Value> {
        let with_reason = |(job, why): &(JobSummary, Option<GivenReason>)| {
            let mut shape = json!(job);
            if let Value::Object(keys) = &mut shape {
                let why = why.as_ref().map(|why| CodedReason::from(why).shape(version));
                keys.insert("waiting".to_owned(), json!(why));
            }
            shape
        };
        fleet.jobs.iter().map(with_reason).collect()
    };
    value(&json!({
        "version": version.number(),
        "own": own.map(part_shape),
        "stats": fleet.map(|fleet| json!(fleet.stats)),
        "factories": fleet.map(|fleet| json!(fleet.factories)),
        "jobs": fleet.map(jobs),
        "more_jobs": fleet.map(|fleet| fleet.more),
    }));
}

/// `aq fleet jobs`: the coordinator's own answer, with the host that has each job's logs.
pub(crate) fn fleet_jobs(found: &FleetJobs, version: JsonVersion) {
    let one = |job: &JobSummary| {
        let mut shape = json!(job);
        if let Value::Object(keys) = &mut shape {
            let host = log_host(job);
            let machine = host.and_then(|host| found.machines.get(host));
            keys.insert("logs".to_owned(), json!({ "host": host, "machine": machine }));
        }
        shape
    };
    let jobs: Vec<Value> = found.jobs.iter().map(one).collect();
    value(&json!({ "version": version.number(), "jobs": jobs }));
}

/// A line of `aq fleet events`: the coordinator's own message, with a version.
pub(crate) fn fleet_event(event: &FeedEvent, version: JsonVersion) {
    let mut shape = json!(event);
    if let Value::Object(keys) = &mut shape {
        keys.insert("version".to_owned(), version.number().into());
    }
    tame(&mut shape);
    super::exactly(format!("{shape}\n").as_bytes());
}

fn part_shape(part: &FleetPart) -> Value {
    json!({ "switches": part.switches, "factory": part.factory, "unsent": part.unsent })
}

pub(crate) fn job(job: &JobView, base: Option<&BuildsOn>, now: Timestamp, version: JsonVersion) {
    let mut shape = json!(JobShape::of(job, now, version));
    if let Value::Object(keys) = &mut shape {
        keys.insert("builds_on".to_owned(), base.map(base_shape).into());
        if let (Some(base), Some(Value::Array(warnings))) = (base, keys.get_mut("warnings")) {
            warnings.extend(shapes(version, changed_deps(base)));
        }
        keys.insert("version".to_owned(), version.number().into());
    }
    value(&shape);
}

/// The base of a job.
fn base_shape(base: &BuildsOn) -> Value {
    let dep = |dep: &BuiltDep| {
        let change = dep.change.as_ref().map(DepChange::code);
        json!({ "job": dep.job.as_str(), "commit": dep.commit.as_str(), "change": change })
    };
    let deps: Vec<Value> = base.deps.iter().map(dep).collect();
    json!({ "start": base.start, "commit": base.commit.as_str(), "deps": deps })
}

pub(crate) fn capabilities(host: &HostReport, sandbox: &KernelFeatures, version: JsonVersion) {
    let one = |advertised: &aq_runner::run::host::AdvertisedToken| {
        json!({
            "token": advertised.token.to_string(), "from": advertised.source.to_string(),
        })
    };
    let tokens: Vec<Value> = host.tokens.iter().map(one).collect();
    let problems = shapes(version, host.problems.iter().map(CodedReason::from));
    let level = sandbox.level();
    let item = |state: &ItemState| json!({ "item": state.item.as_str(), "lacks": state.lacks });
    let items: Vec<Value> = items(level, sandbox).iter().map(item).collect();
    value(&json!({
        "version": version.number(),
        "tokens": tokens,
        "absent": host.absent,
        "problems": problems,
        "sandbox": { "level": level.as_str(), "items": items },
    }));
}

pub(crate) fn numbers(job: &JobNumbers, version: JsonVersion) {
    let mut shape = numbers_shape(job);
    if let Value::Object(keys) = &mut shape {
        keys.insert("version".to_owned(), version.number().into());
    }
    value(&shape);
}

pub(crate) fn insights(found: &QueueInsights, version: JsonVersion) {
    let jobs: Vec<Value> = found.jobs.iter().map(numbers_shape).collect();
    let engines: Vec<Value> = found.engines.iter().map(group_shape).collect();
    let profiles: Vec<Value> = found.profiles.iter().map(group_shape).collect();
    let zone = TimeZone::system();
    let days: Vec<Value> = days(&found.jobs, &zone).iter().map(day_shape).collect();
    value(&json!({
        "version": version.number(),
        "all": group_shape(&found.all),
        "engines": engines,
        "profiles": profiles,
        "no_profile": found.no_profile.as_ref().map(group_shape),
        "days": days,
        "time_zone": super::time::zone_name(&zone),
        "jobs": jobs,
    }));
}

fn day_shape(day: &InsightsDay) -> Value {
    let engines: Vec<Value> = day.engines.iter().map(group_shape).collect();
    json!({ "date": day.date, "all": group_shape(&day.all), "engines": engines })
}

/// The numbers of a job; `null` is a number that is not known.
fn numbers_shape(job: &JobNumbers) -> Value {
    json!({
        "id": job.id.as_str(),
        "stage": job.stage.folder(),
        "engine": job.engine,
        "profile": job.profile,
        "result": job.outcome.map(Outcome::as_str),
        "ended_at": job.ended_at,
        "attempts": job.attempts,
        "duration_s": job.duration_s,
        "input_tokens": job.input_tokens,
        "cached_tokens": job.cached_tokens,
        "cache_write_tokens": job.cache_write_tokens,
        "output_tokens": job.output_tokens,
        "reasoning_tokens": job.reasoning_tokens,
        "cost_usd": job.cost_usd,
        "usage_estimated": job.estimated,
        "tracker_item": job.tracker_item,
        "tracker_echoed": job.tracker_echoed,
    })
}

/// The item of a job, and what its tracker got.
fn tracker_shape(tracker: &TrackerView, version: JsonVersion) -> Value {
    let problem = tracker.problem.as_ref();
    let problem =
        problem.map(|text| CodedReason::new("not_told", Value::Null, text).shape(version));
    json!({
        "item": tracker.item,
        "echoed": tracker.echoed,
        "waiting": tracker.waiting,
        "problem": problem,
    })
}

fn group_shape(group: &InsightsGroup) -> Value {
    json!({
        "name": group.name,
        "jobs": group.jobs,
        "succeeded": group.succeeded,
        "shipped": group.shipped,
        "attempts": group.attempts,
        "success_rate": group.success_rate(),
        "attempts_per_success": group.attempts_per_success(),
        "median_s": group.median_s,
        "min_s": group.spread.map(|spread| spread.min_s),
        "lower_quartile_s": group.spread.map(|spread| spread.lower_s),
        "upper_quartile_s": group.spread.map(|spread| spread.upper_s),
        "max_s": group.spread.map(|spread| spread.max_s),
        "input_tokens": group.input_tokens,
        "cached_tokens": group.cached_tokens,
        "cache_write_tokens": group.cache_write_tokens,
        "output_tokens": group.output_tokens,
        "reasoning_tokens": group.reasoning_tokens,
        "cache_share": group.cache_share(),
        "cost_usd": group.cost_usd,
        "cost_per_shipped": group.cost_per_shipped(),
        "usage_estimated": group.estimated,
    })
}

/// An engine that is installed and may not simply be used.
fn resting_shape(name: &str, state: &EngineState) -> Value {
    let (word, until, reason) = match state {
        EngineState::Missing => ("missing", None, None),
        EngineState::Absent { .. } => ("absent", None, None),
        EngineState::Ready { limit: None } => ("ready", None, None),
        EngineState::Ready { limit: Some(_) } => ("probe", None, None),
        EngineState::CoolingDown { until } => ("cooling_down", Some(until), None),
        EngineState::OutOfUse { reason } => ("out_of_use", None, Some(reason)),
    };
    json!({ "name": name, "state": word, "until": until, "reason": reason })
}
