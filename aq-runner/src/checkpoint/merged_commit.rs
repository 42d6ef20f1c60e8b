//! The commit in which a target and a job's own work come together.
//!
//! An ordinary merge, where all that is in the job's base is in the target or may go along. What
//! may not, is: the work of jobs that are not shipped, and what the target has dropped or has by
//! other commits. Then the job's own commits go on top without it.

use super::base::DepTip;
use super::error::{CheckpointError, Result};
use super::replay::CommitReplay;
use super::repository::CommitId;
use super::wip::{JobBranch, branch_ref};

/// A merge that is to be made.
pub(super) struct MergePlan<'a> {
    /// The newest commit of the target.
    pub(super) target: &'a CommitId,
    /// The newest commit of the job's work.
    pub(super) tip: &'a CommitId,
    /// The target, as people name it.
    pub(super) into: &'a str,
    /// The text of a merge commit.
    pub(super) message: &'a str,
    /// Jobs whose work may not go along.
    pub(super) unshipped: &'a [String],
}

/// The work of other jobs in a base, where the target does not have its commits.
#[derive(Default)]
struct ForeignCommits {
    /// Goes along: that job was accepted, and its branch not merged.
    along: Vec<CommitId>,
    /// May not go along.
    unshipped: Vec<String>,
    /// True when the target has some of it by other commits.
    is_elsewhere: bool,
}

/// A commit that has the target and a job's work; on no branch yet.
pub(super) struct MergedCommit {
    pub(super) commit: CommitId,
    /// It has the files of the job's branch, and no others.
    pub(super) is_as_tip: bool,
}

impl JobBranch {
    /// Makes the commit that has both. The first parents of a target's commits are those that it
    /// was at, so a branch that goes round by work of others gets a merge commit, too.
    pub(super) fn merged_commit(&self, plan: &MergePlan<'_>) -> Result<MergedCommit> {
        let otherwise = |commit| MergedCommit { commit, is_as_tip: false };
        let fork = self.fork(plan.target, plan.tip)?;
        if fork.as_ref() == Some(plan.tip) {
            return Ok(otherwise(plan.target.clone()));
        }
        let started_at = &self.ground.target;
        let is_dropped = fork.as_ref() != Some(started_at)
            && !self.is_ancestor(started_at.as_str(), plan.target.as_str())?;
        let others = self.others(plan)?;
        let is_ordinary = others.unshipped.is_empty() && !others.is_elsewhere;
        let commit = match (is_dropped, is_ordinary) {
            (false, true) if fork.as_ref() == Some(plan.target) => {
                let commit = match self.goes_straight(plan)? {
                    true => plan.tip.clone(),
                    false => self.merged(plan, plan.target, plan.tip)?,
                };
                return Ok(MergedCommit { commit, is_as_tip: true });
            }
            (false, true) => self.merged(plan, plan.target, plan.tip)?,
            // All of it as one change: the commits of others lead to what was dropped.
            (true, true) if !others.along.is_empty() => {
                let replay = self.replay(plan, plan.target, started_at);
                self.squashed(&replay)?.map_err(|paths| self.conflict(plan, paths))?
            }
            _ => self.own_commits_on_top(plan, &others, is_dropped)?,
        };
        Ok(otherwise(commit))
    }

    /// Tests for a branch of which the target is an ancestor by first parents.
    fn goes_straight(&self, plan: &MergePlan<'_>) -> Result<bool> {
        // A job that was never put on another base has nothing else in its history.
        if !self.merges_in_one_step && !self.notes.has_ground()? {
            return Ok(true);
        }
        let steps = self.steps(plan.target, plan.tip)?;
        Ok(steps.is_some_and(|steps| steps == 1 || !self.merges_in_one_step))
    }

    /// The number of steps from a target to a commit by first parents; `None` where these do not
    /// lead there.
    fn steps(&self, target: &CommitId, commit: &CommitId) -> Result<Option<usize>> {
        let call = self.repo.call("rev-list").args(["--first-parent", commit.as_str()]);
        let line = call.arg(format!("^{target}^@")).slow().run()?;
        let lines = String::from_utf8_lossy(&line.stdout);
        Ok(lines.lines().position(|commit| commit == target.as_str()))
    }

