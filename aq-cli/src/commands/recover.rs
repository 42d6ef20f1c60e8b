//! `aq recover`

use aq_runner::run::recover;
use jiff::Timestamp;

use super::CliContext;
use crate::exit::{CliExit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq recover")]
pub(crate) struct RecoverArgs {}

pub(crate) fn run(here: &CliContext) -> Outcome {
    let queue = here.trusted_queue()?;
    let mut first_error = None;
    let recovered = recover(&queue, &here.environment, Timestamp::now())?;
    if recovered.is_empty() {
        output::line("nothing to recover");
    }
    for (id, what) in recovered {
        match what {
            Ok(what) => output::line(output::job::recovered(&id, &what)),
            Err(e) => first_error = first_error.or(Some(e)),
        }
    }
    first_error.map_or(Ok(CliExit::Done), |e| Err(e.into()))
}
