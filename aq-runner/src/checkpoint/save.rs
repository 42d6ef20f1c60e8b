//! The checkpoint: everything in a checkout becomes a commit of the job's branch, whatever state
//! the agent left.
//!
//! The tree is made in an index of aq's own, so neither a conflict in the agent's index nor a
//! lock on it is in the way, and the branch moves by `update-ref` with its old value. The `HEAD` of
//! the agent decides the parents; the tip is that of its own branch, where it has moved it:
//!
//! | `HEAD` is | files as in `HEAD` | otherwise |
//! | --- | --- | --- |
//! | the branch | nothing to do | tip <- new |
//! | ahead of the tip (the agent made a branch) | branch moves to `HEAD` | `HEAD` <- new |
//! | behind the tip (the agent looks at old work) | nothing to do | tip <- new |
//! | elsewhere, on another branch | nothing to do | tip and `HEAD` <- new |
//! | elsewhere, on no branch (a rebase stopped) | tip and `HEAD` <- new | tip and `HEAD` <- new |
//!
//! So no commit of the agent's is lost, and no look at other work undoes its own. What stays on
//! other branches and in stashes of its repository is reported.
//!
//! The first row is nearly every checkpoint, and takes a short way (`save_on_branch.rs`).

use std::fs::File;
use std::path::{Path, PathBuf};

use super::checkout::{JobCheckout, copy_index, remove};
use super::error::{HeadState as _, Result};
use super::files;
use super::left::LeftOut;
use super::repository::CommitId;
use super::setup::{has_setup, of_the_agent};
use super::state::{BranchMove, BranchState, HeadState};
use super::wip::{CheckpointResult, JobBranch, WorkIsolation};

impl JobBranch {
    /// Commits everything that is in the job's checkout to its branch: changed, new and deleted
    /// files and the commits of submodules, but not what git ignores. Then the checkout is on the
    /// branch and clean. Also for a process that did not start the job, after a kill.
    ///
    /// Nothing is saved when the checkout is gone, and it is reported that what was committed there
    /// is gone with it; a branch that is gone, too, is made again where it was when this process
    /// started the job. A message begins with the job's name and a colon. A linked worktree that
    /// was never complete is removed: no agent has been there, and git refuses to work in the
    /// repository as long as it lies there.
    ///
    /// # Errors
    /// When git fails; the files are as they were.
    pub fn checkpoint(&self, message: &str) -> Result<CheckpointResult> {
        match self.checkout()? {
            Some(checkout) => self.save(&checkout, message),
            None => {
                self.discard_half_made()?;
                self.bring_back()
            }
        }
    }

    /// Makes a branch again that was removed together with the checkout. Nothing shows what had
    /// been committed there.
    fn bring_back(&self) -> Result<CheckpointResult> {
        let WorkIsolation::Own(place) = &self.isolation else {
            return Ok(CheckpointResult::default());
        };
        let told = |why: String| vec![LeftOut::checkout_gone(why)];
        let given = place.given()?;
        let removed = given.map_or_else(Vec::new, |given| {
            told(format!("it was removed, and with it what was committed there since {given}"))
        });
        let is_held = self.is_held()?;
        let known = self.known_tip.as_ref().filter(|_| !is_held);
        let (None, Some(known)) = (self.tip()?, known) else {
            return Ok(CheckpointResult { left_out: removed, ..CheckpointResult::default() });
        };
        self.unlock_branch()?;
        self.repo.update_ref(&self.branch_ref(), known, &known.nothing())?;
        let back = format!(
            "it was removed, and the branch {} with it; the branch is back at {known}, \
             and commits made since may have no name: `git fsck --lost-found` lists such",
            self.branch()
        );
        Ok(CheckpointResult { left_out: told(back), ..CheckpointResult::default() })
    }

    pub(super) fn save(&self, checkout: &JobCheckout, message: &str) -> Result<CheckpointResult> {
        let checkout = &self.aside(checkout);
        checkout.clear_locks()?;
        self.unlock_branch()?;
        self.clone().finish_rebase()?;
        let hidden = self.restore_hidden(checkout)?;
        let saved = match self.commit_on_branch(checkout, message)? {
            Some(saved) => saved,
            None => self.save_at_length(checkout, message)?,
        };
        Ok(CheckpointResult { hidden, ..saved })
    }

    fn save_at_length(&self, checkout: &JobCheckout, message: &str) -> Result<CheckpointResult> {
        let work = self.work_ref(checkout)?;
        let mut state = self.state(checkout, &work.name)?;
        let (tree, mut left) = self.write_tree(checkout, &state.tip)?;
        let step = self.step(&state, &tree)?;
        let in_files = !matches!(step, BranchMove::Nothing) || tree == state.tip_tree;
        let tip = match step {
            BranchMove::Nothing => state.tip.clone(),
            BranchMove::MoveTo(commit) => commit,
            BranchMove::Commit(parents) => self.commit_aside(checkout, &tree, &parents, message)?,
        };
        let is_new = tip != state.there;
        if is_new && let (WorkIsolation::Own(place), Some(_)) = (&self.isolation, &work.held) {
            place.hold(true)?;
        }
        let is_missing = state.branch.is_none() && work.held.is_none();
        if is_new || is_missing {
            let old = state.branch.as_ref().map_or_else(|| tip.nothing(), ToString::to_string);
            self.repo.update_ref(&work.name, &tip, &old)?;
        }
        left.extend(state.lost.take());
        if self.is_held()? {
            left.extend(work.held);
        }
        self.settle(checkout, &state, &tip, in_files)?;
        let left_out = self.all_left(checkout, left, &tip)?;
        Ok(CheckpointResult { commit: is_new.then_some(tip), left_out, hidden: Vec::new() })
    }

