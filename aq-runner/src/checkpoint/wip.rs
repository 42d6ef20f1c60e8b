//! A job's branch, and the place in which its agent works.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::base::{DepTip, EMPTY_START, StartPoint, WorkBase, first_base};
use super::checkout::{JobCheckout, remove};
use super::error::{CheckpointError, HeadState, Result};
use super::files;
use super::git::GitProgram;
use super::git_files::KnownChanges;
use super::left::LeftOut;
use super::notes::{JobRefs, WorkOrigin};
use super::own::OwnPlace;
use super::remote_target::first_base_at;
use super::repository::{CommitId, GitRepository};
use super::turn::take_turn;
use super::watch::GitWatch;

/// Where the branches of all jobs are.
pub(super) const BRANCHES: &str = "refs/heads/aq/wip/";

/// Where a job's agent works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkIsolation {
    /// In a checkout of its own, which borrows the objects of the user's repository.
    Own(OwnPlace),
    /// In the user's checkout itself.
    InPlace,
}

impl WorkIsolation {
    /// The directory of the job's own checkout; `None` when it has none.
    pub fn dir(&self) -> Option<&Path> {
        match self {
            Self::Own(place) => Some(&place.dir),
            Self::InPlace => None,
        }
    }
}

/// The branch that a job is merged into, by its full name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MergeTarget {
    /// The one that is checked out when the job first starts.
    #[default]
    Head,
    /// This one, or what is checked out where it is gone.
    Noted(String),
    /// This one and no other.
    Named(String),
}

/// The facts about a job that are needed here.
#[derive(Clone, Debug)]
pub struct CheckpointJob {
    /// Its id, of which the branch is named.
    pub name: String,
    /// Its directory, in the user's checkout.
    pub cwd: PathBuf,
    /// Where its agent works.
    pub isolation: WorkIsolation,
    /// Where it is merged into.
    pub target: MergeTarget,
    /// The remote at which that is; `None` where it is a branch of the job's repository.
    pub target_at: Option<String>,
    /// Where it starts from.
    pub start: StartPoint,
    /// Work of further deps that a first start from deps has, too.
    pub fetched: Vec<DepTip>,
    /// The file that keeps its base commit. Four more lie beside it, ending in `.from`,
    /// `.ground`, `.rebase` and `.back`.
    pub base_file: PathBuf,
    /// The queue's directory, which is never a part of the work, not even inside the checkout.
    pub queue: PathBuf,
    /// Environment entries for every run of git, by which one that outlives its caller is found.
    pub marks: Vec<(OsString, OsString)>,
    /// The end of a run of git that does not end by itself.
    pub watch: GitWatch,
}

impl CheckpointJob {
    /// The name of its branch, as people name it: `aq/wip/<job>`.
    pub fn branch(&self) -> String {
        branch_of(&self.name)
    }

    /// The repository of its directory.
    pub(super) fn repository(&self) -> Result<Option<GitRepository>> {
        Ok(self.repository_with(&self.cwd, "HEAD")?.map(|(repo, _)| repo))
    }

    /// The repository of a directory, and whether it has a branch.
    fn repository_with(&self, dir: &Path, branch: &str) -> Result<Option<(GitRepository, bool)>> {
        GitRepository::discover_with(GitProgram::new(&self.marks, &self.watch), dir, branch)
    }
}

/// A job's branch.
#[derive(Clone, Debug)]
pub struct JobBranch {
    pub(super) repo: GitRepository,
    /// The ground of the job's own work.
    pub(super) ground: WorkBase,
    /// Where the job starts from, when that is not known from an earlier start.
    from: WorkOrigin,
    pub(super) notes: JobRefs,
    pub(super) isolation: WorkIsolation,
    /// The branch's commit when this process started the job; `None` when it did not.
    pub(super) known_tip: Option<CommitId>,
    /// The changes of its first commit, when this process made that.
    pub(super) known_changes: KnownChanges,
    /// The job's, with which the text of each commit begins.
    pub(super) name: String,
    branch: String,
    queue: PathBuf,
    /// The remote at which the job's target is.
    pub(super) target_at: Option<String>,
    /// True when its merge commits are signed.
    pub(super) signs_merges: bool,
    /// True when its target goes forward by one commit.
    pub(super) merges_in_one_step: bool,
    /// Held by an in-place job at work.
    turn: Option<Arc<File>>,
}

