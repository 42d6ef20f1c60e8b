//! The checkpoint of a checkout that is on its branch, as nearly all are: what it needs is what
//! `git add` and `git commit` do, two runs of git in place of five, and none where nothing has
//! changed. Whatever is otherwise, or fails there, goes the long way.

use std::path::Path;

use super::checkout::JobCheckout;
use super::error::Result;
use super::files;
use super::git_files::{COUNTED_ALIKE, IndexChanges, is_untouched};
use super::left::LeftOut;
use super::own::OwnHead;
use super::repository::CommitId;
use super::wip::{CheckpointResult, JobBranch, WorkIsolation};

/// The end of an attempt to commit an index.
enum IndexCommit {
    /// With the words of git.
    Made(Vec<u8>),
    NothingNew,
    Failed,
}

impl JobBranch {
    /// Commits in a checkout whose `HEAD` is the branch, when nothing is going on there. `None`: it
    /// is not so, or git would not. In the user's own checkout somebody may switch branches
    /// meanwhile, and `git commit` would go to whatever is checked out then.
    pub(super) fn commit_on_branch(
        &self,
        checkout: &JobCheckout,
        message: &str,
    ) -> Result<Option<CheckpointResult>> {
        if self.is_in_place() || checkout.unfinished().is_some() || checkout.objects.is_some() {
            return Ok(None);
        }
        // Without the branch this would make a commit without a parent.
        let Some(tip) = self.loose_tip()? else { return Ok(None) };
        if !self.is_settled(checkout, &tip)? {
            return Ok(None);
        }
        if self.is_as_given(checkout) {
            return self.saved_on_branch(checkout, None, &tip, Vec::new()).map(Some);
        }
        let index = checkout.temporary_index();
        if !checkout.copy_index(&index)? {
            return Ok(None);
        }
        let Ok(left) = self.add_all(checkout, &index) else { return Ok(None) };
        // The checkout's own index is that of the branch's commit.
        let is_known = checkout.own.is_some() && self.has_plain_index();
        let changes = IndexChanges::between(&checkout.index(), &index).filter(|_| is_known);
        let commit = match changes.as_ref().is_some_and(IndexChanges::is_empty) {
            true => None,
            false => match self.commit_index(checkout, &index, &tip, message)? {
                IndexCommit::Made(said) => Some(self.committed(&tip, changes, &said)?),
                IndexCommit::NothingNew => None,
                IndexCommit::Failed => return Ok(None),
            },
        };
        let tip = commit.as_ref().unwrap_or(&tip);
        checkout.install_index()?;
        self.saved_on_branch(checkout, commit.clone(), tip, left).map(Some)
    }

    fn commit_index(
        &self,
        checkout: &JobCheckout,
        index: &Path,
        tip: &CommitId,
        message: &str,
    ) -> Result<IndexCommit> {
        let call = checkout.call_with(self.repo.git(), &COUNTED_ALIKE, "commit");
        let call = call.args(["--no-verify", "--cleanup=verbatim", "-m", message]);
        let output = call.env("GIT_INDEX_FILE", index).slow().output()?;
        Ok(match output.code() {
            Some(0) => IndexCommit::Made(output.stdout),
            // Nothing is new; or objects cannot be written, and then it says so.
            Some(1) if output.errors().is_empty() => {
                match self.tree_of(checkout, index)? == self.tree(tip)? {
                    true => IndexCommit::NothingNew,
                    false => IndexCommit::Failed,
                }
            }
            _ => IndexCommit::Failed,
        })
    }

    /// The commit on top of the branch that was made just now, of which git has said this.
    fn committed(
        &self,
        before: &CommitId,
        changes: Option<IndexChanges>,
        said: &[u8],
    ) -> Result<CommitId> {
        let tip = match self.loose_tip()? {
            Some(tip) => tip,
            None => self.tip()?.unwrap_or_else(|| before.clone()),
        };
        let changes = changes.filter(|_| before == self.base());
        if let Some(changes) = changes.and_then(|changes| changes.counted(said, &tip)) {
            self.known_changes.note(before, &tip, changes);
        }
        Ok(tip)
    }

    /// Puts the agent's repository on a branch that has all that is in the index.
    fn saved_on_branch(
        &self,
        checkout: &JobCheckout,
        commit: Option<CommitId>,
        tip: &CommitId,
        left: Vec<LeftOut>,
    ) -> Result<CheckpointResult> {
        if let (WorkIsolation::Own(place), Some(own)) = (&self.isolation, &checkout.own) {
            self.put_own_on(place, own, tip, &place.index())?;
        }
        let left_out = self.all_left(checkout, left, tip)?;
        Ok(CheckpointResult { commit, left_out, hidden: Vec::new() })
    }

    /// Tests for a checkout whose files are as they were when it was put at its branch's commit:
    /// aq's index is that commit's then. One with worktrees beside it is looked at, and so is one
    /// whose notes are damaged.
    fn is_as_given(&self, checkout: &JobCheckout) -> bool {
        let (WorkIsolation::Own(place), Some(own)) = (&self.isolation, &checkout.own) else {
            return false;
        };
        let head = files::read(&place.index().with_file_name("HEAD"));
        self.has_plain_index()
            && head.is_ok_and(|head| head.is_some_and(|head| head.starts_with("ref: ")))
            && self.worktrees_of(own).is_empty()
            && is_untouched(&checkout.root, &place.index())
    }

    /// Tests for a repository whose indexes [`super::git_files`] reads.
    pub(super) fn has_plain_index(&self) -> bool {
        self.base().as_str().len() == 40
    }

    /// Whether the branch is at this commit for the agent and for the user, and neither has moved
    /// it or gone elsewhere.
    fn is_settled(&self, checkout: &JobCheckout, tip: &CommitId) -> Result<bool> {
        let branch = self.branch_ref();
        let Some(own) = &checkout.own else { return checkout.is_on(&branch) };
        Ok(own.head()? == OwnHead::Branch(branch, tip.clone()) && self.is_free(tip)?)
    }
}