    /// What is left out, with what is on other branches of the agent's, and without what `setup`
    /// had left there.
    pub(super) fn all_left(
        &self,
        checkout: &JobCheckout,
        mut left: Vec<LeftOut>,
        tip: &CommitId,
    ) -> Result<Vec<LeftOut>> {
        left.extend(self.left_in_own(checkout, tip)?);
        match &self.isolation {
            WorkIsolation::Own(place) => of_the_agent(place, left),
            WorkIsolation::InPlace => Ok(left),
        }
    }

    /// A commit of a tree on top of the branch and of what the agent committed itself; no branch
    /// moves. It is the branch's own commit when nothing is new.
    pub(super) fn commit_on_top(
        &self,
        checkout: &JobCheckout,
        tree: &str,
        message: &str,
    ) -> Result<CommitId> {
        let state = self.state(checkout, &self.work_name()?)?;
        Ok(match self.step(&state, tree)? {
            BranchMove::Nothing => state.tip,
            BranchMove::MoveTo(commit) => commit,
            BranchMove::Commit(parents) => self.commit_aside(checkout, tree, &parents, message)?,
        })
    }

    /// Puts all files into a tree, in an index of its own.
    fn write_tree(&self, checkout: &JobCheckout, tip: &CommitId) -> Result<(String, Vec<LeftOut>)> {
        let index = checkout.temporary_index();
        let mut added = None;
        if checkout.copy_index(&index)? {
            added = self.add_all(checkout, &index).ok();
        }
        // A damaged index is no reason to lose work: the branch's own commit is as good a start,
        // only slower, since every file is read.
        let left = match added {
            Some(left) => left,
            None => {
                checkout.clear_locks()?;
                let read =
                    checkout.call(self.repo.git(), "read-tree").env("GIT_INDEX_FILE", &index);
                read.arg(tip.as_str()).slow().run()?;
                self.add_all(checkout, &index)?
            }
        };
        let staged = self.index_of_work(checkout, &index, tip)?;
        Ok((self.tree_of(checkout, &staged)?, left))
    }

    pub(super) fn tree_of(&self, checkout: &JobCheckout, index: &Path) -> Result<String> {
        let call = checkout.call(self.repo.git(), "write-tree").env("GIT_INDEX_FILE", index);
        call.slow().line()
    }

    /// The index without what `setup` has made: this one, where `setup` has made nothing.
    pub(super) fn index_of_work(
        &self,
        checkout: &JobCheckout,
        index: &Path,
        tip: &CommitId,
    ) -> Result<PathBuf> {
        let WorkIsolation::Own(place) = &self.isolation else { return Ok(index.to_owned()) };
        if checkout.own.is_none() || !has_setup(place) {
            return Ok(index.to_owned());
        }
        let staged = index.with_extension("work");
        let file = files::open(index).at("open", index)?;
        let copy = File::create(&staged).at("create", &staged)?;
        copy_index(&file, &copy).at("copy the index to", &staged)?;
        self.without_setup(place, checkout, &staged, tip)?;
        Ok(staged)
    }

    /// Leaves the checkout on the branch, clean, with no operation going on.
    fn settle(
        &self,
        checkout: &JobCheckout,
        state: &BranchState,
        tip: &CommitId,
        in_files: bool,
    ) -> Result<()> {
        if let (WorkIsolation::Own(place), Some(own)) = (&self.isolation, &checkout.own) {
            checkout.install_index()?;
            if !in_files {
                let call = checkout.call(self.repo.git(), "read-tree");
                call.args(["--reset", "-u", tip.as_str()]).slow().run()?;
            }
            let staged = self.index_of_work(checkout, &place.index(), tip)?;
            return self.put_own_on(place, own, tip, &staged);
        }
        if checkout.git_dir.is_none() {
            return remove(&checkout.temporary_index());
        }
        checkout.clear_unfinished()?;
        if in_files {
            if !matches!(state.head, HeadState::Branch) {
                let call = checkout.call(self.repo.git(), "symbolic-ref");
                call.args(["-m", "aq: back to the job's branch", "HEAD", &self.branch_ref()])
                    .run()?;
            }
            return checkout.install_index();
        }
        remove(&checkout.temporary_index())?;
        let call = checkout.call(self.repo.git(), "checkout").args(["--quiet", "--force"]);
        call.args([self.branch(), "--"]).slow().run().map(drop)
    }
}
