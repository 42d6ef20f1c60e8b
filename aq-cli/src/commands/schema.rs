//! `aq schema`

use crate::exit::{Exit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq schema > job.schema.json")]
pub(crate) struct Args {}

pub(crate) fn run() -> Outcome {
    output::json::value(&aq_manifest::schema());
    Ok(Exit::Done)
}
