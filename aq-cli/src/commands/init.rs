//! `aq init`

use std::path::PathBuf;

use aq_runner::store::QueueDir;

use super::Here;
use crate::exit::{Exit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq init && aq add fix-login.md && aq run --once")]
pub(crate) struct Args {
    /// Where the queue is made
    dir: Option<PathBuf>,
}

pub(crate) fn run(here: &Here, args: Args) -> Outcome {
    let path = here.new_queue_path(args.dir)?;
    let existed = QueueDir::open(&path).is_ok();
    let queue = QueueDir::init(&path)?;
    let verb = if existed { "there is already a queue at" } else { "made a queue at" };
    output::line(format_args!("{verb} {}", queue.root().display()));
    Ok(Exit::Done)
}
