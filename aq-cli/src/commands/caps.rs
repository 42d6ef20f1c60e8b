//! `aq caps`

use aq_runner::run::host::ProbePolicy;
use aq_runner::run::{host_capabilities, sandbox_features};

use super::CliContext;
use crate::exit::{CliExit, Outcome};
use crate::output;
use crate::output::json::JsonOption;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq caps --refresh")]
pub(crate) struct CapsArgs {
    /// Ask every tool again, whatever the cache says
    #[arg(long)]
    refresh: bool,
    #[command(flatten)]
    json: JsonOption,
}

pub(crate) fn run(here: &CliContext, args: &CapsArgs) -> Outcome {
    let queue = here.queue_if_any()?;
    let settings = here.settings_if_any(queue.as_ref())?;
    let untrusted = queue.as_ref().and_then(|queue| here.untrusted(queue));
    let probing = match untrusted {
        Some(untrusted) if args.refresh => return Err(untrusted.into()),
        // Its config names the tools.
        Some(_) => ProbePolicy::CachedOnly,
        None if args.refresh => ProbePolicy::Refresh,
        None => ProbePolicy::AsNeeded,
    };
    let sandbox = sandbox_features(queue.as_ref(), &here.program()?, probing);
    let host = host_capabilities(queue.as_ref(), &settings, probing, Some(sandbox.clone()));
    if let Some(version) = args.json.version {
        output::json::capabilities(&host, &sandbox, version);
    } else {
        output::human::capabilities(&host);
        output::sandbox::features(&sandbox);
    }
    Ok(CliExit::Done)
}
