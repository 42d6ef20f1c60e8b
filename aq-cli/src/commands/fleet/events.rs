//! `aq fleet events`

use std::time::Duration;

use aq_fleet::client::CallError;
use aq_fleet::protocol::FeedEvent;
use aq_manifest::parse_duration;
use aq_runner::run::{FleetError, FleetEvents};
use jiff::Timestamp;

use super::CliContext;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::json::JsonOption;

/// The span that the answer goes back when nobody says.
const RECENT: Duration = Duration::from_secs(60 * 60);

/// The pause before a coordinator that is away is asked again.
const AGAIN: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:  aq fleet events --since 1d\n           \
                  aq fleet events --follow\n           \
                  aq fleet events --follow --json --after 812")]
pub(crate) struct EventsArgs {
    /// Go on with what happens, until Ctrl-C; without --since and --after from now on
    #[arg(long, short)]
    follow: bool,
    /// From so long ago on [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "after")]
    since: Option<Duration>,
    /// From behind the event with this id on, as --json shows it
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
    #[command(flatten)]
    json: JsonOption,
}

pub(super) fn run(here: &CliContext, args: &EventsArgs) -> Outcome {
    let settings = super::coordinator(here)?;
    let recent = (!args.follow && args.after.is_none()).then_some(RECENT);
    let mut events = FleetEvents::open(&settings, args.after, args.since.or(recent))?;
    let mut is_first = true;
    let mut is_away = false;
    loop {
        // The first answer is not waited for: it says whether there is somebody to follow.
        let page = match events.next_page(args.follow && !is_first) {
            Ok(page) => page,
            Err(FleetError::Call(error)) if args.follow && !is_first && is_passing(&error) => {
                if !std::mem::replace(&mut is_away, true) {
                    output::error(&CliFailure::from(FleetError::Call(error)));
                }
                std::thread::sleep(AGAIN);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        is_away = false;
        let now = Timestamp::now();
        let gap = page.gone.map(FeedEvent::gap);
        for event in gap.iter().chain(&page.events) {
            match args.json.version {
                Some(version) => output::json::fleet_event(event, version),
                None => output::line(output::fleet_jobs::event(event, now)),
            }
        }
        if output::is_cut() || !args.follow && page.events.is_empty() {
            return Ok(CliExit::Done);
        }
        is_first = false;
    }
}

/// Tests for an error after which the coordinator may be back in a moment.
fn is_passing(error: &CallError) -> bool {
    matches!(error, CallError::Unreachable { .. })
}
