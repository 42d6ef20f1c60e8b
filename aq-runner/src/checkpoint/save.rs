//! The checkpoint: everything in a checkout becomes a commit of the job's branch, whatever state
//! the agent left.
//!
//! The tree is made in an index of its own, so neither a conflict in the checkout's index nor a
//! lock on it is in the way, and the branch moves by `update-ref` with its old value. What `HEAD`
//! is decides the parents:
//!
//! | `HEAD` is | files as in `HEAD` | otherwise |
//! | --- | --- | --- |
//! | the branch | nothing to do | tip <- new |
//! | ahead of the tip (the agent made a branch) | branch moves to `HEAD` | `HEAD` <- new |
//! | behind the tip (the agent looks at old work) | nothing to do | tip <- new |
//! | elsewhere, on another branch | nothing to do | tip and `HEAD` <- new |
//! | elsewhere, on no branch (a rebase stopped) | tip and `HEAD` <- new | tip and `HEAD` <- new |
//!
//! So no commit of the agent's is lost, and no look at other work undoes its own.
//!
//! The first row is nearly every checkpoint, and what it needs is what `git commit` does: two runs of git
//! in place of five. Whatever is otherwise, or fails there, goes the long way.

use super::checkout::{Checkout, remove};
use super::error::Result;
use super::git::Output;
use super::repository::{CommitId, nonsense};
use super::wip::{Saved, Wip};

/// The branch and `HEAD` before a checkpoint.
struct State {
    /// `None` when the agent deleted the branch.
    branch: Option<CommitId>,
    /// The branch's commit. Where there is no branch: the one that it had when the job was started, or else the
    /// base.
    tip: CommitId,
    tip_tree: String,
    head: At,
}

enum At {
    /// The job's branch, or what is the same commit.
    Branch,
    /// On another branch, or on none.
    Elsewhere { commit: CommitId, named: bool },
    /// On a branch without a commit, or lost.
    Nowhere,
}

/// What is to become of the branch.
enum Step {
    Nothing,
    MoveTo(CommitId),
    Commit(Vec<CommitId>),
}

impl Wip {
    /// Commits everything that is in the job's checkout to its branch: changed, new and deleted
    /// files and the commits of submodules, but not what git ignores. Then the checkout is on the
    /// branch and clean. Also for a process that did not start the job, after a kill.
    ///
    /// Nothing is saved when the worktree is gone; when the branch is gone with it, it is made again where
    /// it was when this process started the job. A worktree that was never complete is removed: no agent
    /// has been there, and git refuses to work in the repository as long as it lies there.
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

    /// Makes a branch again that the agent removed together with its worktree. Nothing tells what it had
    /// committed there.
    fn bring_back(&self) -> Result<Saved> {
        let Some(known) = self.known_tip.as_ref().filter(|_| !self.is_in_place()) else {
            return Ok(Saved::default());
        };
        if self.tip()?.is_some() {
            return Ok(Saved::default());
        }
        self.unlock_branch()?;
        self.repo.update_ref(&self.branch_ref(), known, &known.nothing())?;
        let left_out = format!(
            "the worktree and the branch {} were removed; the branch is back at {known}, and commits made \
             since may have no name: `git fsck --lost-found` lists such",
            self.branch()
        );
        Ok(Saved { commit: None, left_out: Some(left_out) })
    }

    pub(super) fn save(&self, checkout: &Checkout, message: &str) -> Result<Saved> {
        checkout.clear_locks()?;
        self.unlock_branch()?;
        if let Some(saved) = self.commit_on_branch(checkout, message)? {
            return Ok(saved);
        }
        let state = self.state(checkout)?;
        let (tree, left_out) = self.write_tree(checkout, &state.tip)?;
        let step = self.step(&state, &tree)?;
        let old = state.branch.as_ref().map_or_else(|| state.tip.nothing(), ToString::to_string);
        let commit = match &step {
            Step::Nothing if state.branch.is_none() => {
                self.repo.update_ref(&self.branch_ref(), &state.tip, &old)?;
                None
            }
            Step::Nothing => None,
            Step::MoveTo(commit) => Some(commit.clone()),
            Step::Commit(parents) => {
                let parents: Vec<&CommitId> = parents.iter().collect();
                Some(self.repo.commit_tree(&tree, &parents, message)?)
            }
        };
        if let Some(commit) = &commit {
            self.repo.update_ref(&self.branch_ref(), commit, &old)?;
        }
        let in_files = commit.is_some() || tree == state.tip_tree;
        self.settle(checkout, &state, in_files)?;
        Ok(Saved { commit, left_out })
    }

