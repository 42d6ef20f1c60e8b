//! `aq add`: jobs go in all together or not at all, and are safe once this has answered.

mod change;
mod place;
mod plan;
#[cfg(test)]
mod tests;
mod warning;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aq_ledger::RecordUpdate;
use aq_manifest::{JobId, JobSpec, Stage};
use jiff::Timestamp;

use super::error::{Result, StoreError};
use super::job_file::{InvalidJobFile, lacks_home, load, resolve_cwd};
use super::locks::FileLock;
use super::queue_dir::{QueueDir, require_text};

pub use change::change;
use place::{place, stage_files, take_back};
use plan::{DraftPlan, DraftPlanner, refuse_cycles, unheld_deps};
pub use warning::{AddWarning, AddWarningKind};

/// From this many jobs on, one sync of the whole file system is cheaper than one a file.
const BULK: usize = 8;

/// A job to add.
#[derive(Clone, Debug)]
pub struct JobDraft {
    /// Its name in messages: the file's path, as the user gave it.
    pub name: String,
    /// The id that it would like to have.
    pub id: JobId,
    /// The whole file.
    pub text: String,
    /// Further lines for its record.
    pub record: RecordUpdate,
    /// It is added even when a file of this name and with this text was added before.
    pub may_repeat: bool,
    /// A grant of the fleet brought it. In any other file the keys that a claim sets are refused.
    pub is_granted: bool,
}

/// Where and when an add happens.
#[derive(Clone, Debug)]
pub struct AddContext {
    /// The directory that a relative `cwd` is relative to: where `aq add` ran.
    pub base: PathBuf,
    /// The directory that `~` means.
    pub home: Option<PathBuf>,
    /// The time to record.
    pub now: Timestamp,
    /// Reports may use colour.
    pub colour: bool,
    /// The branch that a directory has checked out, by its full name.
    pub branch_at: fn(&Path) -> Option<String>,
    /// The repository that a directory is in, by its common git directory.
    pub repository_at: fn(&Path) -> Option<PathBuf>,
    /// The job whose agent adds.
    pub parent: Option<ParentJob>,
    /// Observer of the jobs before they are in.
    pub observer: Option<AddObserver>,
}

/// A function that sees the values of jobs.
type ObserveJobs = dyn Fn(&[&JobSpec]) + Send + Sync;

/// An observer of jobs that are about to be added.
#[derive(Clone)]
pub struct AddObserver(Arc<ObserveJobs>);

impl AddObserver {
    /// Calls this with the values of all jobs of an add.
    pub fn new(observe: impl Fn(&[&JobSpec]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }
}

impl fmt::Debug for AddObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddObserver")
    }
}

/// The job whose agent adds another one, which then works where this one was added.
#[derive(Clone, Debug)]
pub struct ParentJob {
    /// Directories of the agent's, with those of the project that they mean.
    pub places: Vec<(PathBuf, PathBuf)>,
    /// The branch that it is merged into, by its full name.
    pub branch: Option<String>,
}

impl ParentJob {
    /// The place in the project; `None` for a directory that is not the agent's.
    fn project_place(&self, dir: &Path) -> Option<PathBuf> {
        self.places.iter().find_map(|(own, project)| {
            let rest = dir.strip_prefix(own).ok()?;
            // A path does not end in a slash.
            Some(project.join(rest).components().collect())
        })
    }
}

impl AddContext {
    /// The options where nobody but a person adds, and outside of git.
    pub fn new(base: PathBuf, home: Option<PathBuf>, now: Timestamp) -> Self {
        let (branch_at, repository_at) = (|_: &Path| None, |_: &Path| None);
        let (colour, parent, observer) = (false, None, None);
        Self { base, home, now, colour, branch_at, repository_at, parent, observer }
    }

