//! `aq trust`

use std::path::PathBuf;

use aq_manifest::Stage;
use aq_runner::run::place::trust_queue;
use aq_runner::store::QueueDir;

use super::CliContext;
use crate::exit::{CliExit, Outcome};
use crate::output;
use crate::output::trust::TrustedContent;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:  aq trust\n           aq trust ~/project/.aq")]
pub(crate) struct TrustArgs {
    /// The queue [default: the one that is found]
    dir: Option<PathBuf>,
}

pub(crate) fn run(here: &CliContext, args: &TrustArgs) -> Outcome {
    let queue = match &args.dir {
        Some(dir) => QueueDir::open(dir)?,
        None => here.silent_queue()?,
    };
    let settings = here.settings(&queue);
    let content = TrustedContent {
        queue: queue.root(),
        config: settings.as_ref().map(|settings| &settings.config),
        waiting: queue.jobs(Stage::Inbox)?.len(),
    };
    output::line(content.text());
    let is_new = trust_queue(&queue, &here.environment)?;
    output::line(if is_new { "it is trusted from now on" } else { "it was trusted already" });
    // The settings are to be mended before anything runs; that they are read says nothing.
    settings.map(|_| CliExit::Done)
}
