//! `aq status`

use std::io::IsTerminal;
use std::time::Duration;

use aq_runner::run::{Overview, overview};
use jiff::Timestamp;

use super::Here;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::output::style::plain;

/// How often `--watch` looks again.
const REDRAW: Duration = Duration::from_secs(1);

/// Waiting jobs that are shown unless all are asked for.
const SHOWN: usize = 40;

/// Ended jobs that are shown unless all are asked for.
const SHOWN_ENDED: usize = 10;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:  aq status\n           aq status --watch\n           aq status --json | jq '.jobs[] | select(.stage == \"failed\")'"
)]
pub(crate) struct Args {
    /// Look again every second, redrawing in place
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Show every job, however many there are
    #[arg(long)]
    all: bool,
    /// Answer in JSON: every job that has not ended and the 10 that ended last, with --all all
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(here: &Here, args: &Args) -> Outcome {
    let look = || -> Result<(Overview, Option<String>), Failure> {
        let queue = here.queue()?;
        let (settings, warning) = here.settings_or_last(&queue)?;
        let ended = if args.all { usize::MAX } else { SHOWN_ENDED };
        let mut overview = overview(&queue, &settings, ended, Timestamp::now())?;
        if here.untrusted(&queue).is_some() {
            overview.distrust();
        }
        Ok((overview, warning))
    };
    let shown = if args.all { usize::MAX } else { SHOWN };
    if args.watch {
        if !std::io::stdout().is_terminal() {
            return Err(Failure::usage("--watch redraws a terminal, and the output is none"));
        }
        output::clear_screen();
        // Ends with the signal that a person sends, or with the terminal.
        loop {
            let (overview, warning) = look()?;
            let warning = warning.map_or(String::new(), |text| format!("{text}\n"));
            // What was said of the queue is off the screen by now.
            let untrusted = here.untrusted(&here.queue()?);
            let untrusted = untrusted.map_or(String::new(), |why| plain(&why.to_string()) + "\n");
            let text = untrusted + &warning + &output::status::status(&overview, shown);
            if !output::redraw(&text) {
                return Ok(Exit::Done);
            }
            std::thread::sleep(REDRAW);
        }
    }
    let (overview, warning) = look()?;
    warning.iter().for_each(|text| output::warning(text));
    if args.json {
        output::json::status(&overview);
    } else {
        output::line(output::status::status(&overview, shown).trim_end());
    }
    Ok(Exit::Done)
}