    /// A directory and its branch, as the job gets them.
    fn place(&self, dir: PathBuf) -> DraftPlace {
        let parent = self.parent.as_ref();
        match parent.and_then(|parent| Some((parent.project_place(&dir)?, parent.branch.clone()))) {
            Some((dir, branch)) => DraftPlace { is_there: dir.is_dir(), dir, branch },
            None => DraftPlace { is_there: dir.is_dir(), branch: (self.branch_at)(&dir), dir },
        }
    }

    /// The directory from which the jobs come, as their records have it.
    fn origin_dir(&self) -> PathBuf {
        let parent = self.parent.as_ref();
        let project = parent.and_then(|parent| parent.project_place(&self.base));
        project.unwrap_or_else(|| self.base.clone())
    }
}

impl JobDraft {
    /// A draft of which nothing else is to be recorded.
    pub fn new(name: String, id: JobId, text: String) -> Self {
        Self { name, id, text, record: RecordUpdate::new(), may_repeat: true, is_granted: false }
    }
}

/// Result of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DraftResult {
    /// It waits under this id.
    New {
        /// The job.
        id: JobId,
    },
    /// The same key with the same body is there already: nothing happened.
    Unchanged {
        /// The job that is there.
        id: JobId,
        /// Its folder.
        stage: Stage,
    },
    /// A file of this name and with this text was added before: nothing happened.
    SameFile {
        /// The job that is there.
        id: JobId,
        /// Its folder.
        stage: Stage,
        /// The draft.
        name: String,
    },
    /// It took the place of a job with the same key that had not started.
    Superseded {
        /// The job.
        id: JobId,
        /// The job that it replaced: the same one, or one of another name that is in the archive.
        old: JobId,
    },
}

impl DraftResult {
    /// The job, whatever became of the draft.
    pub fn id(&self) -> &JobId {
        match self {
            Self::New { id }
            | Self::Unchanged { id, .. }
            | Self::SameFile { id, .. }
            | Self::Superseded { id, .. } => id,
        }
    }

    /// True when the job was there before, and stays as it was.
    pub fn is_unchanged(&self) -> bool {
        matches!(self, Self::Unchanged { .. } | Self::SameFile { .. })
    }
}

/// The result of an add, and what the user should look at though it is no error.
#[derive(Clone, Debug, Default)]
pub struct AddReport {
    /// One entry a draft, in their order.
    pub added: Vec<DraftResult>,
    /// Warnings, in the order in which they came up.
    pub warnings: Vec<AddWarning>,
}

/// Reason why nothing was added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// Job files, or profiles, with errors.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<InvalidJobFile>),
    /// A job with this key and another body has left the inbox.
    #[error(
        "{name}: the idempotency key {key:?} belongs to job {id} in {stage}/, whose file is \
        another; use a new key, or the same file"
    )]
    Clash {
        /// The draft.
        name: String,
        /// The key.
        key: String,
        /// The job that has it.
        id: JobId,
        /// That job's folder.
        stage: Stage,
    },
    /// Two drafts of this add have one key and different bodies.
    #[error(
        "{name}: the idempotency key {key:?} is also that of {other}; give each job a key of its \
        own"
    )]
    Twice {
        /// The draft.
        name: String,
        /// The key.
        key: String,
        /// The other draft.
        other: String,
    },
    /// Its dependencies lead back to itself.
    #[error(
        "{name}: the dependencies go round in a circle: {}; take one of them out of `deps`",
        path.join(" -> ")
    )]
    Cycle {
        /// The draft.
        name: String,
        /// Keys, from the draft's back to itself.
        path: Vec<String>,
    },
    /// The queue's files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue's files, when some jobs were in already and could not be taken back: a loop has
    /// started them, or the file system let nothing be undone.
    #[error(
        "{problem}; in the queue all the same: {}; do not add these again",
        jobs.iter().map(JobId::as_str).collect::<Vec<_>>().join(", ")
    )]
    Partly {
        /// The jobs that were added.
        jobs: Vec<JobId>,
        /// The problem.
        problem: StoreError,
    },
}

