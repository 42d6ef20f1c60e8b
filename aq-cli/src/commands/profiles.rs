//! `aq profiles`

use aq_runner::store::{ProfileError, load_profile, profile_names};

use super::Here;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq profiles")]
pub(crate) struct Args {}

pub(crate) fn run(here: &Here, _args: &Args) -> Outcome {
    let profiles = here.profiles()?;
    here.queue_if_any()?;
    let names = profile_names(&profiles);
    if names.is_empty() {
        output::line(format_args!("there is no profile in {}", profiles.display()));
    }
    let mut exit = Exit::Done;
    for name in names {
        match load_profile(&profiles, &name, output::lines_in_colour()) {
            Ok(profile) => output::line(output::human::profile(&profile)),
            Err(ProfileError::Missing(problem)) => {
                return Err(Failure::new(Exit::NotFound, problem));
            }
            Err(ProfileError::Invalid(invalid)) => {
                output::line(invalid);
                exit = Exit::Usage;
            }
        }
    }
    Ok(exit)
}
