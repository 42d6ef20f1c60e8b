//! The job files that a command line names.

use std::ffi::OsStr;
use std::fs::FileType;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use aq_manifest::JobId;
use aq_runner::store::{JobDraft, MAX_JOB_FILE, read_text};

use crate::exit::{CliExit, CliFailure};
use crate::output;
use crate::output::style::plain;

/// Files of a project for its readers or its agents: no job unless they have front matter.
const PROJECT_FILES: [&str; 24] = [
    "readme",
    "changelog",
    "changes",
    "history",
    "news",
    "claude",
    "agents",
    "gemini",
    "qwen",
    "copilot-instructions",
    "skill",
    "contributing",
    "license",
    "licence",
    "copying",
    "notice",
    "security",
    "code_of_conduct",
    "authors",
    "maintainers",
    "codeowners",
    "support",
    "governance",
    "pull_request_template",
];

/// A text that is to become a job.
#[derive(Debug)]
pub(crate) enum JobSource {
    /// A regular file, or a link to one.
    File(PathBuf),
    /// Standard input, or a pipe of the shell's: `<(...)`.
    Stream(PathBuf),
}

/// Reads what the user names into drafts: files, directories, `-`. `name` goes with one job only.
pub(crate) fn drafts(
    files: &[PathBuf],
    name: Option<&str>,
    again: bool,
) -> Result<Vec<JobDraft>, CliFailure> {
    let sources = sources(files)?;
    if name.is_some() && sources.len() != 1 {
        return Err(CliFailure::usage("--name goes with one job, and these are several"));
    }
    let draft = |source: &JobSource| {
        let (id, text) = (source.id(name)?, source.read()?);
        // What comes out of a pipe has no name by which it could be known again.
        let may_repeat = again || matches!(source, JobSource::Stream(_)) && name.is_none();
        Ok(JobDraft { may_repeat, ..JobDraft::new(source.shown(), id, text) })
    };
    sources.iter().map(draft).collect()
}

/// The texts that the user names: files, the job files of directories, `-` for standard input. Says
/// what of a directory is left out.
pub(crate) fn sources(files: &[PathBuf]) -> Result<Vec<JobSource>, CliFailure> {
    if let Some(failure) = words_in_place_of_files(files) {
        return Err(failure);
    }
    let mut sources = Vec::new();
    for file in files {
        let kind = file.metadata().map(|about| about.file_type()).ok();
        match kind {
            Some(kind) if kind.is_dir() => sources.extend(job_files(file)?),
            kind => sources.push(JobSource::of(file, kind)?),
        }
    }
    Ok(sources)
}

impl JobSource {
    /// The source that a path is, by what is there.
    fn of(path: &Path, kind: Option<FileType>) -> Result<Self, CliFailure> {
        if path == Path::new("-") {
            return Ok(Self::Stream(path.to_owned()));
        }
        let Some(kind) = kind else { return Ok(Self::File(path.to_owned())) };
        if kind.is_file() {
            return Ok(Self::File(path.to_owned()));
        }
        // One of this process's own, which somebody writes to; another one may wait for good.
        let is_own = ["/dev/fd/", "/dev/stdin", "/proc/self/fd/"]
            .iter()
            .any(|start| path.as_os_str().as_encoded_bytes().starts_with(start.as_bytes()));
        if is_own && (kind.is_fifo() || kind.is_char_device() || kind.is_socket()) {
            return Ok(Self::Stream(path.to_owned()));
        }
        let shown = plain(&path.display().to_string());
        Err(CliFailure::usage(format_args!(
            "{shown} is no regular file; `aq add - <{shown}` reads what comes out of it"
        )))
    }

    /// The name for messages.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stream(path) if path == Path::new("-") => "<stdin>".to_owned(),
            Self::Stream(_) => "<pipe>".to_owned(),
        }
    }

    /// The whole text.
    pub(crate) fn read(&self) -> Result<String, CliFailure> {
        let shown = plain(&self.shown());
        match self {
            Self::File(path) => read_file(path, &shown),
            Self::Stream(path) if path == Path::new("-") => read_stream(std::io::stdin(), &shown),
            Self::Stream(path) => {
                let file = std::fs::File::open(path);
                let file = file.map_err(|e| CliFailure::io(format_args!("open {shown}"), &e))?;
                read_stream(file, &shown)
            }
        }
    }

    /// The id that the job would like to have: that of the file, or `name`.
    pub(crate) fn id(&self, name: Option<&str>) -> Result<JobId, CliFailure> {
        if let Some(name) = name {
            return JobId::new(without_suffix(name)).map_err(|e| {
                CliFailure::usage(format_args!("--name {name:?} cannot be a job's id: {e}"))
            });
        }
        let stem = match self {
            Self::File(path) => path.file_stem().unwrap_or_default().to_string_lossy(),
            Self::Stream(_) => "job".into(),
        };
        JobId::new(without_suffix(&stem)).map_err(|e| {
            let shown = plain(&self.shown());
            CliFailure::usage(format_args!(
                "{shown}: {stem:?} cannot be a job's id: {e}; rename the file or use --name"
            ))
        })
    }
}

/// A job is called by its id, and `NAME.md` is the file of the job NAME.
fn without_suffix(name: &str) -> &str {
    let mut name = name;
    while let Some(stem) = name.strip_suffix(".md").filter(|stem| !stem.is_empty()) {
        name = stem;
    }
    name
}

