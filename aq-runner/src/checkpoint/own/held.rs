//! A branch that cannot be moved: the user has it checked out himself, or has moved it. What is
//! saved then goes to `refs/aq/held/<job>`, and is reported, until the two go together again.

use std::path::{Path, PathBuf};

use super::super::checkout::JobCheckout;
use super::super::error::Result;
use super::super::files;
use super::super::left::LeftOut;
use super::super::repository::CommitId;
use super::super::wip::{BRANCHES, JobBranch, WorkIsolation};
use super::bring::borrowed_from;
use super::place::OwnPlace;
use super::refs::{OwnHead, OwnRepository};

/// Where work is kept that its branch cannot take.
pub(in super::super) const HELD: &str = "refs/aq/held/";

/// The ref that takes the work of a checkpoint.
#[derive(Debug)]
pub(in super::super) struct WorkRef {
    pub(in super::super) name: String,
    /// Why this is not the branch.
    pub(in super::super) held: Option<LeftOut>,
}

impl JobBranch {
    pub(in super::super) fn held_ref(&self) -> String {
        self.branch_ref().replacen(BRANCHES, HELD, 1)
    }

    /// Whether the newest work is in no branch. Without a run of git.
    pub(in super::super) fn is_held(&self) -> Result<bool> {
        match &self.isolation {
            WorkIsolation::Own(place) => place.is_held(),
            WorkIsolation::InPlace => Ok(false),
        }
    }

    /// The ref that has the newest work.
    pub(in super::super) fn work_name(&self) -> Result<String> {
        Ok(if self.is_held()? { self.held_ref() } else { self.branch_ref() })
    }

    /// The commit that the job's own checkout was last put at.
    pub(in super::super) fn given(&self) -> Result<Option<CommitId>> {
        match &self.isolation {
            WorkIsolation::Own(place) => place.given(),
            WorkIsolation::InPlace => Ok(None),
        }
    }

    /// Whether nobody but aq has moved the branch or has it checked out. Without a run of git.
    pub(in super::super) fn is_free(&self, tip: &CommitId) -> Result<bool> {
        Ok(!self.is_held()? && self.given()?.as_ref() == Some(tip) && self.user_root()?.is_none())
    }

    /// Decides which ref takes the work. What was held back goes to the branch as soon as it can.
    pub(in super::super) fn work_ref(&self, checkout: &JobCheckout) -> Result<WorkRef> {
        let branch = WorkRef { name: self.branch_ref(), held: None };
        let WorkIsolation::Own(place) = &self.isolation else { return Ok(branch) };
        let Some(own) = &checkout.own else { return Ok(branch) };
        let tip = self.repo.commit(&self.branch_ref())?;
        let root = self.user_root()?;
        if self.is_held()? {
            // Until both are joined, the checkout's work must not go on top of the other.
            if !place.is_joining()? && self.release(place, tip.as_ref(), root.as_deref())? {
                return Ok(branch);
            }
        } else {
            let is_moved = match (&tip, place.given()?) {
                (Some(tip), Some(given)) => *tip != given && !self.is_ours(own, tip, &given)?,
                _ => false,
            };
            if root.is_none() && !is_moved {
                return Ok(branch);
            }
        }
        let (name, held) = (self.held_ref(), self.held_ref());
        let why = match root {
            Some(root) => format!("is checked out in {}", root.display()),
            None => "was moved by somebody else".to_owned(),
        };
        let why = format!(
            "it {why} and stays as it is: the work is at {held}, which `git merge {held}` brings \
            there"
        );
        let held = LeftOut::new(format!("branch {}", self.branch()), why);
        Ok(WorkRef { name, held: Some(held) })
    }

    /// Whether the branch is where a checkpoint has put it that was killed before it could say so.
    fn is_ours(&self, own: &OwnRepository, tip: &CommitId, given: &CommitId) -> Result<bool> {
        let own_tip = own.resolve(&self.branch_ref())?;
        if own_tip.as_ref() == Some(tip) {
            return Ok(true);
        }
        let call = self.repo.call("log").args(["--format=%s", "-n", "100"]);
        let call = call.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", borrowed_from(&own.objects()));
        let call = call.args([tip.to_string(), format!("^{given}")]);
        // Commits of the agent's own, which may be on no branch, have its subjects.
        let head = match own.head()? {
            OwnHead::Branch(_, commit) | OwnHead::Detached(commit) => Some(commit),
            OwnHead::Nowhere => None,
        };
        let call = call.args(own_tip.into_iter().chain(head).map(|commit| format!("^{commit}")));
        let output = call.output()?;
        let subjects = String::from_utf8_lossy(&output.stdout);
        let job = format!("{}: ", self.name);
        let is_ours = |line: &str| line.starts_with(&job) || line.starts_with("aq: ");
        Ok(output.code() == Some(0) && subjects.lines().all(is_ours))
    }

    /// Ends the holding back when one of the two has all of the other.
    pub(super) fn release(
        &self,
        place: &OwnPlace,
        tip: Option<&CommitId>,
        root: Option<&Path>,
    ) -> Result<bool> {
        let held = self.held_ref();
        if let (Some(work), Some(tip)) = (self.repo.commit(&held)?, tip) {
            let fork = self.fork(tip, &work)?;
            if fork.as_ref() == Some(tip) && root.is_none() {
                self.repo.update_ref(&self.branch_ref(), &work, tip.as_str())?;
            } else if fork.as_ref() != Some(&work) {
                return Ok(false);
            }
        }
        self.repo.call("update-ref").args(["-d", &held]).run()?;
        place.hold(false)?;
        Ok(true)
    }

    /// The checkout of the user's that has the job's branch, if one has.
    fn user_root(&self) -> Result<Option<PathBuf>> {
        let common = self.repo.common_dir();
        let branch = self.branch_ref();
        if common.join("reftable").is_dir() {
            let list = self.repo.call("worktree").args(["list", "--porcelain", "-z"]).run()?;
            let mut root = None;
            for line in list.fields() {
                if let Some(path) = line.strip_prefix("worktree ") {
                    root = Some(PathBuf::from(path));
                } else if line.strip_prefix("branch ") == Some(&branch) {
                    return Ok(root);
                }
            }
            return Ok(None);
        }
        let is_on = |dir: &Path| {
            let head = files::read(&dir.join("HEAD")).ok().flatten();
            head.is_some_and(|head| head.strip_prefix("ref: ") == Some(&branch))
        };
        if is_on(common) {
            return Ok(Some(common.parent().unwrap_or(common).to_owned()));
        }
        let linked = std::fs::read_dir(common.join("worktrees")).into_iter().flatten().flatten();
        let on_it = linked.map(|entry| entry.path()).find(|dir| is_on(dir));
        let root = |dir: PathBuf| {
            let dot_git = files::read(&dir.join("gitdir")).ok().flatten().map(PathBuf::from);
            dot_git.and_then(|path| path.parent().map(Path::to_owned)).unwrap_or(dir)
        };
        Ok(on_it.map(root))
    }
}
