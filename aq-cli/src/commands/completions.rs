//! `aq completions`, and the names that complete.

use std::ffi::OsStr;
use std::path::PathBuf;

use aq_manifest::Stage;
use aq_runner::run::ProcessEnvironment;
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use super::CliContext;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq completions bash > ~/.local/share/bash-completion/completions/aq\n",
        "           aq completions fish > ~/.config/fish/completions/aq.fish",
    )
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Outcome {
    let shells = Shells::builtins();
    let name = args.shell.to_string();
    let shell = shells.completer(&name);
    let shell =
        shell.ok_or_else(|| CliFailure::usage(format_args!("no completions for {name}")))?;
    let mut script = Vec::new();
    shell
        .write_registration("COMPLETE", "aq", "aq", "aq", &mut script)
        .map_err(|e| CliFailure::io("write the script", &e))?;
    output::line(String::from_utf8_lossy(&script).trim_end());
    Ok(CliExit::Done)
}

/// Answers a shell that asks for completions, and ends then.
pub(crate) fn complete_if_asked(arguments: fn() -> clap::Command) {
    CompleteEnv::with_factory(arguments).complete();
}

/// Completes the ids of the jobs that lie in some stages.
pub(crate) fn jobs_in(stages: &'static [Stage]) -> ArgValueCompleter {
    ArgValueCompleter::new(move |prefix: &OsStr| {
        let environment = ProcessEnvironment::new(std::env::vars_os());
        let queue = CliContext::new(named_queue(), environment).silent_queue();
        let (Some(prefix), Ok(queue)) = (prefix.to_str(), queue) else { return Vec::new() };
        let ids = stages.iter().flat_map(|&stage| queue.jobs(stage).unwrap_or_default());
        let matching = ids.filter(|id| id.as_str().starts_with(prefix));
        matching.map(|id| CompletionCandidate::new(id.as_str())).collect()
    })
}

/// Completes the ids of the queue's jobs.
pub(crate) fn jobs() -> ArgValueCompleter {
    jobs_in(&Stage::ALL)
}

/// `--queue` on the line that is being completed: nobody has parsed it yet.
fn named_queue() -> Option<PathBuf> {
    let mut words = std::env::args_os();
    while let Some(word) = words.next() {
        if word == "--queue" {
            return words.next().map(PathBuf::from);
        }
        if let Some(path) = word.to_str().and_then(|word| word.strip_prefix("--queue=")) {
            return Some(path.into());
        }
    }
    None
}
