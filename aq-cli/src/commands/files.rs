//! The job files that a command line names.

use std::io::Read;
use std::path::{Path, PathBuf};

use aq_manifest::JobId;
use aq_runner::store::{Draft, MAX_JOB_FILE, read_text};

use crate::exit::Failure;

/// Reads what the user names: files, the `*.md` of directories, `-` for standard input. `name` goes
/// with one job only.
pub(crate) fn drafts(files: &[PathBuf], name: Option<&str>) -> Result<Vec<Draft>, Failure> {
    let mut paths = Vec::new();
    for file in files {
        if file.is_dir() {
            paths.extend(job_files(file)?);
        } else {
            paths.push(file.clone());
        }
    }
    if name.is_some() && paths.len() != 1 {
        return Err(Failure::usage("--name goes with one job, and these are several"));
    }
    paths.iter().map(|path| draft(path, name)).collect()
}

fn job_files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let doing = || format!("read the directory {}", dir.display());
    let entries = std::fs::read_dir(dir).map_err(|e| Failure::io(doing(), &e))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "md"))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure::usage(format_args!("{} has no *.md file", dir.display())));
    }
    Ok(files)
}

fn draft(path: &Path, name: Option<&str>) -> Result<Draft, Failure> {
    let shown = path.display().to_string();
    let is_stdin = path == Path::new("-");
    let text = if is_stdin { read_stdin()? } else { read_file(path, &shown)? };
    let stem = match name {
        Some(name) => name.to_owned(),
        None if is_stdin => "job".to_owned(),
        None => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let id = JobId::new(&stem).map_err(|e| {
        Failure::usage(match name {
            Some(_) => format!("--name {stem:?} cannot be a job's id: {e}"),
            None => format!(
                "{shown}: {stem:?} cannot be a job's id: {e}; rename the file or use --name"
            ),
        })
    })?;
    Ok(Draft::new(if is_stdin { "<stdin>".to_owned() } else { shown }, id, text))
}

fn read_file(path: &Path, shown: &str) -> Result<String, Failure> {
    let unreadable = |e| Failure::usage(format_args!("cannot read {shown}: {e}"));
    let text = match read_text(path) {
        // A link that the user names is meant; one in the queue is not followed.
        Err(_) if path.symlink_metadata().map_err(unreadable)?.is_symlink() => {
            read_text(&path.canonicalize().map_err(unreadable)?)
        }
        text => text,
    };
    text.map_err(|e| Failure::usage(format_args!("cannot add {shown}: {e}")))
}

fn read_stdin() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().take(MAX_JOB_FILE).read_to_end(&mut bytes);
    read.map_err(|e| Failure::io("read standard input", &e))?;
    if bytes.len() as u64 >= MAX_JOB_FILE {
        return Err(Failure::usage("standard input has 1 MiB or more; a job file has less"));
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage("standard input is not UTF-8 text"))
}
