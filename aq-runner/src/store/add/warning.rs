//! Warnings about jobs that were added.

/// A warning about jobs that were added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddWarning {
    /// The kind.
    pub kind: AddWarningKind,
    /// The jobs, by the names of their files, items or ids.
    pub jobs: Vec<String>,
    /// Rendered for people; several lines where a file has several faults.
    pub text: String,
}

/// Kinds of warnings about jobs that were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddWarningKind {
    /// The file says something that is probably not what was meant.
    JobFile,
    /// The directory is not there yet.
    NoDirectory,
    /// A key that the job waits for belongs to no job.
    UnheldDep,
    /// The tracker's item says something that a job cannot have.
    TrackerItem,
    /// No engine of the job is installed here.
    NoEngine,
    /// Only the engine's exit code will say whether the job did anything.
    Unchecked,
}

impl AddWarningKind {
    /// Its code, one word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::JobFile => "job_file",
            Self::NoDirectory => "no_directory",
            Self::UnheldDep => "unheld_dep",
            Self::TrackerItem => "tracker_item",
            Self::NoEngine => "no_engine",
            Self::Unchecked => "unchecked",
        }
    }
}

impl AddWarning {
    /// A warning about one job.
    pub(in crate::store) fn of_job(kind: AddWarningKind, job: &str, text: String) -> Self {
        Self { kind, jobs: vec![job.to_owned()], text }
    }
}
