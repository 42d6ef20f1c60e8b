//! `aq service`

use super::Here;
use crate::exit::{Exit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:  aq service > ~/.config/systemd/user/aq.service && systemctl --user enable --now aq"
)]
pub(crate) struct Args {
    /// Print a launchd plist (macOS)
    #[arg(long)]
    launchd: bool,
    /// Jobs that run at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    max: u32,
}

pub(crate) fn run(here: &Here, args: &Args) -> Outcome {
    let queue = here.trusted_queue()?;
    let program = here.program()?;
    let service =
        output::service::Service { program: &program, queue: queue.root(), max: args.max };
    output::line(if args.launchd { service.launchd() } else { service.systemd() });
    Ok(Exit::Done)
}
