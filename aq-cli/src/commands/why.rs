//! `aq why`

use aq_manifest::{DepsMode, JobId, Stage};
use aq_runner::run::{JobView, look_up};
use aq_runner::store::{QueueDir, holder};
use jiff::Timestamp;

use super::Here;
use super::here::job_id;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq why fix-login")]
pub(crate) struct Args {
    /// The job
    #[arg(add = super::completions::jobs())]
    job: String,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(here: &Here, args: &Args) -> Outcome {
    let queue = here.queue()?;
    let (settings, warning) = here.settings_or_last(&queue)?;
    warning.iter().for_each(|text| output::warning(text));
    let now = Timestamp::now();
    let mut job = look_up(&queue, &settings, &job_id(&args.job)?, now)?;
    if here.untrusted(&queue).is_some() {
        job.distrust(queue.root());
    }
    if args.json {
        output::json::job(&job, now);
    } else {
        let shippable = shippable(&queue, &job)?;
        output::line(output::job::why(&job, &shippable, now));
    }
    Ok(Exit::Done)
}

/// The jobs that a waiting one waits for, and that a person can ship.
fn shippable(queue: &QueueDir, job: &JobView) -> Result<Vec<JobId>, Failure> {
    let is_waiting = job.record.stage == Stage::Inbox;
    if !is_waiting || job.record.deps_mode() == DepsMode::Soft {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for key in job.record.meta.list("deps") {
        let holder = holder(queue, &key)?;
        let is_done = |stage| matches!(stage, Stage::Review | Stage::Testing);
        found.extend(holder.filter(|holder| is_done(holder.stage)).map(|holder| holder.id));
    }
    Ok(found)
}
