//! `aq completions`, and the names that complete.

use clap::CommandFactory;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use super::Here;
use crate::app::{Arguments, Outcome};
use crate::exit::{Exit, Failure};
use crate::output;

use aq_manifest::Stage;

/// Print the completion script of a shell. Job names complete, too.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:  aq completions bash > ~/.local/share/bash-completion/completions/aq\n           aq completions fish > ~/.config/fish/completions/aq.fish"
)]
pub(crate) struct Args {
    /// bash, elvish, fish, powershell or zsh
    shell: String,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&args.shell) else {
        let known: Vec<&str> = shells.names().collect();
        let (shell, known) = (&args.shell, known.join(", "));
        return Err(Failure::usage(format_args!(
            "no completions for {shell:?}; known are {known}"
        )));
    };
    let mut script = Vec::new();
    shell
        .write_registration("COMPLETE", "aq", "aq", "aq", &mut script)
        .map_err(|e| Failure::io("write the script", &e))?;
    output::line(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Done)
}

/// Answers a shell that asks for completions, and ends then.
pub(crate) fn complete_if_asked() {
    CompleteEnv::with_factory(Arguments::command).complete();
}

/// Completes the ids of the queue's jobs.
pub(crate) fn jobs() -> ArgValueCompleter {
    ArgValueCompleter::new(|prefix: &std::ffi::OsStr| {
        let queue = std::env::var_os("AQ_QUEUE").map(Into::into);
        let (Some(prefix), Ok(queue)) = (prefix.to_str(), Here::new(queue).queue()) else {
            return Vec::new();
        };
        let ids = Stage::ALL.into_iter().flat_map(|stage| queue.jobs(stage).unwrap_or_default());
        let matching = ids.filter(|id| id.as_str().starts_with(prefix));
        matching.map(|id| CompletionCandidate::new(id.as_str())).collect()
    })
}
