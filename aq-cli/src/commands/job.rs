//! `aq promote`, `ship`, `reject`, `requeue`: one step of one job each.

use aq_ledger::RecordKey;
use aq_manifest::{JobId, Outcome as JobResult, ShipMode, Stage};
use aq_runner::run::{self, TrainEnd};
use aq_runner::store::{JobRecord, QueueDir};
use jiff::Timestamp;

use super::CliContext;
use super::cli_context::job_id;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::style::plain;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq promote fix-login")]
pub(crate) struct PromoteArgs {
    /// The job
    #[arg(add = super::completions::jobs_in(&[Stage::Review, Stage::Testing]))]
    job: String,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:  aq ship fix-login\n           aq ship --merge fix-login\n           \
                  aq ship --pr fix-login\n\n\
                  Without --accept, --merge and --pr each job goes as `ship` of its file or of\n\
                  config.yaml says. With `ship: merge` that is the merge train: the checks run on\n\
                  the merge, and work that does not go in goes back to its agent."
)]
pub(crate) struct ShipArgs {
    /// Accept the work and leave its branch as it is
    #[arg(long, conflicts_with_all = ["merge", "pr"])]
    accept: bool,
    /// Merge the job's branch, with what was corrected in its checkout, into the branch that it
    /// started from, at once; when that does not go cleanly, that branch is not changed and the job
    /// is not shipped
    #[arg(long)]
    merge: bool,
    /// Push the job's branch and open a pull request, or give the one that is open the newest work;
    /// the job is shipped when that is merged
    #[arg(long, conflicts_with = "merge")]
    pr: bool,
    /// Also jobs whose branch does not hold all of their work, which `aq why` names
    #[arg(long)]
    leave_out: bool,
    /// The jobs
    #[arg(required = true, add = super::completions::jobs_in(&[Stage::Review, Stage::Testing]))]
    jobs: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq reject fix-login --reason 'not wanted any more'\n",
        "           aq reject fix-login --requeue --reason 'breaks the tests'",
    )
)]
pub(crate) struct RejectArgs {
    /// The job
    #[arg(add = super::completions::jobs_in(&[Stage::Review, Stage::Testing]))]
    job: String,
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
    /// Have the same session mend it: it gets the reason
    #[arg(long, requires = "reason")]
    requeue: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:  aq requeue fix-login\n           aq requeue --failed\n           \
                  aq requeue --result timeout"
)]
pub(crate) struct RequeueArgs {
    /// The jobs
    #[arg(
        required_unless_present_any = ["failed", "results", "all"],
        conflicts_with_all = ["failed", "results", "all"],
        add = super::completions::jobs_in(&[Stage::Failed, Stage::Quarantine])
    )]
    jobs: Vec<String>,
    /// All that failed by themselves: not those that a person stopped or rejected
    #[arg(long)]
    failed: bool,
    /// All that ended with this result, such as timeout; may be repeated
    #[arg(long = "result", value_name = "RESULT", value_parser = result_word)]
    results: Vec<JobResult>,
    /// All in failed/
    #[arg(long, conflicts_with_all = ["failed", "results"])]
    all: bool,
    /// Also jobs in quarantine/
    #[arg(long)]
    force: bool,
    /// Go on where they ended: in the same session, which learns why they failed
    #[arg(long)]
    resume: bool,
}

/// A job's result, from an argument.
fn result_word(text: &str) -> Result<JobResult, String> {
    let shape = text.replace('-', "_");
    shape.parse().map_err(|_| {
        let ends = JobResult::ALL
            .iter()
            .filter(|result| !matches!(result, JobResult::Success | JobResult::Shipped));
        let words: Vec<String> = ends.map(ToString::to_string).collect();
        format!("no result is called so; it can be {}", words.join(", "))
    })
}

