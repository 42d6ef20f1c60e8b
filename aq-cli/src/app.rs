//! Arguments in, exit code out.

use std::path::PathBuf;
use std::process::ExitCode;

use aq_runner::run::Environment;
use clap::{ColorChoice, CommandFactory, Parser};

use crate::commands::{self, Command};
use crate::exit::{Exit, Outcome};
use crate::output;

/// Run coding agents unattended: a job is one Markdown file, its state is the folder it lies in.
#[derive(Debug, Parser)]
#[command(name = "aq", version, color = ColorChoice::Auto, max_term_width = 100)]
#[command(
    after_help = "A first look:  aq demo\nA first job:   aq add fix-login.md && aq run --once && aq status"
)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
struct Global {
    /// The queue's directory [env: AQ_QUEUE] [default: the repository's or project's: `aq path`]
    #[arg(long, global = true, value_name = "DIR")]
    queue: Option<PathBuf>,
}

/// Runs the command that the arguments name.
pub(crate) fn run() -> ExitCode {
    // A worker starts once a job: it is kept away from everything that it does not need.
    if let Some(code) = commands::worker::run_if_asked() {
        return code;
    }
    // Before anything that could start a program or a thread.
    let environment = Environment::take();
    commands::complete_if_asked(Arguments::command);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let printed = error.print();
            if error.use_stderr() {
                return Exit::Usage.into();
            }
            output::note_written(printed);
            return end(Ok(Exit::Done));
        }
    };
    let Arguments { global, command } = arguments;
    end(commands::run(global.queue, command, Arguments::command, environment))
}

fn end(outcome: Outcome) -> ExitCode {
    match outcome.and_then(|exit| output::unwritten().map_or(Ok(exit), Err)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::error(&failure);
            failure.exit.into()
        }
    }
}
