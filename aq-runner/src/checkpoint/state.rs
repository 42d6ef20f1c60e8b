//! The branch and `HEAD` before a checkpoint, and what follows for the branch.

use super::checkout::JobCheckout;
use super::error::Result;
use super::left::LeftOut;
use super::own::{OwnHead, OwnRepository};
use super::repository::{CommitId, nonsense};
use super::wip::JobBranch;

/// The branch and `HEAD` before a checkpoint.
pub(super) struct BranchState {
    /// `None` when somebody deleted the branch.
    pub(super) branch: Option<CommitId>,
    /// The commit that it has, or had.
    pub(super) there: CommitId,
    /// The branch's commit, as the agent has left it in its own repository. Where there is no
    /// branch: the one that it had when the job was started, or else the base.
    pub(super) tip: CommitId,
    pub(super) tip_tree: String,
    pub(super) head: HeadState,
    /// Commits of the agent's that could not be taken over, in words.
    pub(super) lost: Option<LeftOut>,
}

pub(super) enum HeadState {
    /// On the job's branch, or what is the same commit.
    Branch,
    /// On another branch, or on none.
    Elsewhere { commit: CommitId, named: bool },
    /// On a branch without a commit, or lost.
    Nowhere,
}

/// What is to become of the branch.
pub(super) enum BranchMove {
    Nothing,
    MoveTo(CommitId),
    Commit(Vec<CommitId>),
}

