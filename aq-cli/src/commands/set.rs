//! `aq set`

use aq_manifest::Stage;
use aq_runner::run;

use super::CliContext;
use super::cli_context::job_id;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq set fix-login priority=high\n",
        "           aq set fix-login 'deps=[schema, seed]'\n",
        "           aq set fix-login timeout=",
    )
)]
pub(crate) struct SetArgs {
    /// The job
    #[arg(add = super::completions::jobs_in(&[Stage::Inbox]))]
    job: String,
    /// A key of the job file and its value, as YAML; without a value the key is taken out
    #[arg(value_name = "KEY=VALUE")]
    value: String,
}

pub(crate) fn run(here: &CliContext, args: &SetArgs) -> Outcome {
    let queue = here.trusted_queue()?;
    let id = job_id(&args.job)?;
    let Some((key, value)) = args.value.split_once('=') else {
        let words = "expected KEY=VALUE, such as priority=high";
        return Err(CliFailure::usage(format_args!("{:?}: {words}", args.value)));
    };
    let colour = output::errors_in_colour();
    let warnings = run::set_value(&queue, &here.environment, &id, (key.trim(), value), colour)?;
    if !warnings.is_empty() {
        output::warning(&warnings);
    }
    output::line(format_args!("{id} is changed"));
    Ok(CliExit::Done)
}
