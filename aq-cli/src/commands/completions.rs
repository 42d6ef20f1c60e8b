//! `aq completions`, and the names that complete.

use std::ffi::OsStr;
use std::path::PathBuf;

use aq_manifest::{JobId, Stage};
use aq_runner::run::ProcessEnvironment;
use aq_runner::store::jobs_starting_with;
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use super::CliContext;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;

/// The most names that a shell gets.
const MOST_NAMES: usize = 1_000;

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
        let ids = |&stage: &Stage| jobs_starting_with(&queue, stage, prefix).unwrap_or_default();
        let ids = few_of(stages.iter().flat_map(ids).collect());
        ids.iter().map(|id| CompletionCandidate::new(id.as_str())).collect()
    })
}

/// Some of very many names: nobody reads more, and a shell has to go through all of them. What all
/// have in common at their beginning, these have, and no more.
fn few_of(mut ids: Vec<JobId>) -> Vec<JobId> {
    if ids.len() <= MOST_NAMES {
        return ids;
    }
    let ends = [ids.iter().min().cloned(), ids.iter().max().cloned()];
    ids.truncate(MOST_NAMES - ends.len());
    ids.extend(ends.into_iter().flatten());
    ids.sort_unstable();
    ids.dedup();
    ids
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_names_begin_as_all() {
        let names = |n: usize| -> Vec<JobId> {
            let name = |n: usize| if n == 7 { "j-other".to_owned() } else { format!("job{n}") };
            (0..n).map(|n| name(n).parse().unwrap()).collect()
        };
        assert_eq!(few_of(names(MOST_NAMES)), names(MOST_NAMES));
        let mut all = names(5 * MOST_NAMES);
        all.swap(7, 4_000);
        let few = few_of(all);
        assert!(few.len() <= MOST_NAMES && few.len() > MOST_NAMES / 2, "{}", few.len());
        assert!(few.iter().any(|id| id.as_str() == "j-other"));
    }
}
