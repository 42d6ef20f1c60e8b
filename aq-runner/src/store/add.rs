//! `aq add`: jobs go in all together or not at all, and are safe once this has answered.

mod plan;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use aq_manifest::{JobId, JobSpec, Stage};
use jiff::Timestamp;

use super::clean::withdraw;
use super::durable::{rename_new, sync_dir, sync_file_system, write_new};
use super::error::{At, Result, StoreError};
use super::job_file::{Invalid, lacks_home, load, resolve_cwd};
use super::keys::Keys;
use super::locks::FileLock;
use super::meta::Record;
use super::queue_dir::QueueDir;
use super::record::describe;
use super::transition::{HeldJob, RUN_KEYS};

use plan::{Plan, Planner, refuse_cycles};

/// From this many jobs on, one sync of the whole file system is cheaper than one a file.
const BULK: usize = 8;

/// A job to add.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What messages call it: the file's path, as the user gave it.
    pub name: String,
    /// The id that it would like to have.
    pub id: JobId,
    /// The whole file.
    pub text: String,
    /// What else to record of it.
    pub record: Record,
    /// A grant of the fleet brought it. In any other file the keys that a claim sets are refused.
    pub is_granted: bool,
}

/// Where and when an add happens.
#[derive(Clone, Debug)]
pub struct AddContext {
    /// What a relative `cwd` is relative to: where `aq add` ran.
    pub base: PathBuf,
    /// What `~` stands for.
    pub home: Option<PathBuf>,
    /// The time to record.
    pub now: Timestamp,
    /// Whether reports may use colour.
    pub colour: bool,
}

impl Draft {
    /// A draft of which nothing else is to be recorded.
    pub fn new(name: String, id: JobId, text: String) -> Self {
        Self { name, id, text, record: Record::new(), is_granted: false }
    }
}

/// What became of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
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
    /// It took the place of a job with the same key that had not started.
    Superseded {
        /// The job.
        id: JobId,
        /// The job that it replaced: the same one, or one of another name that is in the archive.
        old: JobId,
    },
}

impl Added {
    /// The job, whatever became of the draft.
    pub fn id(&self) -> &JobId {
        match self {
            Self::New { id } | Self::Unchanged { id, .. } | Self::Superseded { id, .. } => id,
        }
    }
}

/// What an add did, and what the user should look at though it is no error.
#[derive(Clone, Debug, Default)]
pub struct AddReport {
    /// One entry a draft, in their order.
    pub added: Vec<Added>,
    /// Rendered warnings.
    pub warnings: Vec<String>,
}

/// Why nothing was added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// Job files, or profiles, with errors.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Invalid>),
    /// A job with this key and another body has left the inbox.
    #[error(
        "{name}: the idempotency key {key:?} belongs to job {id} in {stage}/, whose file is another; \
             use a new key, or the same file"
    )]
    Clash {
        /// The draft.
        name: String,
        /// The key.
        key: String,
        /// Who has it.
        id: JobId,
        /// Where that job lies.
        stage: Stage,
    },
    /// Two drafts of this add have one key and different bodies.
    #[error(
        "{name}: the idempotency key {key:?} is also that of {other}; give each job a key of its own"
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
    #[error("{name}: the dependencies go round in a circle: {}; take one of them out of `deps`", path.join(" -> "))]
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
        "{problem}; in the queue all the same: {} (`aq status` shows them; do not add these again)",
        jobs.iter().map(JobId::as_str).collect::<Vec<_>>().join(", ")
    )]
    Partly {
        /// What is in.
        jobs: Vec<JobId>,
        /// What failed.
        problem: StoreError,
    },
}

struct Checked<'a> {
    draft: &'a Draft,
    spec: JobSpec,
    cwd: PathBuf,
}

