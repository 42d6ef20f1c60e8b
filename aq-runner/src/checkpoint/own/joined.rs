//! A checkout of the job's own beside a linked worktree: a loop of version 0.1 was at work on the
//! queue again, and went on with the job from its branch. Both may have work that the other lacks.

use super::super::checkout::JobCheckout;
use super::super::error::Result;
use super::super::files;
use super::super::repository::CommitId;
use super::super::wip::JobBranch;
use super::place::OwnPlace;

impl JobBranch {
    /// Saves the worktree's work on the branch and removes it, then merges the checkout's work into
    /// that. Where they do not go together, the checkout's is held back, which is reported at each
    /// save. A worktree with work that cannot be saved stays.
    ///
    /// A kill between two steps has the next call go on: the worktree or the mark is still there.
    pub(in super::super) fn join_linked(
        &self,
        place: &OwnPlace,
        checkout: &JobCheckout,
    ) -> Result<()> {
        if !files::is_directory(&place.linked)? && !place.is_joining()? {
            return Ok(());
        }
        if let Some(linked) = self.find_linked(&place.linked)? {
            let saved = self.save(&linked, &format!("{}: left by version 0.1", self.name))?;
            if !saved.left_out.is_empty() {
                return Ok(());
            }
            if !place.is_joining()? {
                self.hold_back(place)?;
                place.join(true)?;
            }
        } else if !place.is_joining()? {
            return self.discard_half_made();
        }
        self.discard_linked(&place.linked)?;
        self.save(checkout, &format!("{}: left in the checkout", self.name))?;
        self.merge_held(place, checkout)?;
        place.join(false)
    }

    /// Lets the checkout's work go beside the branch, which has moved on without it.
    fn hold_back(&self, place: &OwnPlace) -> Result<()> {
        match (place.given()?, self.tip()?) {
            (Some(given), Some(tip)) if !place.is_held()? && given != tip => {
                let held = self.held_ref();
                self.repo.call("update-ref").args([&held, given.as_str()]).run()?;
                place.hold(true)
            }
            _ => Ok(()),
        }
    }

    /// Brings what was held back to the branch, when it goes together with what is there.
    fn merge_held(&self, place: &OwnPlace, checkout: &JobCheckout) -> Result<()> {
        let branch = self.branch_ref();
        let both = (self.repo.commit(&branch)?, self.repo.commit(&self.held_ref())?);
        let (true, (Some(tip), Some(work))) = (place.is_held()?, both) else { return Ok(()) };
        let Some(both) = self.with_both(&tip, &work)? else { return Ok(()) };
        if both != tip {
            self.repo.update_ref(&branch, &both, tip.as_str())?;
        }
        self.release(place, Some(&both), None)?;
        self.follow_branch(place, checkout)
    }

    /// A commit that has the changes of two; `None` where they do not go together.
    fn with_both(&self, tip: &CommitId, work: &CommitId) -> Result<Option<CommitId>> {
        match self.fork(tip, work)? {
            Some(fork) if fork == *work => return Ok(Some(tip.clone())),
            Some(fork) if fork == *tip => return Ok(Some(work.clone())),
            _ => {}
        }
        let Ok(tree) = self.merge_trees(tip, tip, work)? else { return Ok(None) };
        let message = format!("{}: merge what two versions of aq have saved", self.name);
        self.repo.commit_tree(&tree, &[tip.clone(), work.clone()], &message).map(Some)
    }
}