/// A job that is ready for its agent.
#[derive(Clone, Debug)]
pub struct StartedWork {
    /// Its branch.
    pub wip: JobBranch,
    /// Where the agent works: at the place in the job's checkout that `cwd` has in the user's.
    pub dir: PathBuf,
    /// The checkout was made just now, so that `setup` has to run.
    pub fresh: bool,
    /// Work that an earlier attempt had left and that was saved now.
    pub leftovers: CheckpointResult,
}

/// The result of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointResult {
    /// The branch's new commit; `None` when there was nothing new.
    pub commit: Option<CommitId>,
    /// Work that the branch does not hold: files that git cannot add, work in repositories inside,
    /// other branches and stashes of the agent's. Everything else was saved.
    pub left_out: Vec<LeftOut>,
    /// Where the agent's git hides changes by rules that are not the user's, for people. They were
    /// saved all the same.
    pub hidden: Vec<String>,
}

impl JobBranch {
    /// Gets a job's branch and directory ready: new at the first start, from the branch later.
    /// What an earlier attempt left uncommitted is saved first. `None` outside git.
    ///
    /// A repository without a commit gets an empty one, on the job's branch only.
    ///
    /// # Errors
    /// In-place: when the checkout is dirty, bare, in the middle of an operation or taken by
    /// another job ([`NotItsTurn`](CheckpointError::NotItsTurn) while that may end by itself).
    /// Both: when the branch exists and is not of this job, the work of its deps does not go
    /// together ([`DepsConflict`](CheckpointError::DepsConflict), and nothing was made), or git
    /// fails.
    pub fn start(job: &CheckpointJob) -> Result<Option<StartedWork>> {
        let branch = branch_ref(&job.name);
        let found = job.repository_with(&job.cwd, &branch)?;
        let Some((mut repo, mut has_branch)) = found else { return Ok(None) };
        let notes = JobRefs::beside(&job.base_file);
        let mut turn = None;
        if job.isolation == WorkIsolation::InPlace {
            turn = Some(Arc::new(take_turn(repo.common_dir(), &notes.back)?));
            // Until now another job may have had the checkout.
            let found = job.repository_with(&job.cwd, &branch)?;
            let Some(found) = found else { return Ok(None) };
            (repo, has_branch) = found;
        }
        let known = notes.ground()?;
        let first = known.is_none();
        let (ground, from) = match known {
            Some(ground) => (ground, WorkOrigin::of(repo.head())),
            None => {
                let (here, from) = first_base(&repo, &job.target, &job.branch())?;
                let there = first_base_at(&repo, job, &from)?;
                (WorkBase::bare(there.unwrap_or(here)), from)
            }
        };
        let mut wip = Self::new(job, repo, ground, from, notes);
        wip.turn = turn;
        if first {
            if has_branch {
                return Err(CheckpointError::BranchTaken(wip.branch));
            }
            wip.ground = wip.first_ground(&job.start, &job.fetched)?;
        }
        wip.finish_rebase()?;
        let (checkout, fresh, leftovers) = match &wip.isolation {
            WorkIsolation::Own(place) => wip.start_own(place, first)?,
            WorkIsolation::InPlace => wip.start_in_place(first)?,
        };
        let dir = wip.directory(&checkout)?;
        wip.known_tip = match wip.loose_tip()? {
            _ if first => Some(wip.base().clone()),
            Some(tip) => Some(tip),
            None => wip.tip()?,
        };
        Ok(Some(StartedWork { wip, dir, fresh, leftovers }))
    }

    /// Opens the branch of a job that was started before, maybe by another process. `None` when it
    /// never was, and outside git. When `cwd` is gone, the job's checkout names the repository.
    ///
    /// # Errors
    /// When the base is damaged, or no repository can be found any more.
    pub fn open(job: &CheckpointJob) -> Result<Option<Self>> {
        if JobRefs::beside(&job.base_file).base()?.is_none() {
            return Ok(None);
        }
        let repo = match (job.repository(), &job.isolation) {
            (Err(e), WorkIsolation::Own(place)) => {
                let common_dir = place.common_dir()?.filter(|dir| dir.is_dir());
                let elsewhere = common_dir.or_else(|| Some(place.linked.clone()));
                match elsewhere.filter(|dir| dir.is_dir()) {
                    Some(dir) => job.repository_with(&dir, "HEAD")?.map(|(repo, _)| repo),
                    None => return Err(e),
                }
            }
            (found, _) => found?,
        };
        match repo {
            Some(repo) => Self::open_in(job, repo),
            None => Ok(None),
        }
    }

