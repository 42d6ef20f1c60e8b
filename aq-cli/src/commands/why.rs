//! `aq why`

use aq_ledger::RecordKey;
use aq_manifest::{DepsMode, Stage};
use aq_runner::run::{JobView, builds_on, look_up};
use aq_runner::store::{KeyHolder, QueueDir, holder};
use jiff::Timestamp;

use super::CliContext;
use super::cli_context::job_id;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::job::DependencyHelp;
use crate::output::json::JsonOption;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq why fix-login")]
pub(crate) struct WhyArgs {
    /// The job
    #[arg(add = super::completions::jobs())]
    job: String,
    #[command(flatten)]
    json: JsonOption,
}

pub(crate) fn run(here: &CliContext, args: &WhyArgs) -> Outcome {
    let queue = here.queue()?;
    let (settings, warning) = here.settings_or_last(&queue)?;
    warning.iter().for_each(|text| output::warning(text));
    let now = Timestamp::now();
    let mut job = look_up(&queue, &settings, &job_id(&args.job)?, now)?;
    if here.untrusted(&queue).is_some() {
        job.distrust(queue.root());
    }
    let base = builds_on(&queue, &job.record)?;
    if let Some(version) = args.json.version {
        output::json::job(&job, base.as_ref(), now, version);
    } else {
        output::line(output::job::why(&job, &help(&queue, &job)?, base.as_ref(), now));
    }
    Ok(CliExit::Done)
}

/// Finds the jobs that a waiting one waits for and that a person can help on.
fn help(queue: &QueueDir, job: &JobView) -> Result<DependencyHelp, CliFailure> {
    let mut found = DependencyHelp::default();
    if job.record.stage != Stage::Inbox {
        return Ok(found);
    }
    let is_hard = job.record.unchecked().deps_mode() != Some(DepsMode::Soft);
    for key in job.record.meta.list(RecordKey::Deps) {
        match holder(queue, &key)? {
            Some(KeyHolder { id, stage: Stage::Review | Stage::Testing }) if is_hard => {
                found.shippable.push(id);
            }
            Some(KeyHolder { id, stage: Stage::Failed }) => found.failed.push(id),
            _ => {}
        }
    }
    Ok(found)
}
