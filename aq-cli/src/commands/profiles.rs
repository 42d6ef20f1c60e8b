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
        let why = if profiles.is_dir() { "" } else { ", which is no directory" };
        let shown = output::style::plain(&profiles.display().to_string());
        output::line(format_args!("there is no profile in {shown}{why}"));
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
