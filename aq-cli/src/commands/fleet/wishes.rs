//! `aq fleet drain`, `cancel`, `requeue`: a person's word about a host or a job.

use aq_fleet::protocol::{FactoryId, FleetJobId, JobSummary};
use aq_runner::run::{
    FleetError, FleetSettings, cancel_fleet_job, drain_host, find_fleet_job, requeue_fleet_job,
};

use super::CliContext;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::style::plain;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:  aq fleet drain mill-1\n           aq fleet drain mill-1 --off")]
pub(crate) struct DrainWish {
    /// The host's name in the fleet
    host: FactoryId,
    /// Let it take jobs again
    #[arg(long)]
    off: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq fleet cancel nightly")]
pub(crate) struct CancelWish {
    /// The jobs, each by its id, its key or its name
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq fleet requeue nightly")]
pub(crate) struct RequeueWish {
    /// The jobs, each by its id, its key or its name
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
}

pub(super) fn drain(here: &CliContext, args: &DrainWish) -> Outcome {
    let settings = super::coordinator(here)?;
    drain_host(&settings, &args.host, !args.off).map_err(|error| {
        let failure = CliFailure::from(error);
        match failure.exit {
            CliExit::NotFound => {
                let message = format_args!("{failure}; `aq fleet-status` lists the hosts");
                CliFailure::new(CliExit::NotFound, message)
            }
            _ => failure,
        }
    })?;
    output::line(output::fleet_jobs::drained(&args.host, args.off));
    Ok(CliExit::Done)
}

pub(super) fn cancel(here: &CliContext, args: &CancelWish) -> Outcome {
    each(here, &args.jobs, cancel_fleet_job, output::fleet_jobs::cancelled)
}

pub(super) fn requeue(here: &CliContext, args: &RequeueWish) -> Outcome {
    each(here, &args.jobs, requeue_fleet_job, output::fleet_jobs::requeued)
}

/// Asks the same for each job. One that cannot be does not stop the next.
fn each(
    here: &CliContext,
    jobs: &[String],
    ask: fn(&FleetSettings, FleetJobId) -> Result<JobSummary, FleetError>,
    shown: fn(&JobSummary) -> String,
) -> Outcome {
    let settings = super::coordinator(here)?;
    let mut failures = Vec::new();
    for job in jobs {
        match find_fleet_job(&settings, job).and_then(|id| ask(&settings, id)) {
            Ok(job) => output::line(shown(&job)),
            Err(error) => failures.push(failure(job, error)),
        }
    }
    let Some(last) = failures.pop() else { return Ok(CliExit::Done) };
    for failure in &failures {
        output::error(failure);
    }
    Err(last)
}

fn failure(job: &str, error: FleetError) -> CliFailure {
    let failure = match error {
        // What the coordinator says names no job, or an id.
        FleetError::Call(_) => CliFailure::from(error).about(&plain(job)),
        _ => error.into(),
    };
    match failure.exit {
        CliExit::NotFound => CliFailure::new(
            CliExit::NotFound,
            format_args!("{failure}; `aq fleet jobs --all` lists the jobs"),
        ),
        _ => failure,
    }
}
