//! A job's own work on a new base: the newest commit of its target, with the work of those deps
//! that the target does not have, by the rule of a first start.
//!
//! The branch goes forward where it can: to a merge with the new base. Where the target, or a dep,
//! has dropped what the old base was made of, the job's own commits are made again on top of the
//! new one, and the old branch stays at `refs/aq/rebased/<job>`.
//!
//! Conflicts are committed with their markers in the files, and noted. The order is: the note, the
//! branch, the ground, the files of the checkout, and last the note that all is done. Whatever
//! comes next for the job after a kill finishes that first.

use crate::disk::sync_file_system;

use super::base::{DepTip, WorkBase};
use super::checkout::JobCheckout;
use super::error::{CheckpointError, HeadState, Result};
use super::rebase_note::RebaseNote;
use super::replay::{CommitReplay, MarkedCommit};
use super::repository::CommitId;
use super::wip::{BRANCHES, CheckpointJob, JobBranch, WorkIsolation};

/// Where the branch is kept as it was.
const REBASED: &str = "refs/aq/rebased/";

/// The result of putting a job's work on a new base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RebaseResult {
    /// It goes together with the base.
    Clean,
    /// It does not in these files, which have markers or, where a file has no lines, only one side.
    Conflicts(Vec<String>),
}

impl JobBranch {
    /// Puts the job's own work on its target's newest commit with the work of these jobs, as it is
    /// by now. One whose branch is gone contributes nothing, but of those in `distant`, which are
    /// on other hosts, the base keeps what it has. To be called before [`JobBranch::start`], which
    /// then gives the agent the result. What is in the job's checkout is saved first; where the
    /// checkout is gone, the branch moves alone. Again, it answers the same and changes nothing.
    ///
    /// # Errors
    /// When the target is gone; when the branch was moved or is checked out by somebody else; when
    /// the new base has conflicts in itself; git fails. The job's work is as it was then.
    pub fn rebase(&mut self, deps: &[CheckpointJob], distant: &[String]) -> Result<RebaseResult> {
        self.finish_rebase()?;
        let saved = self.finish("aq: left by an attempt that was interrupted")?;
        let held = || CheckpointError::BranchHeld(self.branch().to_owned());
        if self.is_held()? || self.checkout_of(&self.branch_ref())?.is_some() {
            return Err(held());
        }
        let tip = self.tip()?;
        let tip = tip.ok_or_else(|| CheckpointError::NoBranch(self.branch().to_owned()))?;
        let target = self.target_branch()?;
        let Some(now) = self.newest_of_target(&target)? else {
            if self.started_without_a_commit()? {
                return Ok(RebaseResult::Clean);
            }
            let into = target.replacen("refs/heads/", "", 1);
            let (branch, base) = (self.branch().to_owned(), self.ground.target.clone());
            return Err(CheckpointError::TargetGone { branch, into, base });
        };
        let mut deps = self.tips_of(deps)?;
        let is_distant = |dep: &&DepTip| distant.contains(&dep.job);
        deps.extend(self.ground.deps.iter().filter(is_distant).cloned());
        let deps = &deps;
        if self.has_all(&tip, &now, deps)? {
            return self.noted_conflicts(&tip);
        }
        let ground = self.ground_on(&now, deps)?;
        if self.is_ancestor(ground.base.as_str(), tip.as_str())? {
            return self.noted_conflicts(&tip);
        }
        // On disk before a note and the branch name them.
        let maker = self.synced();
        let marked = match self.has_all(&ground.base, &self.ground.target, &self.ground.deps)? {
            true => maker.merged_onto(&ground, &tip, &target)?,
            false => maker.made_again(&ground, &tip)?,
        };
        let note = RebaseNote {
            is_moving: true,
            from: tip,
            to: marked.commit,
            ground,
            sides: marked.sides,
            conflicts: marked.conflicts,
        };
        self.note_rebase(&note)?;
        let is_whole = saved.left_out.is_empty();
        if !self.move_to_ground(&note, is_whole)? {
            return Err(CheckpointError::BranchHeld(self.branch().to_owned()));
        }
        Ok(rebased(note.conflicts))
    }

    /// Files of the job's branch that still have markers of the latest rebase. None where it left
    /// no conflicts, or those were in files without lines.
    ///
    /// # Errors
    /// When git fails.
    pub fn unresolved(&self) -> Result<Vec<String>> {
        let Some(note) = self.rebase_note()?.filter(|note| !note.conflicts.is_empty()) else {
            return Ok(Vec::new());
        };
        let Some(tip) = self.tip()? else { return Ok(Vec::new()) };
        let [own, other] = &note.sides;
        // No other line has these.
        let marker = format!("-G^(<{{7,}}|>{{7,}}) ({own}|{other})");
        let call = self.repo.call("diff-tree").args(["-r", "-z", "--name-only", "--no-renames"]);
        let call = call.args(["--no-ext-diff", "--no-textconv", "--text"]).arg(marker);
        let output = call.args([note.ground.base.as_str(), tip.as_str(), "--"]).slow().run()?;
        Ok(output.fields().collect())
    }

    /// Finishes a rebase that was killed.
    pub(super) fn finish_rebase(&mut self) -> Result<()> {
        let Some(note) = self.rebase_note()?.filter(|note| note.is_moving) else { return Ok(()) };
        if self.move_to_ground(&note, false)? {
            self.ground = note.ground;
        }
        Ok(())
    }