/// The job files of a directory. What a project keeps for its readers is none, and is named.
fn job_files(dir: &Path) -> Result<Vec<JobSource>, CliFailure> {
    let doing = || format!("read the directory {}", plain(&dir.display().to_string()));
    let entries = std::fs::read_dir(dir).map_err(|e| CliFailure::io(doing(), &e))?;
    let is_markdown = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "md");
    let mut paths: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(is_markdown).collect();
    paths.sort();
    let mut files = Vec::new();
    let mut left_out = Vec::new();
    for path in paths {
        let kind = path.metadata().map(|about| about.file_type()).ok();
        let why = if kind.is_some_and(|kind| kind.is_dir()) {
            "a directory"
        } else if is_project_file(&path) && !has_front_matter(&path) {
            "no front matter"
        } else {
            files.push(JobSource::of(&path, kind)?);
            continue;
        };
        let name = plain(&path.file_name().unwrap_or_default().to_string_lossy());
        left_out.push(format!("{name} ({why})"));
    }
    let shown = plain(&dir.display().to_string());
    if !left_out.is_empty() {
        output::warning(&format!(
            "left out of {shown}: {}; a file that is named is taken",
            left_out.join(", ")
        ));
    }
    if files.is_empty() {
        let found = if left_out.is_empty() { "has no *.md file" } else { "has no job file" };
        return Err(CliFailure::usage(format_args!("{shown} {found}")));
    }
    Ok(files)
}

/// True for a name that projects give to their own pages: `README.md`, `CLAUDE.local.md`.
fn is_project_file(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    let first = name.split('.').next().unwrap_or_default();
    PROJECT_FILES.contains(&first)
}

fn has_front_matter(path: &Path) -> bool {
    let text = path.canonicalize().ok().and_then(|real| read_text(&real).ok()).unwrap_or_default();
    let text = text.trim_start_matches('\u{feff}');
    text.lines().next().is_some_and(|line| line.trim_end() == "---")
}

/// A prompt that somebody typed where files are expected.
fn words_in_place_of_files(files: &[PathBuf]) -> Option<CliFailure> {
    let is_word = |path: &PathBuf| {
        let text = path.to_str().unwrap_or("/");
        !text.contains('/') && !text.ends_with(".md") && text != "-" && !path.exists()
    };
    let is_prompt =
        files.len() > 1 || files.iter().any(|file| file.to_string_lossy().contains(' '));
    if !is_prompt || !files.iter().all(is_word) {
        return None;
    }
    let words: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
    let text = plain(&words.join(" "));
    let quoted = text.replace('\'', "'\\''");
    Some(CliFailure::usage(format_args!(
        "there is no file of these names; a prompt comes from a file or standard input: \
         `echo '{quoted}' | aq add - --name NAME`"
    )))
}

fn read_file(path: &Path, shown: &str) -> Result<String, CliFailure> {
    let unreadable = |e: std::io::Error| {
        let denied = e.kind() == std::io::ErrorKind::PermissionDenied;
        let exit = if denied { CliExit::Environment } else { CliExit::Usage };
        CliFailure::new(exit, format_args!("cannot read {shown}: {e}"))
    };
    let about = match path.symlink_metadata() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(missing(path, shown)),
        about => about.map_err(unreadable)?,
    };
    // A link that the user names is meant; one in the queue is not followed.
    let real = match about.is_symlink() {
        true => path.canonicalize().map_err(unreadable)?,
        false => path.to_owned(),
    };
    read_text(&real).map_err(|e| match e {
        aq_runner::store::UnreadableJob::Io(e) => unreadable(e),
        e => CliFailure::usage(format_args!("cannot take {shown}: {e}")),
    })
}

/// The failure for a file that is not there, with what was probably meant.
fn missing(path: &Path, shown: &str) -> CliFailure {
    let with_suffix = path.with_added_extension("md");
    let mend = if with_suffix.is_file() {
        format!("; {} is there", plain(&with_suffix.display().to_string()))
    } else if path.extension().is_none() && path.components().count() == 1 {
        "; a prompt in words comes from standard input: `echo 'PROMPT' | aq add - --name NAME`"
            .to_owned()
    } else {
        String::new()
    };
    CliFailure::usage(format_args!("there is no file {shown}{mend}"))
}

fn read_stream(stream: impl Read, shown: &str) -> Result<String, CliFailure> {
    let mut bytes = Vec::new();
    let read = stream.take(MAX_JOB_FILE).read_to_end(&mut bytes);
    read.map_err(|e| CliFailure::io(format_args!("read {shown}"), &e))?;
    if bytes.len() as u64 >= MAX_JOB_FILE {
        return Err(CliFailure::usage(format_args!(
            "{shown} has 1 MiB or more; a job file has less"
        )));
    }
    String::from_utf8(bytes)
        .map_err(|_| CliFailure::usage(format_args!("{shown} is not UTF-8 text; save it as UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_files_are_known_by_name() {
        for name in ["README.md", "readme.de.md", "CLAUDE.local.md", "Code_of_Conduct.md"] {
            assert!(is_project_file(Path::new(name)), "{name}");
        }
        for name in ["readme-fix.md", "fix-changelog.md", "a.md", ".md"] {
            assert!(!is_project_file(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn a_suffix_is_no_part_of_a_name() {
        for (name, id) in [("a.md", "a"), ("a.md.md", "a"), ("a", "a"), (".md", ".md")] {
            assert_eq!(without_suffix(name), id);
        }
    }
}
