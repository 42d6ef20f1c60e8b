//! `aq from-tracker`

use aq_runner::run::{ItemQuery, PulledItem, TrackError, add_context, pull, put_in};
use aq_runner::store::{AddContext, AddReport};
use jiff::Timestamp;

use super::CliContext;
use super::add::tell_added;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::json::JsonOption;

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq from-tracker AQ-7\n",
        "           aq from-tracker github:owner/repo#12 github:owner/repo#15\n",
        "           aq from-tracker github:owner/repo --label agent\n",
        "           aq from-tracker github:owner/repo --query 'crash in:title' --limit 5",
    )
)]
pub(crate) struct FromTrackerArgs {
    /// Items: a tracker's own names, github:owner/repo#12, or a repository with --label or --query
    #[arg(required = true, value_name = "ITEM")]
    items: Vec<String>,
    /// Open issues of the repository with this label; several must all be there
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Open issues of the repository that GitHub's search finds
    #[arg(long, value_name = "QUERY")]
    query: Option<String>,
    /// Take at most N issues of a repository, the oldest
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    json: JsonOption,
}

pub(crate) fn run(here: &CliContext, args: &FromTrackerArgs) -> Outcome {
    let wanted: Vec<ItemQuery> = args
        .items
        .iter()
        .map(|item| {
            let (labels, query) = (&args.labels, args.query.as_deref());
            ItemQuery::read(item, labels, query, args.limit, &here.environment)
        })
        .collect::<Result<_, _>>()?;
    let queue = here.queue_or_new()?;
    let settings = here.settings(&queue)?;
    let context = add_context(&queue, &here.environment, here.cwd()?, Timestamp::now());
    let context = AddContext { colour: output::errors_in_colour(), ..context };
    let mut report = AddReport::default();
    let mut failures: Vec<CliFailure> = Vec::new();
    for wanted in &wanted {
        match pull(&settings, wanted) {
            Ok(items) => {
                for item in &items {
                    match put_in(&queue, item, &context) {
                        Ok(one) => merge(&mut report, one),
                        Err(e) => failures.push(of_item(item, e)),
                    }
                }
            }
            Err(e) => failures.push(e.into()),
        }
    }
    let is_empty = report.added.is_empty() && failures.is_empty();
    tell_added(&queue, Some(&settings), report, args.json.version);
    if is_empty && args.json.version.is_none() {
        output::line("no open issue is like that");
    }
    let Some(last) = failures.pop() else { return Ok(CliExit::Done) };
    failures.iter().for_each(output::error);
    Err(last)
}

fn merge(report: &mut AddReport, one: AddReport) {
    report.added.extend(one.added);
    report.warnings.extend(one.warnings);
}

fn of_item(item: &PulledItem, error: TrackError) -> CliFailure {
    match error {
        // These name the item themselves.
        TrackError::Unfit { .. } | TrackError::Add(_) => error.into(),
        other => CliFailure::from(other).about(&item.id().to_string()),
    }
}
