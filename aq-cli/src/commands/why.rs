//! `aq why`

use aq_runner::run::look_up;
use jiff::Timestamp;

use super::Here;
use super::here::job_id;
use crate::exit::{Exit, Outcome};
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
        output::line(output::job::why(&job, now));
    }
    Ok(Exit::Done)
}