struct CheckedDraft<'a> {
    draft: &'a JobDraft,
    spec: JobSpec,
    place: DraftPlace,
}

/// Where a job works.
#[derive(Clone)]
struct DraftPlace {
    dir: PathBuf,
    is_there: bool,
    /// The branch that is checked out there.
    branch: Option<String>,
}

/// Adds jobs. When this returns `Ok`, they survive power loss.
///
/// # Errors
/// Nothing was added, but for the jobs that [`AddError::Partly`] names. The first problem of each
/// kind is reported: bad files (all of them), a clash of keys, a circle, or the file system.
pub fn add(
    queue: &QueueDir,
    drafts: &[JobDraft],
    context: &AddContext,
) -> Result<AddReport, AddError> {
    let mut report = AddReport::default();
    let checked = check(queue, drafts, context, &mut report)?;
    let _one_at_a_time = FileLock::adding(queue)?;
    refuse_cycles(queue, &checked)?;
    let mut planner = DraftPlanner::new(queue, checked.len())?;
    let plans: Vec<DraftPlan> =
        checked.iter().map(|job| planner.plan(job)).collect::<Result<_, AddError>>()?;
    report.warnings.extend(unheld_deps(queue, &checked)?);
    if let Some(AddObserver(observe)) = &context.observer {
        observe(&checked.iter().map(|job| &job.spec).collect::<Vec<_>>());
    }
    let bulk = checked.len() >= BULK;
    let staged = stage_files(queue, &checked, &plans, context, bulk)?;
    let placed = place(queue, &checked, plans, staged, context, &mut report.added);
    placed.map_err(|problem| take_back(queue, &report.added, problem))?;
    Ok(report)
}

fn check<'a>(
    queue: &QueueDir,
    drafts: &'a [JobDraft],
    context: &AddContext,
    report: &mut AddReport,
) -> Result<Vec<CheckedDraft<'a>>, AddError> {
    let mut checked = Vec::with_capacity(drafts.len());
    let mut invalid = Vec::new();
    // Most of them work in the same directory.
    let mut places: HashMap<Option<String>, DraftPlace> = HashMap::new();
    for draft in drafts {
        let loaded = load(queue.profiles(), &draft.name, &draft.text, context.colour);
        let loaded = loaded.and_then(|file| file.require_prompt(&draft.name));
        let loaded = loaded.and_then(|file| match draft.is_granted {
            true => Ok(file),
            false => file.require_own(&draft.name),
        });
        match loaded {
            Ok(file) if lacks_home(file.spec.cwd.as_deref(), context.home.as_deref()) => {
                let words = "`cwd` begins with `~`, and HOME is not set: set it, or write the \
                    directory out";
                invalid.push(InvalidJobFile::whole(&draft.name, words));
            }
            Ok(file) => {
                let place = places.entry(file.spec.cwd.clone()).or_insert_with_key(|cwd| {
                    context.place(resolve_cwd(
                        cwd.as_deref(),
                        &context.base,
                        context.home.as_deref(),
                    ))
                });
                let place = place.clone();
                if let Err(e) = require_text(&place.dir) {
                    invalid.push(InvalidJobFile::whole(&draft.name, e));
                    continue;
                }
                if !file.warnings.is_empty() {
                    let kind = AddWarningKind::JobFile;
                    report.warnings.push(AddWarning::of_job(kind, &draft.name, file.warnings));
                }
                if !place.is_there {
                    let text = format!(
                        "warning: {}: the directory {} is not there yet; the job fails if it is \
                        still missing when it starts\n",
                        draft.name,
                        place.dir.display()
                    );
                    let kind = AddWarningKind::NoDirectory;
                    report.warnings.push(AddWarning::of_job(kind, &draft.name, text));
                }
                checked.push(CheckedDraft { draft, spec: file.spec, place });
            }
            Err(problem) => invalid.push(problem),
        }
    }
    if invalid.is_empty() { Ok(checked) } else { Err(AddError::Invalid(invalid)) }
}
