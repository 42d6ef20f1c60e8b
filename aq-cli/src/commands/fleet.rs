//! `aq fleet`: what an operator asks of a fleet.

mod events;
mod jobs;
mod wishes;

use aq_runner::run::FleetSettings;

use super::CliContext;
use super::lazy_args::LazyArgs;
use crate::exit::{CliFailure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:  aq fleet jobs --state failed\n           \
                  aq fleet events --follow\n           \
                  aq fleet drain mill-1"
)]
pub(crate) struct FleetArgs {
    #[command(subcommand)]
    verb: FleetVerb,
}

#[derive(Debug, clap::Subcommand)]
enum FleetVerb {
    /// List jobs of the fleet: where each is, who has or had it, and what became of it.
    ///
    /// Without a filter those that have not ended. The logs of a job are on its host.
    Jobs(LazyArgs<jobs::FleetJobsArgs>),
    /// Show what happened in the fleet, or follow it.
    Events(LazyArgs<events::EventsArgs>),
    /// Let a host take no more jobs, or take that back.
    ///
    /// It gives back what it has not started, and ends what it has.
    Drain(LazyArgs<wishes::DrainWish>),
    /// Stop jobs for good: they fail as `stopped`.
    ///
    /// What nobody has fails at once; else the job's host learns it with its next heartbeat.
    Cancel(LazyArgs<wishes::CancelWish>),
    /// Put failed jobs back, as if they had never run; their work so far is kept.
    Requeue(LazyArgs<wishes::RequeueWish>),
}

pub(crate) fn run(here: &CliContext, args: &FleetArgs) -> Outcome {
    match &args.verb {
        FleetVerb::Jobs(LazyArgs(args)) => jobs::run(here, args),
        FleetVerb::Events(LazyArgs(args)) => events::run(here, args),
        FleetVerb::Drain(LazyArgs(args)) => wishes::drain(here, args),
        FleetVerb::Cancel(LazyArgs(args)) => wishes::cancel(here, args),
        FleetVerb::Requeue(LazyArgs(args)) => wishes::requeue(here, args),
    }
}

/// The coordinator that is meant, with a warning where others can listen.
fn coordinator(here: &CliContext) -> Result<FleetSettings, CliFailure> {
    let settings = FleetSettings::of_coordinator(&here.environment)?;
    if let Some(warning) = settings.address_warning() {
        output::warning(warning);
    }
    Ok(settings)
}
