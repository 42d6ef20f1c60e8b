//! `aq profiles`

use aq_runner::store::{ProfileError, load_profile, profile_names};

use super::CliContext;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq profiles")]
pub(crate) struct ProfilesArgs {}

pub(crate) fn run(here: &CliContext, _args: &ProfilesArgs) -> Outcome {
    let profiles = here.profiles()?;
    here.queue_if_any()?;
    let names = profile_names(&profiles);
    if names.is_empty() {
        let why = if profiles.is_dir() { "" } else { ", which is no directory" };
        let shown = output::style::plain(&profiles.display().to_string());
        output::line(format_args!("there is no profile in {shown}{why}"));
    }
    let mut exit = CliExit::Done;
    for name in names {
        match load_profile(&profiles, &name, output::lines_in_colour()) {
            Ok(profile) => output::line(output::human::profile(&profile)),
            Err(ProfileError::Missing(problem)) => {
                return Err(CliFailure::new(CliExit::NotFound, problem));
            }
            Err(ProfileError::Invalid(invalid)) => {
                output::line(invalid);
                exit = CliExit::Usage;
            }
        }
    }
    Ok(exit)
}