    /// The same in a repository that is known to be the job's.
    pub(super) fn open_in(job: &CheckpointJob, repo: GitRepository) -> Result<Option<Self>> {
        let notes = JobRefs::beside(&job.base_file);
        let Some(ground) = notes.ground()? else { return Ok(None) };
        let from = WorkOrigin::of(repo.head());
        Ok(Some(Self::new(job, repo, ground, from, notes)))
    }

    /// Saves everything, as [`checkpoint`](Self::checkpoint) does, and gives the checkout of an
    /// in-place job back: what was checked out before is checked out again. A checkout of its own
    /// stays, for `verify`, a later attempt, or a look at it.
    ///
    /// # Errors
    /// When git fails. What was saved is saved.
    pub fn finish(&self, message: &str) -> Result<CheckpointResult> {
        let saved = self.checkpoint(message)?;
        if self.isolation == WorkIsolation::InPlace {
            self.give_back()?;
            // Where that fails, the end of the process ends the turn.
            let _ = self.turn.as_ref().map(|turn| turn.unlock());
        }
        Ok(saved)
    }

    /// Tests for a job that works in the user's own checkout.
    pub fn is_in_place(&self) -> bool {
        self.isolation == WorkIsolation::InPlace
    }

    /// The branch, as people name it: `aq/wip/<job>`.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// The commit that the job's own work is on top of.
    pub fn base(&self) -> &CommitId {
        &self.ground.base
    }

    /// The same, with what it is made of.
    pub fn ground(&self) -> &WorkBase {
        &self.ground
    }

