//! `aq path`

use super::Here;
use crate::exit::{Exit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  ls \"$(aq path)/inbox\"")]
pub(crate) struct Args {}

pub(crate) fn run(here: &Here) -> Outcome {
    output::bytes(here.queue()?.root().as_os_str().as_encoded_bytes());
    Ok(Exit::Done)
}