pub(crate) fn promote(here: &CliContext, args: &PromoteArgs) -> Outcome {
    let queue = here.trusted_queue()?;
    let id = job_id(&args.job)?;
    let is_finished = queue.expect(&id)? == Stage::Testing;
    let way = if is_finished { way_to_ship(here, &queue, &id)? } else { ShipMode::Accept };
    let now = Timestamp::now();
    if way == ShipMode::Merge {
        let end = run::ship_by_train(&queue, &here.environment, &id, &here.program()?, now)?;
        output::line(by_the_train(&id, &end)?);
        return Ok(CliExit::Done);
    }
    if way == ShipMode::Pr {
        let (settings, _) = here.settings_or_last(&queue)?;
        let progress = run::ship_by_pull(&queue, &settings, &id, false, now)?;
        output::line(output::job::pulled(&id, &progress));
        return Ok(CliExit::Done);
    }
    let stage = run::promote(&queue, &here.environment, &id, &here.program()?, Timestamp::now())?;
    let record = JobRecord::read(&queue, stage, id)?;
    output::line(output::job::moved(&record));
    Ok(if matches!(stage, Stage::Testing | Stage::Shipped) { CliExit::Done } else { CliExit::No })
}

pub(crate) fn ship(here: &CliContext, args: &ShipArgs) -> Outcome {
    let queue = here.trusted_queue()?;
    let jobs: Vec<JobId> = args.jobs.iter().map(|job| job_id(job)).collect::<Result<_, _>>()?;
    let mut failures = Vec::new();
    // One that cannot go does not stop the next.
    for id in &jobs {
        match ship_one(here, &queue, args, id) {
            Ok(line) => output::line(line),
            Err(failure) => failures.push(failure),
        }
    }
    if jobs.len() > 1 && !failures.is_empty() {
        let done = jobs.len() - failures.len();
        output::line(format_args!("{done} of {} are shipped", jobs.len()));
    }
    let Some(last) = failures.pop() else { return Ok(CliExit::Done) };
    for failure in &failures {
        output::error(failure);
    }
    Err(last)
}

fn ship_one(
    here: &CliContext,
    queue: &QueueDir,
    args: &ShipArgs,
    id: &JobId,
) -> Result<String, CliFailure> {
    let now = Timestamp::now();
    let by_train = |way| way == ShipMode::Merge && !args.leave_out;
    match (args.accept, args.merge, args.pr) {
        (true, ..) => return accept_one(here, queue, args, id),
        (_, true, _) => {}
        (.., true) => return pull_one(here, queue, args, id),
        _ => match way_to_ship(here, queue, id)? {
            ShipMode::Accept => return accept_one(here, queue, args, id),
            ShipMode::Pr => return pull_one(here, queue, args, id),
            way if by_train(way) => {
                let end = run::ship_by_train(queue, &here.environment, id, &here.program()?, now)?;
                return by_the_train(id, &end);
            }
            ShipMode::Merge => {}
        },
    }
    let (settings, _) = here.settings_or_last(queue)?;
    let merged = run::ship_merged(queue, &settings, id, args.leave_out, now)?;
    let update = match (merged.checkout, merged.submodules.is_empty()) {
        (Some(root), false) => format!(
            "; in {} `git submodule update {}` brings the files of submodules up to date",
            root.display(),
            merged.submodules.join(" ")
        ),
        _ => String::new(),
    };
    let at = merged.remote.map_or(String::new(), |remote| format!(" of {remote}"));
    Ok(format!("{id} is merged into {}{at} and shipped{update}", merged.into))
}

fn accept_one(
    here: &CliContext,
    queue: &QueueDir,
    args: &ShipArgs,
    id: &JobId,
) -> Result<String, CliFailure> {
    run::ship(queue, &here.environment, id, args.leave_out, Timestamp::now())?;
    Ok(format!("{id} is shipped"))
}

fn pull_one(
    here: &CliContext,
    queue: &QueueDir,
    args: &ShipArgs,
    id: &JobId,
) -> Result<String, CliFailure> {
    let (settings, _) = here.settings_or_last(queue)?;
    let progress = run::ship_by_pull(queue, &settings, id, args.leave_out, Timestamp::now())?;
    Ok(output::job::pulled(id, &progress))
}

fn way_to_ship(here: &CliContext, queue: &QueueDir, id: &JobId) -> Result<ShipMode, CliFailure> {
    let (settings, _) = here.settings_or_last(queue)?;
    Ok(run::way_to_ship(queue, &settings, id)?)
}

