//! `aq insights`

use aq_manifest::parse_duration;
use aq_runner::insights::insights;
use aq_runner::run::{history, job_numbers};
use jiff::{SignedDuration, Timestamp};

use super::CliContext;
use super::cli_context::job_id;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::json::JsonOption;

/// Jobs that are listed unless more are asked for.
const SHOWN: usize = 10;

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq insights\n",
        "           aq insights fix-login\n",
        "           aq insights --since 7d --json",
    )
)]
pub(crate) struct InsightsArgs {
    /// Only this job
    #[arg(add = super::completions::jobs())]
    job: Option<String>,
    /// Only jobs that ended within this time, such as 12h or 7d
    #[arg(long, value_name = "DURATION", conflicts_with = "job")]
    since: Option<String>,
    #[command(flatten)]
    json: JsonOption,
}

pub(crate) fn run(here: &CliContext, args: &InsightsArgs) -> Outcome {
    let queue = here.queue()?;
    if let Some(job) = &args.job {
        let numbers = job_numbers(&queue, &job_id(job)?)?;
        if let Some(version) = args.json.version {
            output::json::numbers(&numbers, version);
        } else {
            output::line(output::insights::job(&numbers));
        }
        return Ok(CliExit::Done);
    }
    let since = args.since.as_deref().map(start).transpose()?;
    let found = insights(history(&queue)?, since);
    if let Some(version) = args.json.version {
        output::json::insights(&found, version);
    } else {
        output::line(output::insights::all(&found, SHOWN));
    }
    Ok(CliExit::Done)
}

/// The time so long ago.
fn start(ago: &str) -> Result<Timestamp, CliFailure> {
    let ago =
        parse_duration(ago).map_err(|e| CliFailure::usage(format_args!("--since {ago}: {e}")))?;
    let ago = SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX);
    Ok(Timestamp::now().saturating_sub(ago).unwrap_or(Timestamp::MIN))
}
