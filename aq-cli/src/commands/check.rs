//! `aq check`

use std::path::{Path, PathBuf};

use aq_manifest::JobId;
use aq_runner::store::{InvalidJobFile, JobFile, QueueDir, holder, load};
use serde_json::Value;

use super::CliContext;
use super::files::{JobSource, sources};
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output::json::{CodedReason, JsonOption};
use crate::output::{self, human::FileFindings, style::plain};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:  aq check jobs/*.md\n           aq check --strict jobs/")]
pub(crate) struct CheckArgs {
    /// Job files, directories, or `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Take warnings for errors
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    json: JsonOption,
}

/// A file that was read: what it says, or its errors.
struct CheckedFile {
    name: String,
    /// Set when the file's name cannot be a job's.
    bad_name: Option<String>,
    loaded: Result<JobFile, FileFault>,
}

/// A fault of a file.
struct FileFault {
    error: CodedReason,
    /// All of them, rendered.
    report: String,
}

impl From<InvalidJobFile> for FileFault {
    fn from(invalid: InvalidJobFile) -> Self {
        Self { error: CodedReason::from(&invalid), report: invalid.report }
    }
}

pub(crate) fn run(here: &CliContext, args: &CheckArgs) -> Outcome {
    let sources = sources(&args.files)?;
    let profiles = here.profiles()?;
    // Profiles of a queue that is not trusted are read, and that is said.
    let queue = here.queue_if_any()?;
    let colour = args.json.version.is_none() && output::lines_in_colour();
    let read: Vec<CheckedFile> =
        sources.iter().map(|source| read(&profiles, source, colour)).collect();
    let keys: Vec<String> = read
        .iter()
        .filter_map(|file| file.loaded.as_ref().ok()?.spec.idempotency_key.clone())
        .collect();
    let checked: Vec<FileFindings> = read
        .into_iter()
        .map(|file| check(file, &keys, queue.as_ref(), args.strict))
        .collect::<Result<_, _>>()?;
    if let Some(version) = args.json.version {
        output::json::checked(&checked, version);
    } else {
        output::human::checked(&checked);
    }
    Ok(if checked.iter().any(|file| file.error.is_some()) { CliExit::Usage } else { CliExit::Done })
}

fn read(profiles: &Path, source: &JobSource, colour: bool) -> CheckedFile {
    let name = source.shown();
    let loaded = match source.read() {
        Ok(text) => load(profiles, &name, &text, colour)
            .and_then(|file| file.require_prompt(&name))
            .and_then(|file| file.require_own(&name))
            .map_err(FileFault::from),
        Err(failure) => {
            let invalid = InvalidJobFile::named(failure);
            let error = CodedReason::new("unreadable", Value::Null, invalid.summary);
            Err(FileFault { error, report: invalid.report })
        }
    };
    let bad_name = match source {
        JobSource::File(path) => name_warning(path),
        JobSource::Stream(_) => None,
    };
    CheckedFile { name, bad_name, loaded }
}

fn check(
    file: CheckedFile,
    keys: &[String],
    queue: Option<&QueueDir>,
    strict: bool,
) -> Result<FileFindings, CliFailure> {
    let CheckedFile { name, bad_name, loaded } = file;
    let found = match loaded {
        Ok(found) => found,
        Err(FileFault { error, report }) => {
            return Ok(FileFindings { file: name, error: Some(error), report });
        }
    };
    let mut report = found.warnings;
    report.push_str(&bad_name.unwrap_or_default());
    // Without a queue nobody can say which keys there are.
    for dep in found.spec.deps.iter().filter(|dep| queue.is_some() && !keys.contains(dep)) {
        if let Some(queue) = queue
            && holder(queue, dep)?.is_none()
        {
            report.push_str(&format!(
                "warning: {}: no job has the key `{}` that it waits for\n",
                plain(&name),
                plain(dep)
            ));
        }
    }
    let error = (strict && !report.is_empty()).then(|| {
        let text = "it has warnings, which --strict takes for errors";
        CodedReason::new("has_warnings", Value::Null, text)
    });
    if let Some(error) = &error {
        report.push_str(&format!("error: {}: {}\n", plain(&name), error.text()));
    }
    Ok(FileFindings { file: name, error, report })
}

/// The file's name becomes the job's id, where it can.
fn name_warning(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_string_lossy();
    let problem = JobId::new(&stem).err()?;
    Some(format!(
        "warning: {}: {problem}; `aq add` needs another name for the file, or --name\n",
        plain(&path.display().to_string())
    ))
}