    /// Forgets the latest rebase, when the job's checkout goes.
    pub(super) fn forget_rebase(&self) -> Result<()> {
        self.notes.clear_rebase()?;
        self.repo.call("update-ref").args(["-d", &self.rebased_ref()]).run().map(drop)
    }

    fn rebased_ref(&self) -> String {
        self.branch_ref().replacen(BRANCHES, REBASED, 1)
    }

    /// Tests for a commit that has a target's and all of these.
    fn has_all(&self, commit: &CommitId, target: &CommitId, deps: &[DepTip]) -> Result<bool> {
        for part in std::iter::once(target).chain(deps.iter().map(|dep| &dep.tip)) {
            if !self.is_ancestor(part.as_str(), commit.as_str())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The answer of an earlier call, as far as it still holds.
    fn noted_conflicts(&self, tip: &CommitId) -> Result<RebaseResult> {
        let Some(note) = self.rebase_note()? else { return Ok(RebaseResult::Clean) };
        let is_of_branch = self.is_ancestor(note.to.as_str(), tip.as_str())?;
        let is_solved = !is_of_branch || (note.to != *tip && self.unresolved()?.is_empty());
        Ok(if is_solved { RebaseResult::Clean } else { rebased(note.conflicts) })
    }

    /// A merge of the branch with its new base.
    fn merged_onto(&self, ground: &WorkBase, tip: &CommitId, target: &str) -> Result<MarkedCommit> {
        let base = &ground.base;
        let parents = [tip.clone(), base.clone()];
        if self.is_ancestor(tip.as_str(), base.as_str())? {
            return Ok(MarkedCommit {
                commit: base.clone(),
                sides: parents,
                conflicts: Vec::new(),
            });
        }
        let merged = self.merge_with_markers(&ground.target, tip, base)?;
        let into = target.strip_prefix("refs/heads/").unwrap_or(target);
        let message = match merged.conflicts.is_empty() {
            true => format!("{}: on top of {into}", self.name),
            false => format!("{}: on top of {into}, with conflicts", self.name),
        };
        let commit = self.repo.commit_tree(&merged.tree, &parents, &message)?;
        Ok(MarkedCommit { commit, sides: parents, conflicts: merged.conflicts })
    }

    /// The job's own commits on top of its new base, and of nothing else.
    fn made_again(&self, ground: &WorkBase, tip: &CommitId) -> Result<MarkedCommit> {
        let (onto, base) = (&ground.base, self.base());
        let message = format!("{}: on a new base", self.name);
        let replay =
            CommitReplay { attributes: &ground.target, onto, base, tip, message: &message };
        match self.replayed(&replay)? {
            Ok(commit) => {
                let sides = [tip.clone(), onto.clone()];
                Ok(MarkedCommit { commit, sides, conflicts: Vec::new() })
            }
            Err(_) => self.squashed_with_markers(&replay),
        }
    }

    /// Moves branch, ground and files as noted. `false`: somebody else moved the branch meanwhile,
    /// and nothing was done. A checkout in which something is in the way goes, to be made anew,
    /// where all of it is saved.
    fn move_to_ground(&self, note: &RebaseNote, is_saved: bool) -> Result<bool> {
        self.unlock_branch()?;
        let tip = self.tip()?;
        if tip.as_ref() == Some(&note.from) {
            self.move_refs(note)?;
        } else if tip.as_ref() != Some(&note.to) {
            self.notes.clear_rebase()?;
            return Ok(false);
        }
        self.notes.set_ground(&note.ground)?;
        if let (WorkIsolation::Own(place), Some(checkout)) = (&self.isolation, self.checkout()?) {
            match self.follow_rebase(&checkout, note) {
                Err(CheckpointError::Overlap { .. }) if is_saved => self.discard(place)?,
                followed => followed?,
            }
            // Files of before on a branch of after would take back what others have changed: as
            // long as a power cut can bring them back, the note says so.
            let above = place.dir.parent().unwrap_or(&place.dir);
            for dir in [above, self.notes.dir()] {
                sync_file_system(dir).at("sync the file system of", dir)?;
            }
        }
        match note.conflicts.is_empty() {
            true => self.notes.clear_rebase()?,
            false => self.note_rebase(&RebaseNote { is_moving: false, ..note.clone() })?,
        }
        Ok(true)
    }

    fn move_refs(&self, note: &RebaseNote) -> Result<()> {
        let RebaseNote { from, to, .. } = note;
        let mut text = format!("update {} {to} {from}\n", self.branch_ref());
        if !self.is_ancestor(from.as_str(), to.as_str())? {
            text += &format!("update {} {from}\n", self.rebased_ref());
        }
        let call = self.repo.call("update-ref").args(["-m", "aq: on a new base", "--stdin"]);
        call.text(text.as_bytes())?.run().map(drop)
    }

    fn follow_rebase(&self, checkout: &JobCheckout, note: &RebaseNote) -> Result<()> {
        let WorkIsolation::Own(place) = &self.isolation else { return Ok(()) };
        if checkout.own.is_some() && place.given()?.as_ref() == Some(&note.to) {
            return Ok(());
        }
        self.finish_move(checkout, &note.from, &note.to, true)?;
        let Some(own) = &checkout.own else { return Ok(()) };
        let index = self.index_of_work(checkout, &place.index(), &note.to)?;
        self.put_own_on(place, own, &note.to, &index)
    }
}

fn rebased(conflicts: Vec<String>) -> RebaseResult {
    if conflicts.is_empty() { RebaseResult::Clean } else { RebaseResult::Conflicts(conflicts) }
}
