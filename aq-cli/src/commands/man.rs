//! `aq man`

use std::path::PathBuf;

use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:  aq man | man -l -\n           aq man --dir ~/.local/share/man/man1"
)]
pub(crate) struct ManArgs {
    /// Write aq.1 and a page for each command here
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs, command: clap::Command) -> Outcome {
    if let Some(dir) = &args.dir {
        let doing = |e| CliFailure::io(format_args!("write manual pages to {}", dir.display()), &e);
        std::fs::create_dir_all(dir).map_err(doing)?;
        clap_mangen::generate_to(command, dir).map_err(doing)?;
        output::line(format_args!("wrote the manual pages to {}", dir.display()));
        return Ok(CliExit::Done);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|e| CliFailure::io("render the page", &e))?;
    output::line(String::from_utf8_lossy(&page).trim_end());
    Ok(CliExit::Done)
}
