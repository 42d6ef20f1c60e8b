//! `aq sandbox`

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use aq_runner::run::host::ProbePolicy;
use aq_runner::run::{SandboxWishes, sandbox_features, trial_box};
use aq_sandbox::BoxLevel;

use super::CliContext;
use crate::exit::{CliExit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:  aq sandbox --strict -- sh -c 'touch /etc/x; curl https://example.org'"
)]
pub(crate) struct Args {
    /// Reach the network only by the hosts in `sandbox.allow-hosts` of the config
    #[arg(long)]
    strict: bool,
    /// The weakest level that does: full or landlock
    #[arg(long, value_name = "LEVEL", default_value = "full", value_parser = level)]
    least: BoxLevel,
    /// Write to this path, too
    #[arg(long, value_name = "PATH")]
    write: Vec<PathBuf>,
    /// Read this path, although it would be hidden
    #[arg(long, value_name = "PATH")]
    read: Vec<PathBuf>,
    /// Hide this path, too
    #[arg(long, value_name = "PATH")]
    hide: Vec<PathBuf>,
    /// Pass this variable on, although it looks like a secret
    #[arg(long = "env", value_name = "NAME")]
    variables: Vec<String>,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

fn level(word: &str) -> Result<BoxLevel, String> {
    match word.parse() {
        Ok(level @ (BoxLevel::Full | BoxLevel::Landlock)) => Ok(level),
        _ => Err("expected full or landlock".to_owned()),
    }
}

pub(crate) fn run(here: &CliContext, args: &Args) -> Outcome {
    let queue = here.queue_if_any()?;
    // Its config may widen the box.
    if let Some(untrusted) = queue.as_ref().and_then(|queue| here.untrusted(queue)) {
        return Err(untrusted.into());
    }
    let settings = here.settings_if_any(queue.as_ref())?;
    let (cwd, program) = (here.cwd()?, here.program()?);
    let features = sandbox_features(queue.as_ref(), &program, ProbePolicy::AsNeeded);
    for name in &args.variables {
        if settings.environment.get(name).is_none() {
            output::sandbox::unset(name);
        }
    }
    let absolute = |paths: &[PathBuf]| paths.iter().map(|path| cwd.join(path)).collect();
    let wishes = SandboxWishes {
        is_strict: args.strict,
        least: args.least,
        read: absolute(&args.read),
        write: absolute(&args.write),
        hide: absolute(&args.hide),
        variables: args.variables.clone(),
    };
    let ready = trial_box(queue.as_ref(), &settings, &features, &program, &cwd, &wishes)?;
    output::sandbox::weaknesses(ready.level, args.strict, &ready.items);
    let (status, report) = ready.run(args.command.clone())?;
    output::sandbox::report(&report);
    if let Some(signal) = status.signal() {
        aq_sandbox::end_by(signal);
    }
    Ok(CliExit::Command(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)))
}
