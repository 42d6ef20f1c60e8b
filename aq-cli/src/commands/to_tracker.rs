//! `aq to-tracker`

use aq_runner::run::{TrackError, UpdateOutcome, to_tracker};

use super::CliContext;
use super::cli_context::job_id;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::style::plain;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq to-tracker fix-login")]
pub(crate) struct ToTrackerArgs {
    /// The jobs
    #[arg(required = true, value_name = "JOB", add = super::completions::jobs())]
    jobs: Vec<String>,
}

pub(crate) fn run(here: &CliContext, args: &ToTrackerArgs) -> Outcome {
    let queue = here.trusted_queue()?;
    let settings = here.settings(&queue)?;
    for job in &args.jobs {
        let id = job_id(job)?;
        output::line(match to_tracker(&queue, &settings, &id)? {
            UpdateOutcome::Told { item, status } => {
                format!("{id}: {} is {} now", plain(&item), plain(&status))
            }
            UpdateOutcome::Known { item } => format!("{id}: {} knows that already", plain(&item)),
            UpdateOutcome::Nothing { stage } => {
                format!("{id} is in {stage}/, of which trackers are not told")
            }
        });
    }
    Ok(CliExit::Done)
}

impl From<TrackError> for CliFailure {
    fn from(error: TrackError) -> Self {
        match error {
            TrackError::Add(error) => error.into(),
            TrackError::Store(error) => error.into(),
            TrackError::Item(_) | TrackError::Unfit { .. } | TrackError::Token(_) => {
                Self::usage(plain(&error.to_string()))
            }
            TrackError::NoItem(_) | TrackError::Fleet(_) => Self::new(CliExit::Refused, error),
            TrackError::Tracker(ref cause) => {
                let exit = match cause {
                    _ if cause.is_usage() => CliExit::Usage,
                    _ if cause.is_not_found() => CliExit::NotFound,
                    _ => CliExit::Environment,
                };
                Self::new(exit, plain(&error.to_string()))
            }
            _ => Self::new(CliExit::Environment, plain(&error.to_string())),
        }
    }
}