    /// Returns the origin of the job's first start; `None` when that is not known any more.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn origin(&self) -> Result<Option<WorkOrigin>> {
        self.notes.from()
    }

    /// The newest commit of the job's work; `None` when the branch is gone.
    ///
    /// # Errors
    /// When git fails.
    pub fn tip(&self) -> Result<Option<CommitId>> {
        self.repo.commit(&self.work_name()?)
    }

    /// The same, from the branch's own file, without a run of git. `None` also where git keeps it
    /// elsewhere; then an empty directory may be in its place.
    pub(super) fn loose_tip(&self) -> Result<Option<CommitId>> {
        let file = self.repo.common_dir().join(self.branch_ref());
        if file.is_dir() {
            return Ok(None);
        }
        Ok(files::read(&file).at("read", &file)?.and_then(|text| CommitId::parse(&text)))
    }

    fn new(
        job: &CheckpointJob,
        repo: GitRepository,
        ground: WorkBase,
        from: WorkOrigin,
        notes: JobRefs,
    ) -> Self {
        let isolation = job.isolation.clone();
        let branch = branch_of(&job.name);
        let queue = job.queue.clone();
        let name = job.name.clone();
        let (known_tip, turn) = (None, None);
        let (signs_merges, merges_in_one_step) = (false, false);
        let known_changes = KnownChanges::default();
        let target_at = job.target_at.clone();
        Self {
            repo,
            ground,
            from,
            notes,
            isolation,
            known_tip,
            known_changes,
            name,
            branch,
            queue,
            target_at,
            signs_merges,
            merges_in_one_step,
            turn,
        }
    }

    /// The same job on another ground.
    pub(super) fn on_ground(&self, ground: WorkBase) -> Self {
        Self { ground, ..self.clone() }
    }

    /// The same job in another place, on a branch as people name it.
    pub(super) fn with_branch(&self, branch: &str, isolation: WorkIsolation) -> Self {
        let (branch, known_tip, turn) = (branch.to_owned(), None, None);
        Self { branch, isolation, known_tip, turn, ..self.clone() }
    }

    pub(super) fn queue(&self) -> &Path {
        &self.queue
    }

    /// The same whose objects survive power loss.
    pub(super) fn synced(&self) -> Self {
        Self { repo: self.repo.synced(), ..self.clone() }
    }

    /// The branch by its full name.
    pub(super) fn branch_ref(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// Removes locks on the job's refs. Only its own dead processes can have left one.
    pub(super) fn unlock_branch(&self) -> Result<()> {
        let names = [self.branch_ref(), self.kept_ref(), self.held_ref()];
        let dir = self.repo.common_dir();
        names.iter().try_for_each(|name| remove(&dir.join(format!("{name}.lock"))))
    }

    /// The files that are the job's at this moment.
    pub(super) fn checkout(&self) -> Result<Option<JobCheckout>> {
        match &self.isolation {
            WorkIsolation::Own(place) => match self.find_own(place)? {
                Some(checkout) => {
                    self.join_linked(place, &checkout)?;
                    Ok(Some(checkout))
                }
                None => self.find_linked(&place.linked),
            },
            WorkIsolation::InPlace if self.notes.back()?.is_some() => self.own_checkout().map(Some),
            WorkIsolation::InPlace => Ok(None),
        }
    }

    /// Tests for a repository that had no commit when the job started.
    pub(super) fn started_without_a_commit(&self) -> Result<bool> {
        let target = self.ground.target.as_str();
        let commit = self.repo.call("cat-file").args(["commit", target]).run()?;
        let text = String::from_utf8_lossy(&commit.stdout);
        let Some((head, said)) = text.split_once("\n\n") else { return Ok(false) };
        Ok(said.trim_end() == EMPTY_START && !head.contains("\nparent "))
    }

    /// Writes down where the job starts.
    pub(super) fn begin(&self) -> Result<()> {
        self.notes.begin(&self.ground, &self.from)
    }

    /// Explains why the branch cannot be made. Because of its name it never could be, so a job that
    /// was about to start for the first time has not: later it starts from what is checked out
    /// then.
    pub(super) fn not_made(&self, first: bool, error: CheckpointError) -> CheckpointError {
        let error = self.repo.why_not_made(&self.branch_ref(), error);
        if first && matches!(error, CheckpointError::NameInTheWay { .. }) {
            // What cannot be forgotten is an older start, and no worse.
            let _ = self.notes.forget();
        }
        error
    }

    /// The user's checkout.
    pub(super) fn own_checkout(&self) -> Result<JobCheckout> {
        let Some(root) = self.repo.root() else {
            return Err(CheckpointError::NoCheckout(self.repo.git_dir().to_owned()));
        };
        let queue = self.queue.canonicalize().unwrap_or_else(|_| self.queue.clone());
        let inside = queue.strip_prefix(root).ok().filter(|path| !path.as_os_str().is_empty());
        Ok(JobCheckout {
            git_dir: Some(self.repo.git_dir().to_owned()),
            root: root.to_owned(),
            common_dir: self.repo.common_dir().to_owned(),
            exclude: inside.map(|path| path.as_os_str().to_owned()),
            own: None,
            objects: None,
        })
    }

    fn directory(&self, checkout: &JobCheckout) -> Result<PathBuf> {
        self.directory_in(&checkout.root)
    }

    /// The job's directory below the top of a checkout.
    pub(super) fn directory_in(&self, root: &Path) -> Result<PathBuf> {
        // Git ends the prefix in a slash, and that is not to be seen in a path.
        let dir: PathBuf = root.join(self.repo.prefix()).components().collect();
        // It may hold nothing that git knows, and then it is not in a worktree.
        std::fs::create_dir_all(&dir).at("create", &dir)?;
        let real = dir.canonicalize().at("open", &dir)?;
        let root = root.canonicalize().at("open", root)?;
        if real.starts_with(&root) { Ok(dir) } else { Err(CheckpointError::LeavesWorktree(dir)) }
    }
}

/// A job's branch by its full name.
pub(super) fn branch_ref(job: &str) -> String {
    format!("refs/heads/{}", branch_of(job))
}

/// The job's branch, as people name it. Git refuses two endings, and two dots in a row. Should that
/// make the branch of another job, the second to start is refused it.
fn branch_of(job: &str) -> String {
    let mut name = format!("aq/wip/{job}");
    while let Some(at) = name.find("..") {
        name.insert(at + 1, '-');
    }
    if name.ends_with('.') || name.ends_with(".lock") {
        name.push('-');
    }
    name
}
