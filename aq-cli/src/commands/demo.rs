//! `aq demo`

use std::path::{Path, PathBuf};

use aq_runner::run::place::{PROJECT_QUEUE, make_queue};
use aq_runner::run::{RunOptions, add_context, overview, recent_numbers, run as run_loop};
use aq_runner::store::{AddContext, JobDraft, QueueDir, add};
use jiff::{SignedDuration, Timestamp};

use super::CliContext;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::progress::ProgressReporter;

/// The shipped example queue, in the binary so that it is there wherever aq is.
mod quickstart {
    include!(concat!(env!("OUT_DIR"), "/quickstart.rs"));
}

/// Commands that are worth a look when it has ended.
const NEXT: [(&str, &str); 3] = [
    ("aq why deploy", "why it has not run"),
    ("aq ship schema backend && aq run --once", "ship what it waits for, and run it"),
    ("aq promote release-notes", "let the job that waits for you go on"),
];

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  aq demo")]
pub(crate) struct DemoArgs {
    /// Where to make it: a directory that is new, or empty [default: a new temporary directory]
    dir: Option<PathBuf>,
}

pub(crate) fn run(here: &CliContext, args: &DemoArgs) -> Outcome {
    let dir = match &args.dir {
        Some(dir) => vacant(dir)?,
        None => temporary_dir()?,
    };
    let queue = make_queue(&dir.join(PROJECT_QUEUE), &here.environment)?.queue;
    write_files(&dir, &queue)?;
    output::line(format_args!("$ cd {} && aq add jobs", dir.display()));
    let drafts: Vec<JobDraft> = quickstart::JOBS.iter().map(draft).collect::<Result<_, _>>()?;
    let context = add_context(&queue, &here.environment, dir.clone(), Timestamp::now());
    let context = AddContext { colour: output::errors_in_colour(), ..context };
    let report = add(&queue, &drafts, &context)?;
    output::human::added(&report.added);

    output::line("\n$ aq run --once --max 2");
    let options =
        RunOptions { max: 2, once: true, take_signals: true, ..RunOptions::new(here.program()?) };
    let mut reporter = ProgressReporter::new(&queue, &options, false);
    let summary = run_loop(&queue, here.settings(&queue)?, &options, &mut |progress| {
        reporter.tell(&progress);
    })?;
    reporter.end(&summary);

    output::line("\n$ aq status");
    let settings = here.settings(&queue)?;
    let now = Timestamp::now();
    let overview = overview(&queue, &settings, usize::MAX, now)?;
    let recent = recent_numbers(&queue, &overview.jobs, now - SignedDuration::from_hours(24))?;
    output::line(output::status::status(&overview, &recent, usize::MAX, output::width()));
    let title = format!("\nNext, after `cd {}`:", dir.display());
    output::line(output::human::next_steps(&title, &NEXT));
    Ok(CliExit::Done)
}

fn draft(file: &(&str, &str)) -> Result<JobDraft, CliFailure> {
    let (name, text) = *file;
    let stem = name.strip_suffix(".md").unwrap_or(name);
    let id = stem.parse().map_err(CliFailure::usage)?;
    Ok(JobDraft::new(format!("jobs/{name}"), id, text.to_owned()))
}

fn write_files(dir: &Path, queue: &QueueDir) -> Result<(), CliFailure> {
    let jobs = dir.join("jobs");
    let write = |path: PathBuf, text: &str| {
        std::fs::write(&path, text)
            .map_err(|e| CliFailure::io(format_args!("write {}", path.display()), &e))
    };
    std::fs::create_dir_all(&jobs)
        .map_err(|e| CliFailure::io(format_args!("make {}", jobs.display()), &e))?;
    for (name, text) in quickstart::JOBS {
        write(jobs.join(name), text)?;
    }
    for (name, text) in quickstart::PROFILES {
        write(queue.profiles().join(name), text)?;
    }
    Ok(())
}

/// Nothing of the user's is written over, and no job of theirs is run.
fn vacant(dir: &Path) -> Result<PathBuf, CliFailure> {
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(dir.to_owned()),
        Ok(false) => Err(CliFailure::new(
            CliExit::Refused,
            format_args!(
                "{} is not empty, and the demo writes and runs files of its own: name a new \
                 directory, or none for a temporary one",
                dir.display()
            ),
        )),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(dir.to_owned()),
        Err(e) => Err(CliFailure::io(format_args!("read {}", dir.display()), &e)),
    }
}

/// A directory that stays: what is in it is to be looked at.
fn temporary_dir() -> Result<PathBuf, CliFailure> {
    let dir = tempfile::Builder::new().prefix("aq-demo-").tempdir();
    dir.map(tempfile::TempDir::keep).map_err(|e| CliFailure::io("make a temporary directory", &e))
}