/// The line of a job that was merged; what became of another one.
pub(crate) fn by_the_train(id: &JobId, end: &TrainEnd) -> Result<String, CliFailure> {
    let why = plain(end.refusal.as_deref().unwrap_or("its worker ended too early"));
    match (end.stage, &end.merged_into) {
        (Stage::Shipped, Some(into)) => {
            Ok(format!("{id} is merged into {} and shipped", plain(into)))
        }
        (Stage::Shipped, None) => Ok(format!("{id} is shipped")),
        (Stage::Inbox, _) => {
            let text = format!("job {id} is not merged and goes back to its agent: {why}");
            Err(CliFailure::new(CliExit::No, text))
        }
        (Stage::Testing, _) => {
            Err(CliFailure::new(CliExit::Refused, format!("job {id} is not merged: {why}")))
        }
        (stage, _) => {
            let text = format!("job {id} is not merged and is in {stage}/: {why}");
            Err(CliFailure::new(CliExit::No, text))
        }
    }
}

pub(crate) fn reject(here: &CliContext, args: &RejectArgs) -> Outcome {
    let queue = here.trusted_queue()?;
    let id = job_id(&args.job)?;
    if let (true, Some(reason)) = (args.requeue, &args.reason) {
        run::reject_and_requeue(&queue, &id, reason)?;
        output::line(format_args!("{id} is back in the inbox; its next attempt is told why"));
        return Ok(CliExit::Done);
    }
    run::reject(&queue, &id, args.reason.as_deref(), Timestamp::now())?;
    output::line(format_args!("{id} is rejected; `aq requeue {id}` runs it again"));
    Ok(CliExit::Done)
}

pub(crate) fn requeue(here: &CliContext, args: &RequeueArgs) -> Outcome {
    let queue = here.trusted_queue()?;
    let is_named = !args.jobs.is_empty();
    let jobs = match is_named {
        true => args.jobs.iter().map(|job| job_id(job)).collect::<Result<_, _>>()?,
        false => requeued(&queue, args)?,
    };
    if jobs.is_empty() {
        output::line("no job is to be put back: none in failed/ has ended so");
    }
    let mut failures = Vec::new();
    let mut done = 0_usize;
    // One that cannot go does not stop the next.
    for id in &jobs {
        let (put_back, goes_on) = match args.resume {
            true => (run::resume(&queue, id, args.force), "; it goes on where it ended"),
            false => (run::requeue(&queue, id, args.force), ""),
        };
        match put_back {
            Ok(()) => {
                done += 1;
                output::line(format_args!("{id} is back in the inbox{goes_on}"));
            }
            Err(error) => failures.push(CliFailure::from(error)),
        }
    }
    if jobs.len() > 1 && !failures.is_empty() {
        output::line(format_args!("{done} of {} are back in the inbox", jobs.len()));
    }
    let Some(last) = failures.pop() else { return Ok(CliExit::Done) };
    failures.iter().for_each(output::error);
    Err(last)
}

/// The jobs that the flags mean, in the order of their names.
fn requeued(queue: &QueueDir, args: &RequeueArgs) -> Result<Vec<JobId>, CliFailure> {
    let mut jobs = Vec::new();
    let stages = [Some(Stage::Failed), args.force.then_some(Stage::Quarantine)];
    for stage in stages.into_iter().flatten() {
        let mut ids = queue.jobs(stage)?;
        ids.sort();
        for id in ids {
            if args.all || is_meant(queue, stage, &id, args) {
                jobs.push(id);
            }
        }
    }
    Ok(jobs)
}

/// True for a job that ended as the flags say. A record that cannot be read, or is put away, says
/// nothing.
fn is_meant(queue: &QueueDir, stage: Stage, id: &JobId, args: &RequeueArgs) -> bool {
    let record = JobRecord::read(queue, stage, id.clone()).ok();
    let result: Option<JobResult> =
        record.and_then(|job| job.meta.get(RecordKey::Result)?.parse().ok());
    let by_person = matches!(result, Some(JobResult::Stopped | JobResult::Rejected));
    args.failed && !by_person || result.is_some_and(|result| args.results.contains(&result))
}
