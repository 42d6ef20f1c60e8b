//! Arguments in, exit code out.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, Parser};

use crate::commands::{self, Command};
use crate::exit::Exit;
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
    /// The queue's directory [env: AQ_QUEUE] [default: the nearest .aq/, else ~/.local/share/aq]
    #[arg(long, global = true, value_name = "DIR")]
    queue: Option<PathBuf>,
}

/// Runs the command that the arguments name.
pub(crate) fn run() -> ExitCode {
    // A worker starts once a job: it is kept away from everything that it does not need.
    if let Some(code) = commands::worker::run_if_asked() {
        return code;
    }
    commands::complete_if_asked(Arguments::command);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    match commands::run(arguments.global.queue, arguments.command, Arguments::command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::error(&failure);
            failure.exit.into()
        }
    }
}
