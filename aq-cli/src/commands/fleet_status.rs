//! `aq fleet-status`

use aq_runner::run::{FleetSettings, fleet_overview, fleet_part};

use super::CliContext;
use crate::exit::{CliExit, Outcome};
use crate::output;
use crate::output::json::JsonOption;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq fleet-status")]
pub(crate) struct FleetStatusArgs {
    #[command(flatten)]
    json: JsonOption,
}

pub(crate) fn run(here: &CliContext, args: &FleetStatusArgs) -> Outcome {
    let queue = here.queue_if_any()?;
    let part = fleet_part(queue.as_ref(), &here.environment)?;
    let fleet = match FleetSettings::read(&here.environment)? {
        Some(settings) => {
            if let Some(warning) = settings.address_warning() {
                output::warning(warning);
            }
            Some(fleet_overview(&settings)?)
        }
        None => None,
    };
    if let Some(version) = args.json.version {
        output::json::fleet(part.as_ref(), fleet.as_ref(), version);
    } else {
        output::fleet::status(part.as_ref(), fleet.as_ref());
    }
    Ok(CliExit::Done)
}
