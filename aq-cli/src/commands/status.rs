//! `aq status`

use std::io::IsTerminal;
use std::time::Duration;

use aq_runner::insights::JobNumbers;
use aq_runner::run::{QueueOverview, brief_overview, overview, recent_numbers};
use jiff::{SignedDuration, Timestamp};

use super::CliContext;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::json::JsonOption;
use crate::output::style::plain;

/// Interval between the looks of `--watch`.
const REDRAW: Duration = Duration::from_secs(1);

/// Waiting jobs that are shown unless all are asked for.
const SHOWN: usize = 40;

/// The time that the line of numbers covers.
const RECENT: SignedDuration = SignedDuration::from_hours(24);

/// Ended jobs that are shown unless all are asked for.
const SHOWN_ENDED: usize = 10;

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq status\n",
        "           aq status --watch\n",
        "           aq status --json | jq '.jobs[] | select(.stage == \"failed\")'",
    )
)]
pub(crate) struct StatusArgs {
    /// Look again every second, redrawing in place
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Show every job, however many there are; without, --json has those that have not ended and
    /// the 10 that ended last
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    json: JsonOption,
}

pub(crate) fn run(here: &CliContext, args: &StatusArgs) -> Outcome {
    let shown = if args.all { usize::MAX } else { SHOWN };
    // What a picture has first may be any job.
    let reads_all = args.all || args.watch || args.json.version.is_some();
    let look = || -> Result<StatusLook, CliFailure> {
        let queue = here.queue()?;
        let (settings, warning) = here.settings_or_last(&queue)?;
        let ended = if args.all { usize::MAX } else { SHOWN_ENDED };
        let now = Timestamp::now();
        let mut overview = match reads_all {
            true => overview(&queue, &settings, ended, now)?,
            false => brief_overview(&queue, &settings, ended, shown, now)?,
        };
        let untrusted = here.untrusted(&queue).map(|why| plain(&why.to_string()));
        if untrusted.is_some() {
            overview.distrust();
        }
        let recent = recent_numbers(&queue, &overview.jobs, now - RECENT)?;
        Ok(StatusLook { overview, recent, untrusted, warning })
    };
    if args.watch {
        if !std::io::stdout().is_terminal() {
            return Err(CliFailure::usage("--watch redraws a terminal, and the output is none"));
        }
        output::clear_screen();
        // Ends with the signal that a person sends, or with the terminal.
        loop {
            let look = look()?;
            // What was said of the queue is off the screen by now.
            let above: Vec<String> = look.untrusted.into_iter().chain(look.warning).collect();
            let size = output::terminal_size();
            let text = output::status::watch(&look.overview, &look.recent, &above, size);
            if !output::redraw(&text) {
                return Ok(CliExit::Done);
            }
            std::thread::sleep(REDRAW);
        }
    }
    let StatusLook { overview, recent, warning, .. } = look()?;
    warning.iter().for_each(|text| output::warning(text));
    if let Some(version) = args.json.version {
        output::json::status(&overview, &recent, version);
    } else {
        output::line(output::status::status(&overview, &recent, shown, output::width()));
    }
    Ok(CliExit::Done)
}

/// One look at everything that is shown.
struct StatusLook {
    overview: QueueOverview,
    recent: Vec<JobNumbers>,
    /// The reason that nothing of the queue is run.
    untrusted: Option<String>,
    warning: Option<String>,
}