/// Adds jobs. When this returns `Ok`, they survive power loss.
///
/// # Errors
/// Nothing was added, but for the jobs that [`AddError::Partly`] names. The first problem of each kind
/// is told: bad files (all of them), a clash of keys, a circle, or the file system.
pub fn add(
    queue: &QueueDir,
    drafts: &[Draft],
    context: &AddContext,
) -> Result<AddReport, AddError> {
    let mut report = AddReport::default();
    let checked = check(queue, drafts, context, &mut report)?;
    let _one_at_a_time = FileLock::adding(queue)?;
    refuse_cycles(queue, &checked)?;
    let mut planner = Planner::new(queue, checked.len())?;
    let plans: Vec<Plan> =
        checked.iter().map(|job| planner.plan(job)).collect::<Result<_, AddError>>()?;
    let bulk = checked.len() >= BULK;
    let staged = stage_files(queue, &checked, &plans, context, bulk)?;
    let placed = place(queue, &checked, plans, staged, context, &mut report.added);
    placed.map_err(|problem| take_back(queue, &report.added, problem))?;
    Ok(report)
}

/// After a failure: what is in and was not started comes out again, so that a second try adds no job
/// twice. Who gave a job its key can try again anyway, so one that took another's place stays.
fn take_back(queue: &QueueDir, added: &[Added], problem: StoreError) -> AddError {
    let stays = |one: &Added| match one {
        Added::New { id } => discard(queue, id).is_err().then(|| id.clone()),
        Added::Superseded { id, .. } => Some(id.clone()),
        Added::Unchanged { .. } => None,
    };
    let jobs: Vec<JobId> = added.iter().filter_map(stays).collect();
    // Neither the jobs that came out again nor those that stay were promised to anybody.
    let _ = sync_dir(&queue.stage(Stage::Inbox));
    if jobs.is_empty() { AddError::Store(problem) } else { AddError::Partly { jobs, problem } }
}

fn discard(queue: &QueueDir, id: &JobId) -> Result<()> {
    let job = HeldJob::take(queue, id)?;
    job.require(&[Stage::Inbox], "add", "inbox/")?;
    let file = queue.job_file(Stage::Inbox, id);
    std::fs::remove_file(&file).at("remove", &file)?;
    // A record without a job is nobody's; the next job of this name writes its own.
    let _ = std::fs::remove_file(queue.meta(id));
    Ok(())
}

fn check<'a>(
    queue: &QueueDir,
    drafts: &'a [Draft],
    context: &AddContext,
    report: &mut AddReport,
) -> Result<Vec<Checked<'a>>, AddError> {
    let mut checked = Vec::with_capacity(drafts.len());
    let mut invalid = Vec::new();
    // Most of them work in the same directory.
    let mut places: HashMap<Option<String>, (PathBuf, bool)> = HashMap::new();
    for draft in drafts {
        match load(queue.profiles(), &draft.name, &draft.text, context.colour) {
            Ok(file) if !draft.is_granted && has_grant(&file.spec) => {
                let words = "`fleet-job-id` and `fleet-lease-epoch` are set when the fleet grants a job, not by \
                             people: take them out";
                invalid.push(Invalid::whole(&draft.name, words));
            }
            Ok(file) if lacks_home(file.spec.cwd.as_deref(), context.home.as_deref()) => {
                let words = "`cwd` begins with `~`, and HOME is not set: set it, or write the directory out";
                invalid.push(Invalid::whole(&draft.name, words));
            }
            Ok(file) => {
                let place = places.entry(file.spec.cwd.clone()).or_insert_with_key(|cwd| {
                    let cwd = resolve_cwd(cwd.as_deref(), &context.base, context.home.as_deref());
                    let is_there = cwd.is_dir();
                    (cwd, is_there)
                });
                let (cwd, is_there) = place.clone();
                if !file.warnings.is_empty() {
                    report.warnings.push(file.warnings);
                }
                if !is_there {
                    report.warnings.push(format!(
                        "warning: {}: the directory {} is not there yet; the job fails if it is still missing when it starts\n",
                        draft.name,
                        cwd.display()
                    ));
                }
                checked.push(Checked { draft, spec: file.spec, cwd });
            }
            Err(problem) => invalid.push(problem),
        }
    }
    if invalid.is_empty() { Ok(checked) } else { Err(AddError::Invalid(invalid)) }
}

