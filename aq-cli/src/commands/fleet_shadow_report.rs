//! `aq fleet-shadow-report`

use aq_runner::run::{AgreementBar, shadow_report};

use super::CliContext;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::json::JsonOption;

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq fleet-shadow-report\n",
        "           aq fleet-shadow-report --min-rate 0.99 && echo ready",
    )
)]
pub(crate) struct ShadowReportArgs {
    /// Decisions that have to be compared
    #[arg(long, value_name = "N", default_value_t = 200)]
    min_samples: u64,
    /// The agreement rate that has to be sure, from 0 to 1
    #[arg(long, value_name = "RATE", default_value_t = 0.98)]
    min_rate: f64,
    #[command(flatten)]
    json: JsonOption,
}

pub(crate) fn run(here: &CliContext, args: &ShadowReportArgs) -> Outcome {
    let bar = AgreementBar::new(args.min_samples, args.min_rate)
        .map_err(|e| CliFailure::usage(format_args!("--min-rate: {e}")))?;
    let queue = here.queue()?;
    let report = shadow_report(&queue, bar)?.ok_or_else(|| {
        let queue = queue.root().display();
        let words = format!(
            "nothing was compared yet in {queue}; `aq run` does with AQ_FLEET=1, AQ_FLEET_ROUTE=0 \
             and AQ_FLEET_SHADOW=1"
        );
        CliFailure::new(CliExit::NotFound, words)
    })?;
    if let Some(version) = args.json.version {
        output::json::agreement(&report, version);
    } else {
        output::line(output::agreement::report(&report));
    }
    Ok(if report.ready { CliExit::Done } else { CliExit::No })
}
