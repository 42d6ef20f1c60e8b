//! `aq engines`

use super::Here;
use crate::exit::{Exit, Outcome};
use crate::output;

/// List the engines: which are installed, their classes, and how to name another binary.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq engines")]
pub(crate) struct Args {
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(here: &Here, args: &Args) -> Outcome {
    let queue = here.queue_if_any()?;
    let settings = here.settings_if_any(queue.as_ref())?;
    let engines = settings.engines.info();
    if args.json {
        output::json::engines(&engines);
    } else {
        output::human::engines(&engines);
    }
    Ok(Exit::Done)
}
