//! `aq engines`

use super::Here;
use crate::app::Outcome;
use crate::exit::Exit;
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
    let queue = here.queue_or_new()?;
    let settings = here.settings(&queue)?;
    let engines = settings.engines.info();
    if args.json {
        output::json::engines(&engines);
    } else {
        output::human::engines(&engines);
    }
    Ok(Exit::Done)
}
