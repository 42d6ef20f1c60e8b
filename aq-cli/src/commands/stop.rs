//! `aq stop`

use aq_manifest::Stage;
use aq_runner::run;
use jiff::Timestamp;

use super::CliContext;
use super::cli_context::job_id;
use crate::exit::{CliExit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:  aq stop\n           aq stop fix-login")]
pub(crate) struct StopArgs {
    /// The job to end
    #[arg(
        conflicts_with = "all",
        add = super::completions::jobs_in(&[Stage::Building, Stage::Review, Stage::Inbox])
    )]
    job: Option<String>,
    /// End the agents too
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(here: &CliContext, args: &StopArgs) -> Outcome {
    let queue = here.trusted_queue()?;
    if let Some(job) = &args.job {
        let id = job_id(job)?;
        let stopped = run::stop(&queue, &here.environment, &id, Timestamp::now())?;
        output::line(output::job::stopped(&id, &stopped));
        return Ok(CliExit::Done);
    }
    match run::stop_loop(&queue)? {
        Some(pid) => output::line(format_args!("stopped the run loop (process {pid})")),
        None => output::line("no run loop is at work"),
    }
    if args.all {
        let jobs = run::stop_all(&queue)?;
        output::line(match jobs.len() {
            0 => "no job was running".to_owned(),
            1 => "ended 1 running job; the next `aq run` takes it up again".to_owned(),
            n => format!("ended {n} running jobs; the next `aq run` takes them up again"),
        });
    }
    Ok(CliExit::Done)
}
