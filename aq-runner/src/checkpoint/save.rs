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
//! other branches and in stashes of its repository is told.
//!
//! The first row is nearly every checkpoint, and what it needs is what `git commit` does: two runs of git
//! in place of five. Whatever is otherwise, or fails there, goes the long way.

use super::checkout::{Checkout, remove};
use super::error::Result;
use super::git::Output;
use super::own::OwnHead;
use super::repository::CommitId;
use super::state::{At, State, Step};
use super::wip::{Isolation, Saved, Wip};

impl Wip {
    /// Commits everything that is in the job's checkout to its branch: changed, new and deleted
    /// files and the commits of submodules, but not what git ignores. Then the checkout is on the
    /// branch and clean. Also for a process that did not start the job, after a kill.
    ///
    /// Nothing is saved when the checkout is gone, and it is told that what was committed there is
    /// gone with it; a branch that is gone, too, is made again where it was when this process
    /// started the job. A message begins with the job's name and a colon. A linked worktree that was never complete is removed: no agent has been
    /// there, and git refuses to work in the repository as long as it lies there.
    ///
    /// # Errors
    /// When git fails; the files are as they were.
    pub fn checkpoint(&self, message: &str) -> Result<Saved> {
        match self.checkout()? {
            Some(checkout) => self.save(&checkout, message),
            None => {
                self.discard_half_made()?;
                self.bring_back()
            }
        }
    }

    /// Makes a branch again that was removed together with the checkout. Nothing tells what had been
    /// committed there.
    fn bring_back(&self) -> Result<Saved> {
        let Isolation::Own(place) = &self.isolation else { return Ok(Saved::default()) };
        let removed = place.given()?.map(|given| {
            format!("its checkout was removed, and with it what was committed there since {given}")
        });
        let known = self.known_tip.as_ref().filter(|_| !self.is_held());
        let (None, Some(known)) = (self.tip()?, known) else {
            return Ok(Saved { commit: None, left_out: removed });
        };
        self.unlock_branch()?;
        self.repo.update_ref(&self.branch_ref(), known, &known.nothing())?;
        let back = format!(
            "the checkout and the branch {} were removed; the branch is back at {known}, and commits made \
             since may have no name: `git fsck --lost-found` lists such",
            self.branch()
        );
        Ok(Saved { commit: None, left_out: Some(back) })
    }

    pub(super) fn save(&self, checkout: &Checkout, message: &str) -> Result<Saved> {
        checkout.clear_locks()?;
        self.unlock_branch()?;
        self.restore_hidden(checkout)?;
        if let Some(saved) = self.commit_on_branch(checkout, message)? {
            return Ok(saved);
        }
        let work = self.work_ref(checkout)?;
        let mut state = self.state(checkout, &work.name)?;
        let (tree, left_out) = self.write_tree(checkout, &state.tip)?;
        let step = self.step(&state, &tree)?;
        let in_files = !matches!(step, Step::Nothing) || tree == state.tip_tree;
        let tip = match step {
            Step::Nothing => state.tip.clone(),
            Step::MoveTo(commit) => commit,
            Step::Commit(parents) => {
                let parents: Vec<&CommitId> = parents.iter().collect();
                self.repo.commit_tree(&tree, &parents, message)?
            }
        };
        let is_new = tip != state.there;
        if is_new && let (Isolation::Own(place), Some(_)) = (&self.isolation, &work.held) {
            place.hold(true)?;
        }
        let is_missing = state.branch.is_none() && work.held.is_none();
        if is_new || is_missing {
            let old = state.branch.as_ref().map_or_else(|| tip.nothing(), ToString::to_string);
            self.repo.update_ref(&work.name, &tip, &old)?;
        }
        let held = work.held.filter(|_| self.is_held());
        let lost = state.lost.take();
        self.settle(checkout, &state, &tip, in_files)?;
        let left = [left_out, lost, self.left_in_own(checkout, &tip)?, held];
        Ok(Saved { left_out: joined(left), commit: is_new.then_some(tip) })
    }

