//! `aq schema`

use crate::exit::{CliExit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq schema > job.schema.json")]
pub(crate) struct SchemaArgs {}

pub(crate) fn run() -> Outcome {
    output::json::value(&aq_manifest::schema());
    Ok(CliExit::Done)
}
