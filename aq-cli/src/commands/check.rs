//! `aq check`

use std::path::{Path, PathBuf};

use aq_manifest::JobId;
use aq_runner::store::{Invalid, load, read_text};

use super::Here;
use crate::exit::{Exit, Outcome};
use crate::output::{self, human::Checked};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq check jobs/*.md")]
pub(crate) struct Args {
    /// Job files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(here: &Here, args: &Args) -> Outcome {
    let profiles = here.profiles()?;
    // Profiles of a queue that is not trusted are read, and that is said.
    here.queue_if_any()?;
    let checked: Vec<Checked> =
        args.files.iter().map(|file| check(&profiles, file, args.json)).collect();
    if args.json {
        output::json::checked(&checked);
    } else {
        output::human::checked(&checked);
    }
    Ok(if checked.iter().any(|file| file.error.is_some()) { Exit::Usage } else { Exit::Done })
}

fn check(profiles: &Path, path: &Path, json: bool) -> Checked {
    let file = path.display().to_string();
    let colour = !json && output::lines_in_colour();
    let read = path.canonicalize().map_err(Into::into).and_then(|real| read_text(&real));
    let loaded = read
        .map_err(|e| Invalid::whole(&file, format_args!("cannot be read: {e}")))
        .and_then(|text| load(profiles, &file, &text, colour));
    match loaded {
        Ok(found) => {
            let name = name_warning(path).unwrap_or_default();
            Checked { error: None, report: found.warnings + &name, file }
        }
        Err(invalid) => Checked { file, error: Some(invalid.summary), report: invalid.report },
    }
}

/// The file's name becomes the job's id, where it can.
fn name_warning(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_string_lossy();
    let problem = JobId::new(&stem).err()?;
    Some(format!(
        "warning: {}: {problem}; `aq add` needs another name for the file, or --name\n",
        path.display()
    ))
}
