//! `aq engines`

use aq_runner::run::{resting_engines, retry_engine};
use jiff::Timestamp;

use super::Here;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:  aq engines\n           aq engines --retry claude")]
pub(crate) struct Args {
    /// Use this engine again, although it rests after a limit or is out of use
    #[arg(long, value_name = "NAME", conflicts_with = "json")]
    retry: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(here: &Here, args: &Args) -> Outcome {
    if let Some(name) = &args.retry {
        return retry(here, name);
    }
    let queue = here.queue_if_any()?;
    let settings = here.settings_if_any(queue.as_ref())?;
    let engines = settings.engines.info();
    if args.json {
        output::json::engines(&engines);
        return Ok(Exit::Done);
    }
    output::human::engines(&engines);
    if let Some(queue) = queue {
        let now = Timestamp::now();
        output::status::resting(&resting_engines(&queue, &settings, now), now);
    }
    Ok(Exit::Done)
}

fn retry(here: &Here, name: &str) -> Outcome {
    let queue = here.trusted_queue()?;
    let settings = here.settings(&queue)?;
    if !settings.engines.names().any(|known| known == name) {
        return Err(Failure::usage(format_args!("there is no engine {name:?}; see `aq engines`")));
    }
    output::line(if retry_engine(&queue, name)? {
        format!("engine {name} is used again")
    } else {
        format!("engine {name} was not resting")
    });
    Ok(Exit::Done)
}