    /// Commits in a worktree whose `HEAD` is the branch, when nothing is going on there. `None`: it is not
    /// so, or git would not. In the user's own checkout somebody may switch branches meanwhile, and `git
    /// commit` would go to whatever is checked out then.
    fn commit_on_branch(&self, checkout: &Checkout, message: &str) -> Result<Option<Saved>> {
        if self.is_in_place() || checkout.unfinished().is_some() {
            return Ok(None);
        }
        // Without the branch this would make a commit without a parent.
        if !checkout.is_on(&self.branch_ref())? || self.loose_tip()?.is_none() {
            return Ok(None);
        }
        let index = checkout.temporary_index();
        if !checkout.copy_index(&index)? || self.add_all(checkout)?.code() != Some(0) {
            return Ok(None);
        }
        let left_out = self.left_inside(checkout)?;
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
        Ok(Some(Saved { commit, left_out }))
    }

    /// A commit of a tree on top of the branch and of what the agent committed itself; no branch
    /// moves. It is the branch's own commit when nothing is new.
    pub(super) fn commit_on_top(
        &self,
        checkout: &Checkout,
        tree: &str,
        message: &str,
    ) -> Result<CommitId> {
        let state = self.state(checkout)?;
        Ok(match self.step(&state, tree)? {
            Step::Nothing => state.tip,
            Step::MoveTo(commit) => commit,
            Step::Commit(parents) => {
                let parents: Vec<&CommitId> = parents.iter().collect();
                self.repo.commit_tree(tree, &parents, message)?
            }
        })
    }

    fn state(&self, checkout: &Checkout) -> Result<State> {
        let branch = self.branch_ref();
        let ask = |revisions: &[&str]| -> Result<Vec<String>> {
            let call = checkout.call(self.repo.git(), "rev-parse").arg("--revs-only");
            let mut call = call.args(revisions).read_only();
            if checkout.git_dir.is_some() {
                call = call.args(["HEAD^{commit}", "--symbolic-full-name", "HEAD"]);
            }
            let output = call.run()?;
            let text = str::from_utf8(&output.stdout).map_err(|_| nonsense(&output.stdout))?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        let id = |text: &String| CommitId::parse(text).ok_or_else(|| nonsense(text.as_bytes()));
        // Output ends at the first revision that is not there.
        let mut lines = ask(&[&format!("{branch}^{{commit}}"), &format!("{branch}^{{tree}}")])?;
        let found = !lines.is_empty();
        if !found {
            let known = self.known_tip.as_ref().unwrap_or(&self.base);
            lines = ask(&[&format!("{known}^{{commit}}"), &format!("{known}^{{tree}}")])?;
        }
        let [tip, tip_tree, head @ ..] = lines.as_slice() else {
            return Err(nonsense(lines.join("\n").as_bytes()));
        };
        let tip = id(tip)?;
        let head = match head {
            [_, name] if *name == branch => At::Branch,
            [commit, name] => At::Elsewhere { commit: id(commit)?, named: name != "HEAD" },
            _ => At::Nowhere,
        };
        Ok(State { branch: found.then(|| tip.clone()), tip, tip_tree: tip_tree.clone(), head })
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
        let left_out = match (refused, inside) {
            (Some(refused), Some(inside)) => Some(format!("{refused}; {inside}")),
            (refused, inside) => refused.or(inside),
        };
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

    fn step(&self, state: &State, tree: &str) -> Result<Step> {
        let on_tip = || {
            let clean = tree == state.tip_tree;
            if clean { Step::Nothing } else { Step::Commit(vec![state.tip.clone()]) }
        };
        let (head, named) = match &state.head {
            At::Elsewhere { commit, named } if *commit != state.tip => (commit, *named),
            _ => return Ok(on_tip()),
        };
        let call = self.repo.call("rev-parse").args(["--verify", &format!("{head}^{{tree}}")]);
        let clean = call.line()? == tree;
        let call = self.repo.call("merge-base").args([state.tip.as_str(), head.as_str()]);
        let fork = call.output()?;
        let fork = String::from_utf8_lossy(&fork.stdout).trim().to_owned();
        let (ahead, behind) = (fork == state.tip.as_str(), fork == head.as_str());
        Ok(match clean {
            true if ahead => Step::MoveTo(head.clone()),
            true if behind || named => Step::Nothing,
            false if ahead => Step::Commit(vec![head.clone()]),
            false if behind => Step::Commit(vec![state.tip.clone()]),
            _ => Step::Commit(vec![state.tip.clone(), head.clone()]),
        })
    }

    /// Leaves the checkout on the branch, clean, with no operation going on.
    fn settle(&self, checkout: &Checkout, state: &State, in_files: bool) -> Result<()> {
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
