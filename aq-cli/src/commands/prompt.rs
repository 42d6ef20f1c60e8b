//! `aq prompt`

use aq_runner::run::next_prompt;
use jiff::Timestamp;

use super::CliContext;
use super::cli_context::job_id;
use crate::exit::{CliExit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:  aq prompt fix-login\n           aq prompt --feedback fix-login")]
pub(crate) struct PromptArgs {
    /// The job
    #[arg(add = super::completions::jobs())]
    job: String,
    /// Only the feedback on earlier attempts
    #[arg(long)]
    feedback: bool,
}

pub(crate) fn run(here: &CliContext, args: &PromptArgs) -> Outcome {
    let queue = here.queue()?;
    let id = job_id(&args.job)?;
    let (settings, problem) = here.settings_or_last(&queue)?;
    problem.iter().for_each(|problem| output::warning(problem));
    let next = next_prompt(&queue, &settings, &id, Timestamp::now())?;
    if args.feedback {
        output::exactly(next.feedback.unwrap_or_default().as_bytes());
        return Ok(CliExit::Done);
    }
    output::exactly(next.prompt.as_bytes());
    if next.is_script && next.feedback.is_some() {
        let words = "AQ_FEEDBACK names a file with the feedback on earlier attempts";
        output::warning(&format!("{words}; `aq prompt --feedback {id}` prints it"));
    }
    Ok(CliExit::Done)
}
