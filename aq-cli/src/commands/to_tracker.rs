//! `aq to-tracker`

use aq_runner::run::{Echoed, TrackError, to_tracker};

use super::Here;
use super::here::job_id;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::output::style::plain;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq to-tracker fix-login")]
pub(crate) struct Args {
    /// The jobs
    #[arg(required = true, value_name = "JOB", add = super::completions::jobs())]
    jobs: Vec<String>,
}

pub(crate) fn run(here: &Here, args: &Args) -> Outcome {
    let queue = here.trusted_queue()?;
    let settings = here.settings(&queue)?;
    for job in &args.jobs {
        let id = job_id(job)?;
        output::line(match to_tracker(&queue, &settings, &id)? {
            Echoed::Told { item, status } => {
                format!("{id}: {} is {} now", plain(&item), plain(&status))
            }
            Echoed::Known { item } => format!("{id}: {} knows that already", plain(&item)),
            Echoed::Nothing { stage } => {
                format!("{id} is in {stage}/, of which trackers are not told")
            }
        });
    }
    Ok(Exit::Done)
}

impl From<TrackError> for Failure {
    fn from(error: TrackError) -> Self {
        match error {
            TrackError::Add(error) => error.into(),
            TrackError::Store(error) => error.into(),
            TrackError::Item(_) | TrackError::Unfit { .. } | TrackError::Token(_) => {
                Self::usage(plain(&error.to_string()))
            }
            TrackError::NoItem(_) | TrackError::Fleet(_) => Self::new(Exit::Refused, error),
            TrackError::Tracker(ref cause) => {
                let exit = match cause {
                    _ if cause.is_usage() => Exit::Usage,
                    _ if cause.is_not_found() => Exit::NotFound,
                    _ => Exit::Environment,
                };
                Self::new(exit, plain(&error.to_string()))
            }
        }
    }
}