fn has_grant(spec: &JobSpec) -> bool {
    spec.fleet_job_id.is_some() || spec.fleet_lease_epoch.is_some()
}

/// Writes the files under names that nothing looks at, with their content durable, and the records with their
/// names, too: a job whose record a power cut took away would be taken for a hand-dropped file, and work in
/// another directory.
fn stage_files(
    queue: &QueueDir,
    jobs: &[Checked<'_>],
    plans: &[Plan],
    context: &AddContext,
    bulk: bool,
) -> Result<Vec<Option<PathBuf>>> {
    let mut staged = Vec::with_capacity(jobs.len());
    let adder = std::process::id();
    for (n, (job, plan)) in jobs.iter().zip(plans).enumerate() {
        let id = match plan {
            Plan::Place(id) | Plan::Supersede(id, _) => id,
            Plan::Nothing(_) => {
                staged.push(None);
                continue;
            }
        };
        // No job id starts with a dot, so this is nobody's scratch folder.
        let temporary = queue.state().join(format!("tmp/.add-{adder}-{n}.md"));
        write_new(&temporary, job.draft.text.as_bytes(), !bulk)?;
        let record = origin(context, job.draft);
        let record = record.followed_by(describe(queue, &job.spec, &job.cwd, &temporary));
        match plan {
            // The old record stays: what the old file said is overwritten key by key.
            Plan::Supersede(id, old) if id == old.id() => {}
            _ => write_new(&queue.meta(id), record.to_new_file().as_bytes(), !bulk)?,
        }
        staged.push(Some(temporary));
    }
    if bulk {
        sync_file_system(queue.root())?;
    } else if staged.iter().any(Option::is_some) {
        sync_dir(&queue.meta_dir())?;
    }
    Ok(staged)
}

fn origin(context: &AddContext, draft: &Draft) -> Record {
    let record = Record::new().set("added_at", context.now);
    record.set("added_from", context.base.display()).followed_by(draft.record.clone())
}

/// Gives the files their names, and notes each in `added` as soon as it has its own. The record is
/// there before the job is, so the loop never takes a job for a hand-dropped file.
fn place(
    queue: &QueueDir,
    jobs: &[Checked<'_>],
    plans: Vec<Plan>,
    staged: Vec<Option<PathBuf>>,
    context: &AddContext,
    added: &mut Vec<Added>,
) -> Result<()> {
    let keys = Keys::new(queue);
    for ((job, plan), temporary) in jobs.iter().zip(plans).zip(staged) {
        let temporary = temporary.unwrap_or_default();
        // Before the job is there: one that is there and not in the index could be added twice, or
        // close a circle.
        for dep in &job.spec.deps {
            keys.await_key(dep)?;
        }
        match plan {
            Plan::Nothing(outcome) => added.push(outcome),
            Plan::Place(id) => {
                if let Some(key) = &job.spec.idempotency_key {
                    keys.claim(key, &id)?;
                }
                let file = queue.job_file(Stage::Inbox, &id);
                rename_new(&temporary, &file).at("move the new job to", &file)?;
                added.push(Added::New { id });
            }
            Plan::Supersede(id, old) => {
                supersede(queue, job, &id, *old, &temporary, context, added)?;
            }
        }
    }
    if added.iter().any(|a| !matches!(a, Added::Unchanged { .. })) {
        sync_dir(&queue.stage(Stage::Inbox))?;
    }
    Ok(())
}

fn supersede(
    queue: &QueueDir,
    job: &Checked<'_>,
    id: &JobId,
    mut old: HeldJob,
    temporary: &Path,
    context: &AddContext,
    added: &mut Vec<Added>,
) -> Result<()> {
    let file = queue.job_file(Stage::Inbox, id);
    let old_id = old.id().clone();
    if *id == old_id {
        let record = Record::new().clear(RUN_KEYS).followed_by(origin(context, job.draft));
        old.append(&record.followed_by(describe(queue, &job.spec, &job.cwd, temporary)))?;
        // Where it was added is nowhere else, and says where it works.
        old.sync()?;
        std::fs::rename(temporary, &file).at("replace", &file)?;
        added.push(Added::Superseded { id: id.clone(), old: old_id });
        return Ok(());
    }
    if let Some(key) = &job.spec.idempotency_key {
        Keys::new(queue).claim(key, id)?;
    }
    // First the new one, then the old one away: a crash in between leaves both, never none, and so does a
    // power cut. The loop does not launch a job whose key another one holds.
    rename_new(temporary, &file).at("move the new job to", &file)?;
    let replaced = sync_dir(&queue.stage(Stage::Inbox))
        .and_then(|()| withdraw(queue, &old, context.now))
        // As long as the old one is there, the new one is not needed.
        .inspect_err(|_| drop(queue.has(Stage::Inbox, &old_id).then(|| discard(queue, id))));
    if queue.has(Stage::Inbox, id) {
        added.push(Added::Superseded { id: id.clone(), old: old_id });
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestQueue, id};

    const A: &str = "---\nidempotency-key: k\n---\none\n";
    const B: &str = "---\nidempotency-key: k\n---\ntwo\n";

    #[test]
    fn a_taken_id_gets_a_number_wherever_its_holder_lies() {
        let queue = TestQueue::new();
        queue.place("a", Stage::Shipped, "x");
        queue.place("a-2", Stage::Failed, "x");
        let added = queue.add(&[("a", "x"), ("a", "x"), ("b", "x")]).unwrap();
        let ids: Vec<&str> = added.iter().map(|one| one.id().as_str()).collect();
        assert_eq!(ids, ["a-3", "a-4", "b"]);
    }

    #[test]
    fn a_tilde_that_nobody_can_resolve_is_refused() {
        let queue = TestQueue::new();
        let refused = queue.add(&[("a", "---\ncwd: ~/x\n---\nx\n")]).unwrap_err();
        assert!(refused.to_string().contains("HOME is not set"), "{refused}");
        assert_eq!(queue.jobs(Stage::Inbox).unwrap(), []);
    }

    #[test]
    fn what_is_in_when_an_add_fails_comes_out_again() {
        let queue = TestQueue::new();
        queue.add(&[("old", A)]).unwrap();
        // Where the job goes whose place is taken.
        std::fs::write(queue.archive(), "").unwrap();
        let failed = queue.add(&[("first", "x"), ("new", B)]).unwrap_err();
        assert!(matches!(failed, AddError::Store(_)), "{failed}");
        assert_eq!(queue.jobs(Stage::Inbox).unwrap(), [id("old")]);
        std::fs::remove_file(queue.archive()).unwrap();
        let added = queue.add(&[("first", "x"), ("new", B)]).unwrap();
        assert_eq!(added[0], Added::New { id: id("first") });
        assert_eq!(added[1], Added::Superseded { id: id("new"), old: id("old") });
    }

    #[test]
    fn only_a_grant_makes_a_job_the_fleets() {
        let queue = TestQueue::new();
        for keys in ["fleet-job-id: f\nfleet-lease-epoch: 1", "fleet-lease-epoch: 1"] {
            let refused = queue.add(&[("a", &format!("---\n{keys}\n---\nx\n"))]).unwrap_err();
            assert!(refused.to_string().contains("take them out"), "{refused}");
        }
        assert_eq!(queue.jobs(Stage::Inbox).unwrap(), []);
    }

    #[test]
    fn the_same_key_and_body_is_the_same_job_wherever_it_lies() {
        let queue = TestQueue::new();
        queue.add(&[("a", A)]).unwrap();
        for (from, to) in [
            (Stage::Inbox, Stage::Inbox),
            (Stage::Inbox, Stage::Building),
            (Stage::Building, Stage::Failed),
        ] {
            queue.shift("a", from, to);
            let added = queue.add(&[("other", A)]).unwrap();
            assert_eq!(added, [Added::Unchanged { id: id("a"), stage: to }]);
        }
        assert!(queue.find(&id("other")).is_none());
    }

    #[test]
    fn the_same_job_twice_in_one_add_is_one_job_under_its_own_name() {
        let queue = TestQueue::new();
        queue.place("a", Stage::Shipped, "x");
        let added = queue.add(&[("a", A), ("b", A)]).unwrap();
        let there = Added::Unchanged { id: id("a-2"), stage: Stage::Inbox };
        assert_eq!(added, [Added::New { id: id("a-2") }, there]);
        queue.shift("a-2", Stage::Inbox, Stage::Testing);
        let there = Added::Unchanged { id: id("a-2"), stage: Stage::Testing };
        assert_eq!(queue.add(&[("c", A), ("d", A)]).unwrap(), [there.clone(), there]);
    }

    #[test]
    fn another_body_takes_the_place_of_a_job_that_has_not_started() {
        let queue = TestQueue::new();
        queue.add(&[("a", A)]).unwrap();
        let added = queue.add(&[("a", B)]).unwrap();
        assert_eq!(added, [Added::Superseded { id: id("a"), old: id("a") }]);
        assert_eq!(queue.read_job(Stage::Inbox, &id("a")).unwrap(), B);
        let added = queue.add(&[("b", A)]).unwrap();
        assert_eq!(added, [Added::Superseded { id: id("b"), old: id("a") }]);
        assert_eq!(queue.jobs(Stage::Inbox).unwrap(), [id("b")]);
        assert!(queue.archive().join("19700101T000000Z/a.md").exists());
        assert!(!queue.meta(&id("a")).exists());
    }

    #[test]
    fn what_the_old_file_said_is_forgotten() {
        let queue = TestQueue::new();
        let old = "---\nidempotency-key: k\nmodel: m\ndeps: [x]\npriority: high\n---\none\n";
        queue.add(&[("a", old)]).unwrap();
        queue.add(&[("a", B)]).unwrap();
        let meta = queue.record("a");
        assert_eq!((meta.get("model"), meta.get("deps")), (None, None));
        assert_eq!(meta.get("priority"), Some("medium"));
    }

    #[test]
    fn another_body_for_a_job_that_has_left_the_inbox_is_refused() {
        let queue = TestQueue::new();
        queue.add(&[("a", A)]).unwrap();
        queue.shift("a", Stage::Inbox, Stage::Testing);
        let error = queue.add(&[("fine", "x"), ("b", B)]).unwrap_err();
        assert!(
            matches!(&error, AddError::Clash { id, stage: Stage::Testing, .. } if id.as_str() == "a"),
            "{error}"
        );
        assert!(queue.jobs(Stage::Inbox).unwrap().is_empty(), "all or none");
    }

    #[test]
    fn a_circle_is_named_over_jobs_that_are_there_and_new_ones() {
        let queue = TestQueue::new();
        let job =
            |key: &str, dep: &str| format!("---\nidempotency-key: {key}\ndeps: [{dep}]\n---\nx\n");
        queue.add(&[("a", &job("a", "b")), ("b", &job("b", "c"))]).unwrap();
        let error = queue.add(&[("c", &job("c", "d")), ("d", &job("d", "a"))]).unwrap_err();
        let AddError::Cycle { path, .. } = &error else { panic!("{error}") };
        assert_eq!(path.len(), 5, "{path:?}");
        assert_eq!(path.first(), path.last());
        assert!(queue.find(&id("c")).is_none());
        // A job that has ended holds nobody up.
        queue.shift("a", Stage::Inbox, Stage::Shipped);
        queue.add(&[("c", &job("c", "d")), ("d", &job("d", "a"))]).unwrap();
    }

    #[test]
    fn a_fresh_record_has_no_empty_values_and_nothing_is_left_behind() {
        let queue = TestQueue::new();
        queue.add(&[("a", "x")]).unwrap();
        let text = std::fs::read_to_string(queue.meta(&id("a"))).unwrap();
        assert!(!text.contains("=\n"), "{text}");
        assert_eq!(std::fs::read_dir(queue.state().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn many_at_once_are_added_like_one() {
        let queue = TestQueue::new();
        let names: Vec<String> = (0..BULK * 2).map(|n| format!("j{n}")).collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(queue.add(&files).unwrap().len(), BULK * 2);
        assert_eq!(queue.jobs(Stage::Inbox).unwrap().len(), BULK * 2);
    }
}
