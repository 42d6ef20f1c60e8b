//! `aq reply`

use std::io::Read;

use aq_runner::run;

use super::CliContext;
use super::cli_context::job_id;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;

/// Bytes of standard input at most; the words of one reply are fewer.
const MOST: u64 = 1 << 20;

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq reply fix-login 'Use the form of the old page.'\n",
        "           aq reply fix-login - <review.txt",
    )
)]
pub(crate) struct ReplyArgs {
    /// The job
    #[arg(add = super::completions::jobs())]
    job: String,
    /// The words, or `-` for standard input
    #[arg(value_name = "TEXT")]
    text: String,
}

pub(crate) fn run(here: &CliContext, args: &ReplyArgs) -> Outcome {
    let queue = here.trusted_queue()?;
    let id = job_id(&args.job)?;
    let text = if args.text == "-" { read_stdin()? } else { args.text.clone() };
    let replied = run::reply(&queue, &id, &text).map_err(|e| CliFailure::of_reply(&id, e))?;
    output::line(output::job::replied(&id, replied));
    Ok(CliExit::Done)
}

fn read_stdin() -> Result<String, CliFailure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().take(MOST).read_to_end(&mut bytes);
    read.map_err(|e| CliFailure::io("read standard input", &e))?;
    String::from_utf8(bytes).map_err(|_| CliFailure::usage("standard input is not UTF-8 text"))
}
