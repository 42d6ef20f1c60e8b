//! Taking away what a finished job had: its checkout, and its branch when that is merged.

use super::error::Result;
use super::left::LeftOut;
use super::own::OwnPlace;
use super::wip::{JobBranch, WorkIsolation};

/// What became of a finished job's checkout and branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovalOutcome {
    /// The checkout is gone.
    Checkout {
        /// Whether the branch is gone too: it was merged, or had no commit of its own.
        branch: bool,
    },
    /// Everything stays: some work in the checkout is in no commit of the branch, so it is nowhere
    /// else.
    NotSaved {
        /// All of it that is not expected.
        left_out: Vec<LeftOut>,
    },
}

impl JobBranch {
    /// Removes the checkout of a job that has ended, and the branch if it is merged into the one
    /// from which the job started, here or at a remote. What is not committed yet is saved first,
    /// and then the branch stays.
    ///
    /// # Errors
    /// When git fails.
    pub fn remove(&self) -> Result<RemovalOutcome> {
        self.remove_with(|_| false)
    }

    /// The same where what is expected to be in no commit goes with the checkout.
    ///
    /// # Errors
    /// As for [`remove`](Self::remove).
    pub fn remove_with(&self, is_expected: impl Fn(&LeftOut) -> bool) -> Result<RemovalOutcome> {
        if let WorkIsolation::Own(place) = &self.isolation {
            if let Some(checkout) = self.checkout()? {
                let mut left_out = self.save(&checkout, "aq: left in the checkout")?.left_out;
                left_out.retain(|one| !is_expected(one));
                if !left_out.is_empty() {
                    return Ok(RemovalOutcome::NotSaved { left_out });
                }
            }
            self.discard(place)?;
        }
        self.forget_pushed()?;
        self.forget_rebase()?;
        self.forget_published()?;
        let branch = self.remove_merged_branch()?;
        self.forget_fetched()?;
        Ok(RemovalOutcome::Checkout { branch })
    }

    /// Removes the checkout, and what was kept in the user's repository for it.
    pub(super) fn discard(&self, place: &OwnPlace) -> Result<()> {
        place.discard()?;
        self.discard_linked(&place.linked)?;
        self.let_go()
    }

    fn remove_merged_branch(&self) -> Result<bool> {
        let Some(tip) = self.tip()? else { return Ok(true) };
        let merged = tip == *self.base()
            || match self.origin()? {
                Some(origin) => self.is_ancestor(tip.as_str(), origin.full())?,
                None => false,
            }
            || self.is_ancestor(tip.as_str(), &self.fetched_ref())?;
        if !merged {
            return Ok(false);
        }
        // Unlike `update-ref -d` this refuses while somebody has the branch checked out.
        let call = self.repo.call("branch").args(["--quiet", "-D", "--", self.branch()]);
        Ok(call.output()?.code() == Some(0))
    }

    /// Tests for a commit that another one has all of.
    pub(super) fn is_ancestor(&self, ancestor: &str, descendant: &str) -> Result<bool> {
        let call = self.repo.call("merge-base").args(["--is-ancestor", ancestor, descendant]);
        // 128: the other branch is gone. Then nobody can say that it was merged.
        Ok(call.output()?.code() == Some(0))
    }
}