impl JobBranch {
    /// Reads the state; `name` is the ref that has the job's work.
    pub(super) fn state(&self, checkout: &JobCheckout, name: &str) -> Result<BranchState> {
        let ask = |revisions: &[&str]| -> Result<Vec<String>> {
            let call = checkout.call(self.repo.git(), "rev-parse").arg("--revs-only");
            let mut call = call.args(revisions).read_only();
            if checkout.own.is_none() && checkout.git_dir.is_some() {
                call = call.args(["HEAD^{commit}", "--symbolic-full-name", "HEAD"]);
            }
            let output = call.run()?;
            let text = str::from_utf8(&output.stdout).map_err(|_| nonsense(&output.stdout))?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        let id = |text: &String| CommitId::parse(text).ok_or_else(|| nonsense(text.as_bytes()));
        // Output ends at the first revision that is not there.
        let mut lines = ask(&[&format!("{name}^{{commit}}"), &format!("{name}^{{tree}}")])?;
        let mut found = !lines.is_empty();
        if !found && let Some(read) = self.repo.branch_commit(name)? {
            // Git also passes over a branch that it cannot read at the moment.
            lines = ask(&[&format!("{read}^{{commit}}"), &format!("{read}^{{tree}}")])?;
            found = !lines.is_empty();
        }
        if !found {
            let given = self.given()?;
            let known = given.as_ref().or(self.known_tip.as_ref()).unwrap_or(self.base());
            lines = ask(&[&format!("{known}^{{commit}}"), &format!("{known}^{{tree}}")])?;
        }
        let [tip, tip_tree, head @ ..] = lines.as_slice() else {
            return Err(nonsense(lines.join("\n").as_bytes()));
        };
        let there = id(tip)?;
        let branch = found.then(|| there.clone());
        let Some(own) = &checkout.own else {
            let head = match head {
                [_, branch] if *branch == self.branch_ref() => HeadState::Branch,
                [commit, branch] => {
                    HeadState::Elsewhere { commit: id(commit)?, named: branch != "HEAD" }
                }
                _ => HeadState::Nowhere,
            };
            let tip_tree = tip_tree.clone();
            return Ok(BranchState {
                branch,
                tip: there.clone(),
                there,
                tip_tree,
                head,
                lost: None,
            });
        };
        let (tip, lost) = self.own_tip(own, &there)?;
        let tip_tree = if tip == there { tip_tree.clone() } else { self.tree(&tip)? };
        let (head, lost_head) = self.own_head(own, &tip)?;
        Ok(BranchState { branch, there, tip, tip_tree, head, lost: lost.or(lost_head) })
    }

    /// The job's branch as the agent has left it. What it made of the branch, the branch is, unless
    /// that has nothing to do with the job's history; and where the agent has not moved it, it is
    /// where aq has it.
    fn own_tip(
        &self,
        own: &OwnRepository,
        there: &CommitId,
    ) -> Result<(CommitId, Option<LeftOut>)> {
        let given = self.given()?;
        let Some(own_tip) = own.resolve(&self.branch_ref())? else {
            return Ok((there.clone(), None));
        };
        if own_tip == *there || Some(&own_tip) == given.as_ref() {
            return Ok((there.clone(), None));
        }
        let told = |why: String| {
            Ok((there.clone(), Some(LeftOut::new(format!("branch {}", self.branch()), why))))
        };
        if let Err(e) = self.bring(own, &own_tip, there) {
            return told(format!("its commits cannot be taken over: {e}"));
        }
        match self.fork(there, &own_tip)? {
            None => told("it has a history of its own by now".to_owned()),
            // An earlier checkpoint was killed before it updated the agent's repository.
            Some(fork) if fork == own_tip && given.as_ref() != Some(there) => {
                Ok((there.clone(), None))
            }
            Some(_) => {
                let missing = self.bring_contents(own, &own_tip, there)?;
                Ok((own_tip, missing))
            }
        }
    }

    /// Where the agent has left its own repository. Its commits are taken over.
    fn own_head(
        &self,
        own: &OwnRepository,
        tip: &CommitId,
    ) -> Result<(HeadState, Option<LeftOut>)> {
        let (commit, branch) = match own.head()? {
            OwnHead::Nowhere => return Ok((HeadState::Nowhere, None)),
            OwnHead::Branch(name, _) if name == self.branch_ref() => {
                return Ok((HeadState::Branch, None));
            }
            OwnHead::Branch(name, commit) => (commit, Some(name)),
            OwnHead::Detached(commit) => (commit, None),
        };
        if commit != *tip
            && let Err(e) = self.bring(own, &commit, tip)
        {
            let what = branch.unwrap_or_else(|| "HEAD".to_owned());
            let why = format!("its commits cannot be taken over: {e}");
            return Ok((HeadState::Nowhere, Some(LeftOut::new(what, why))));
        }
        let missing = match commit == *tip {
            true => None,
            false => self.bring_contents(own, &commit, tip)?,
        };
        Ok((HeadState::Elsewhere { commit, named: branch.is_some() }, missing))
    }

    pub(super) fn tree(&self, commit: &CommitId) -> Result<String> {
        self.repo.call("rev-parse").args(["--verify", &format!("{commit}^{{tree}}")]).line()
    }

    pub(super) fn step(&self, state: &BranchState, tree: &str) -> Result<BranchMove> {
        let on_tip = || {
            let clean = tree == state.tip_tree;
            if clean { BranchMove::Nothing } else { BranchMove::Commit(vec![state.tip.clone()]) }
        };
        let (head, named) = match &state.head {
            HeadState::Elsewhere { commit, named } if *commit != state.tip => (commit, *named),
            HeadState::Branch | HeadState::Elsewhere { .. } | HeadState::Nowhere => {
                return Ok(on_tip());
            }
        };
        let clean = self.tree(head)? == tree;
        let fork = self.fork(&state.tip, head)?;
        let ahead = fork.as_ref() == Some(&state.tip);
        let behind = fork.as_ref() == Some(head);
        Ok(match clean {
            true if ahead => BranchMove::MoveTo(head.clone()),
            true if behind || named => BranchMove::Nothing,
            false if ahead => BranchMove::Commit(vec![head.clone()]),
            false if behind => BranchMove::Commit(vec![state.tip.clone()]),
            _ => BranchMove::Commit(vec![state.tip.clone(), head.clone()]),
        })
    }

    /// The newest commit that two have in common; `None` when there is none.
    pub(super) fn fork(&self, one: &CommitId, other: &CommitId) -> Result<Option<CommitId>> {
        let output = self.repo.call("merge-base").args([one.as_str(), other.as_str()]).output()?;
        Ok(CommitId::parse(String::from_utf8_lossy(&output.stdout).trim()))
    }
}