    /// Commits in a checkout whose `HEAD` is the branch, when nothing is going on there. `None`: it is not
    /// so, or git would not. In the user's own checkout somebody may switch branches meanwhile, and `git
    /// commit` would go to whatever is checked out then.
    fn commit_on_branch(&self, checkout: &Checkout, message: &str) -> Result<Option<Saved>> {
        if self.is_in_place() || checkout.unfinished().is_some() {
            return Ok(None);
        }
        // Without the branch this would make a commit without a parent.
        let Some(tip) = self.loose_tip()? else { return Ok(None) };
        if !self.is_settled(checkout, &tip)? {
            return Ok(None);
        }
        let index = checkout.temporary_index();
        if !checkout.copy_index(&index)? || self.add_all(checkout)?.code() != Some(0) {
            return Ok(None);
        }
        let left_inside = self.left_inside(checkout)?;
        let call = checkout.call(self.repo.git(), "commit").env("GIT_INDEX_FILE", &index);
        let call = call.args(["--quiet", "--no-verify", "--cleanup=verbatim", "-m", message]);
        let output = call.slow().output()?;
        let is_new = match output.code() {
            Some(0) => true,
            // Nothing is new; or objects cannot be written, and then it says so.
            Some(1) if output.errors().is_empty() => false,
            _ => return Ok(None),
        };
        checkout.install_index()?;
        let commit = match self.loose_tip()? {
            _ if !is_new => None,
            Some(tip) => Some(tip),
            None => self.tip()?,
        };
        let tip = commit.as_ref().unwrap_or(&tip);
        if let (Isolation::Own(place), Some(own)) = (&self.isolation, &checkout.own) {
            self.put_own_on(place, own, tip)?;
        }
        let left_out = joined([left_inside, self.left_in_own(checkout, tip)?]);
        Ok(Some(Saved { commit, left_out }))
    }

    /// Whether the branch is at this commit for the agent and for the user, and neither has moved it or
    /// gone elsewhere.
    fn is_settled(&self, checkout: &Checkout, tip: &CommitId) -> Result<bool> {
        let branch = self.branch_ref();
        let Some(own) = &checkout.own else { return checkout.is_on(&branch) };
        Ok(own.head()? == OwnHead::Branch(branch, tip.clone()) && self.is_free(tip)?)
    }

    /// A commit of a tree on top of the branch and of what the agent committed itself; no branch
    /// moves. It is the branch's own commit when nothing is new.
    pub(super) fn commit_on_top(
        &self,
        checkout: &Checkout,
        tree: &str,
        message: &str,
    ) -> Result<CommitId> {
        let state = self.state(checkout, &self.work_name())?;
        Ok(match self.step(&state, tree)? {
            Step::Nothing => state.tip,
            Step::MoveTo(commit) => commit,
            Step::Commit(parents) => {
                let parents: Vec<&CommitId> = parents.iter().collect();
                self.repo.commit_tree(tree, &parents, message)?
            }
        })
    }

    /// Puts all files into a tree, in an index of its own.
    fn write_tree(&self, checkout: &Checkout, tip: &CommitId) -> Result<(String, Option<String>)> {
        let index = checkout.temporary_index();
        let mut output = None;
        if checkout.copy_index(&index)? {
            output = Some(self.add_all(checkout)?);
        }
        // A damaged index is no reason to lose work: the branch's own commit is as good a start,
        // only slower, since every file is read.
        if !output.as_ref().is_some_and(|output| matches!(output.code(), Some(0 | 1))) {
            checkout.clear_locks()?;
            let read = checkout.call(self.repo.git(), "read-tree").env("GIT_INDEX_FILE", &index);
            read.arg(tip.as_str()).slow().run()?;
            output = Some(self.add_all(checkout)?);
        }
        let refused = match &output {
            Some(output) if output.code() == Some(1) => Some(output.errors()),
            Some(output) if output.code() != Some(0) => return Err(output.failure()),
            _ => None,
        };
        let inside = self.left_inside(checkout)?;
        let left_out = joined([refused, inside]);
        let call = checkout.call(self.repo.git(), "write-tree").env("GIT_INDEX_FILE", &index);
        Ok((call.slow().line()?, left_out))
    }

    fn add_all(&self, checkout: &Checkout) -> Result<Output> {
        checkout
            .call(self.repo.git(), "add")
            .env("GIT_INDEX_FILE", checkout.temporary_index())
            .args(["--all", "--sparse", "--ignore-errors"])
            .args(checkout.pathspec())
            .slow()
            .output()
    }

    /// Leaves the checkout on the branch, clean, with no operation going on.
    fn settle(
        &self,
        checkout: &Checkout,
        state: &State,
        tip: &CommitId,
        in_files: bool,
    ) -> Result<()> {
        if let (Isolation::Own(place), Some(own)) = (&self.isolation, &checkout.own) {
            checkout.install_index()?;
            if !in_files {
                let call = checkout.call(self.repo.git(), "read-tree");
                call.args(["--reset", "-u", tip.as_str()]).slow().run()?;
            }
            return self.put_own_on(place, own, tip);
        }
        if checkout.git_dir.is_none() {
            return remove(&checkout.temporary_index());
        }
        checkout.clear_unfinished()?;
        if in_files {
            if !matches!(state.head, At::Branch) {
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

/// The words that there are, in one text.
fn joined(words: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let words: Vec<String> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join("; "))
}
