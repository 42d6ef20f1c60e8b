//! `aq path`

use super::CliContext;
use crate::exit::{CliExit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  ls \"$(aq path)/inbox\"")]
pub(crate) struct PathArgs {}

pub(crate) fn run(here: &CliContext) -> Outcome {
    output::bytes(here.queue()?.root().as_os_str().as_encoded_bytes());
    Ok(CliExit::Done)
}
