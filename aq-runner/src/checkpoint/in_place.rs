//! `isolation: in-place`: the job borrows the user's checkout and gives it back.
//!
//! The note of what was checked out before is what makes the checkout the job's. It is written
//! after the job's branch is checked out and removed before the other is checked out again, so at
//! no point can a kill make changes of the user's look like the job's. Without the note, a
//! checkout that is on the job's branch goes back to where the job came from.

use super::checkout::JobCheckout;
use super::error::{CheckpointError, Result};
use super::notes::WorkOrigin;
use super::repository::{CheckoutHead, GitRepository};
use super::wip::{BRANCHES, CheckpointResult, JobBranch};

impl JobBranch {
    pub(super) fn start_in_place(
        &self,
        first: bool,
    ) -> Result<(JobCheckout, bool, CheckpointResult)> {
        let checkout = self.own_checkout()?;
        if self.notes.back()?.is_some() {
            let saved = self.save(&checkout, "aq: left by an attempt that was interrupted")?;
            return Ok((checkout, false, saved));
        }
        self.expect_clean(&checkout)?;
        let ours = self.branch_ref();
        let back = match self.repo.head() {
            CheckoutHead::Branch(name, _) | CheckoutHead::Unborn(name) if *name == ours => {
                self.origin()?
            }
            CheckoutHead::Branch(name, _) if name.starts_with(BRANCHES) => {
                let branch = name.trim_start_matches("refs/heads/").to_owned();
                return Err(CheckpointError::OtherJob { root: checkout.root, branch });
            }
            head => {
                if first {
                    self.begin()?;
                }
                self.check_out_branch(&checkout).map_err(|e| self.not_made(first, e))?;
                Some(WorkOrigin::of(head))
            }
        };
        let back = back.unwrap_or_else(|| self.start_commit());
        self.notes.set_back(&back)?;
        Ok((checkout, false, CheckpointResult::default()))
    }

    /// Checks out again what was there before the job.
    pub(super) fn give_back(&self) -> Result<()> {
        let noted = self.notes.back()?;
        let checkout = self.own_checkout()?;
        let head = checkout.call(self.repo.git(), "symbolic-ref").args(["--quiet", "HEAD"]);
        let on_branch = head.output()?.stdout.trim_ascii() == self.branch_ref().as_bytes();
        if !on_branch || (noted.is_none() && self.expect_clean(&checkout).is_err()) {
            return Ok(());
        }
        let back = match &noted {
            Some(back) => back.clone(),
            None => self.origin()?.unwrap_or_else(|| self.start_commit()),
        };
        self.notes.clear_back()?;
        let given = self.check_out(&checkout, &back);
        if let (Err(_), Some(back)) = (&given, &noted) {
            self.notes.set_back(back)?;
        }
        given
    }

    /// Where the checkout was when the job started, if no branch of it is known.
    fn start_commit(&self) -> WorkOrigin {
        WorkOrigin::Detached(self.ground.target.clone())
    }

    fn check_out(&self, checkout: &JobCheckout, back: &WorkOrigin) -> Result<()> {
        let git = self.repo.git();
        let call = || checkout.call(git, "checkout").arg("--quiet").slow();
        match back {
            WorkOrigin::Detached(commit) => {
                call().args(["--detach", commit.as_str(), "--"]).run()?
            }
            WorkOrigin::Branch(name) if self.repo.commit(name)?.is_some() => {
                call().args([back.short(), "--"]).run()?
            }
            // It had no commit when the job started, and this one is empty, as it was.
            WorkOrigin::Branch(name) => {
                call().args(["--detach", self.ground.target.as_str(), "--"]).run()?;
                checkout.call(git, "symbolic-ref").args(["HEAD", name]).run()?
            }
        };
        Ok(())
    }

    fn check_out_branch(&self, checkout: &JobCheckout) -> Result<()> {
        let call = checkout.call(self.repo.git(), "checkout").arg("--quiet").slow();
        let call = match self.tip()? {
            Some(_) => call.args([self.branch(), "--"]),
            None => call.args(["--no-track", "-b", self.branch(), self.base().as_str(), "--"]),
        };
        call.run().map(drop)
    }

    /// Files that git does not know count as dirt: the job's commits would take them in.
    fn expect_clean(&self, checkout: &JobCheckout) -> Result<()> {
        if let Some(what) = checkout.unfinished() {
            return Err(CheckpointError::Unfinished { root: checkout.root.clone(), what });
        }
        expect_clean(&self.repo, checkout)
    }
}

fn expect_clean(repo: &GitRepository, checkout: &JobCheckout) -> Result<()> {
    let status = checkout
        .call(repo.git(), "status")
        .args(["--porcelain", "-z", "--no-renames", "--ignore-submodules=none"])
        .arg("--untracked-files=normal")
        .args(checkout.pathspec())
        .read_only()
        .slow()
        .run()?;
    let paths = status.fields().map(|entry| entry.get(3..).unwrap_or(&entry).to_owned());
    refuse_dirt(checkout, paths.collect())
}

/// Refuses a checkout in which these paths have changes.
pub(super) fn refuse_dirt(checkout: &JobCheckout, paths: Vec<String>) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    Err(CheckpointError::Dirty { root: checkout.root.clone(), paths })
}