    /// The job's own commits, on a target to which the work that goes along was added.
    fn own_commits_on_top(
        &self,
        plan: &MergePlan<'_>,
        others: &ForeignCommits,
        is_dropped: bool,
    ) -> Result<CommitId> {
        let mut onto = plan.target.clone();
        for tip in others.along.iter().filter(|_| !is_dropped) {
            onto = self.joined(plan, &onto, tip)?;
        }
        let replay = self.replay(plan, &onto, self.base());
        let commit = self.replayed(&replay)?.map_err(|paths| match others.unshipped.first() {
            Some(dep) => {
                CheckpointError::DepUnshipped { job: self.name.clone(), dep: dep.clone(), paths }
            }
            None => self.conflict(plan, paths),
        })?;
        let is_one_step = !self.merges_in_one_step
            || self.steps(plan.target, &commit)?.is_none_or(|steps| steps <= 1);
        if is_one_step { Ok(commit) } else { self.joined(plan, plan.target, &commit) }
    }

    /// A merge commit, unless one has all of the other.
    fn joined(&self, plan: &MergePlan<'_>, ours: &CommitId, theirs: &CommitId) -> Result<CommitId> {
        if self.is_ancestor(theirs.as_str(), ours.as_str())? {
            return Ok(ours.clone());
        }
        self.merged(plan, ours, theirs)
    }

    /// A merge commit of two of which the first lacks something of the second.
    fn merged(&self, plan: &MergePlan<'_>, ours: &CommitId, theirs: &CommitId) -> Result<CommitId> {
        let tree = self.merge_trees(plan.target, ours, theirs)?;
        let tree = tree.map_err(|paths| self.conflict(plan, paths))?;
        let sign = if self.signs_merges { &["-S"][..] } else { &[] };
        let call = || self.repo.call("commit-tree").args(sign);
        let parents = [ours.clone(), theirs.clone()];
        self.repo.commit_tree_by(call, &tree, &parents, plan.message)
    }

    fn replay<'a>(
        &self,
        plan: &MergePlan<'a>,
        onto: &'a CommitId,
        base: &'a CommitId,
    ) -> CommitReplay<'a> {
        let MergePlan { target: attributes, tip, message, .. } = *plan;
        CommitReplay { attributes, onto, base, tip, message }
    }

    /// Looks through the work of other jobs on which the job's builds.
    fn others(&self, plan: &MergePlan<'_>) -> Result<ForeignCommits> {
        let mut others = ForeignCommits::default();
        let mut deps = self.ground.deps.clone();
        // What is in a dep's work came from its own deps.
        for job in plan.unshipped.iter().filter(|&job| *job != self.name) {
            if deps.iter().all(|dep| dep.job != *job)
                && let Some(tip) = self.repo.branch_commit(&branch_ref(job))?
                && self.is_ancestor(tip.as_str(), plan.tip.as_str())?
            {
                deps.push(DepTip { job: job.clone(), tip });
            }
        }
        let mut unshipped: Vec<CommitId> = Vec::new();
        for dep in deps {
            if self.is_ancestor(dep.tip.as_str(), plan.target.as_str())? {
                continue;
            }
            if self.is_elsewhere(plan.target, &dep)? {
                others.is_elsewhere = true;
            } else if plan.unshipped.contains(&dep.job) {
                unshipped.push(dep.tip);
                others.unshipped.push(dep.job);
            } else {
                others.along.push(dep.tip);
            }
        }
        // One that has an unshipped one's work brings that along.
        let mut along = Vec::new();
        for tip in others.along {
            let mut is_free = true;
            for other in &unshipped {
                is_free = is_free && !self.is_ancestor(other.as_str(), tip.as_str())?;
            }
            along.extend(is_free.then_some(tip));
        }
        Ok(ForeignCommits { along, ..others })
    }

    /// Tests for a target that has the work of a job by other commits: squashed, or as that job
    /// made it anew.
    fn is_elsewhere(&self, target: &CommitId, dep: &DepTip) -> Result<bool> {
        if self.has_changes_of(target, &dep.tip)? {
            return Ok(true);
        }
        let now = self.repo.branch_commit(&branch_ref(&dep.job))?.filter(|now| *now != dep.tip);
        match now {
            Some(now) if self.is_ancestor(now.as_str(), target.as_str())? => Ok(true),
            Some(now) => self.has_changes_of(target, &now),
            None => Ok(false),
        }
    }

    /// Tests for a commit whose merge would change no file of the target.
    fn has_changes_of(&self, target: &CommitId, commit: &CommitId) -> Result<bool> {
        let merged = self.merge_trees(target, target, commit)?;
        Ok(merged.is_ok_and(|tree| self.tree(target).is_ok_and(|old| old == tree)))
    }

    fn conflict(&self, plan: &MergePlan<'_>, paths: Vec<String>) -> CheckpointError {
        let (branch, into) = (self.branch().to_owned(), plan.into.to_owned());
        CheckpointError::Conflict { branch, into, paths }
    }
}
