//! Bringing a job's work into the branch from which it started, in three acts: the merge is made in
//! objects only; its files may be looked at; the branch moves, and the files of its checkout
//! follow.
//!
//! The order of the third is: the intent on the caller's record, the branch, the files. A kill
//! between the two leaves the note of a landing beside the target's lock, and whoever takes that
//! next, be it to merge another job, finishes the files first. A branch at a remote is pushed, and
//! no files follow.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::disk::sync_file_system;

use super::checkout::JobCheckout;
use super::error::{CheckpointError, HeadState, Result};
use super::follow::FileMoves;
use super::index_lock::IndexLock;
use super::merge_lock::{LandingNote, MergeQueue, TargetLock};
use super::merged_commit::MergePlan;
use super::notes::WorkOrigin;
use super::remote_target::shown_remote;
use super::repository::CommitId;
use super::wip::JobBranch;

/// A branch that is to move: what a caller records before it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LandingPlan {
    /// The branch, by its full name.
    pub target: String,
    /// Its commit before; `None` where it has none yet.
    pub old: Option<CommitId>,
    /// The commit that has the job's work.
    pub commit: CommitId,
}

impl LandingPlan {
    /// The branch, as people name it.
    pub fn branch(&self) -> &str {
        self.target.strip_prefix("refs/heads/").unwrap_or(&self.target)
    }

    /// Tests for a branch that has to move: one that has all of the job's work has not.
    pub fn moves(&self) -> bool {
        self.old.as_ref() != Some(&self.commit)
    }
}

/// A merge that is made in objects, and on no branch yet. No other merge into the branch is made as
/// long as this is there.
#[derive(Debug)]
pub struct PreparedMerge {
    pub(super) wip: JobBranch,
    landing: LandingPlan,
    is_as_verified: bool,
    /// Made when they are first asked for.
    moves: OnceLock<FileMoves>,
    lock: TargetLock,
}

/// What a merge did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeResult {
    /// The branch that now has the work, as people name it.
    pub into: String,
    /// The remote at which that is; `None` where it is a branch of the job's repository.
    pub remote: Option<String>,
    /// Its newest commit.
    pub commit: CommitId,
    /// The checkout whose files followed, if the branch was checked out.
    pub checkout: Option<PathBuf>,
    /// Submodules of that checkout that are now at an older commit than the branch says.
    pub submodules: Vec<String>,
    /// The repository's own directory: where commits and branches are.
    pub repository: PathBuf,
}

impl JobBranch {
    /// Refuses a job whose own checkout is in the middle of a merge or rebase: its conflicts would
    /// be committed as they are, and merged.
    ///
    /// # Errors
    /// When it is, or git fails.
    pub fn expect_finished(&self) -> Result<()> {
        let Some(checkout) = self.checkout()? else { return Ok(()) };
        match checkout.unfinished() {
            Some(what) => Err(CheckpointError::Unfinished { root: checkout.root, what }),
            None => Ok(()),
        }
    }

    /// Signs the merge commits that are made from now on, as the user's settings say, and nothing
    /// else.
    #[must_use]
    pub fn signing_merges(mut self, sign: bool) -> Self {
        self.signs_merges = sign;
        self
    }

    /// Lets the target go forward by one commit and no more, the one that can be checked before it
    /// lands. What the job has made of several commits gets a merge commit.
    #[must_use]
    pub fn merging_in_one_step(mut self) -> Self {
        self.merges_in_one_step = true;
        self
    }

    /// Merges the job's branch into the branch from which the job started, as far as
    /// [`prepare_merge`](Self::prepare_merge) and [`PreparedMerge::land`] do. Merging again changes
    /// nothing.
    ///
    /// # Errors
    /// As theirs.
    pub fn merge(&self, message: &str) -> Result<MergeResult> {
        self.prepare_merge(message, &[])?.land(&mut || Ok(()))
    }

    /// Makes the merge of the job's work with the newest commit of its target, and moves no branch.
    /// Where the target has not moved since the job's base was made, that is the job's branch
    /// itself; otherwise a merge commit with `message`. Where the target has dropped what the job
    /// started from, and where work of `unshipped` jobs is in that, the job's own commits and no
    /// others go on top.
    ///
    /// Waits for other merges into the target. What a killed one of them left is finished first.
    ///
    /// # Errors
    /// When the job started from no branch, or that is gone; when the merge is not clean; when the
    /// job's work does not go without that of an unshipped one. Nothing is changed then.
    pub fn prepare_merge(&self, message: &str, unshipped: &[String]) -> Result<PreparedMerge> {
        let branch = || self.branch().to_owned();
        if self.newest()?.is_none() {
            return Err(CheckpointError::NoBranch(branch()));
        }
        let target = self.target_branch()?;
        let lock = self.lock_target(&target)?;
        let tip = self.newest()?.ok_or_else(|| CheckpointError::NoBranch(branch()))?;
        let old = self.newest_of_target(&target)?;
        let mut landing = LandingPlan { target, old, commit: tip.clone() };
        let mut is_as_verified = true;
        if let Some(old) = &landing.old {
            let into = landing.branch();
            let plan = MergePlan { target: old, tip: &tip, into, message, unshipped };
            let merged = self.merged_commit(&plan)?;
            is_as_verified = merged.is_as_tip;
            landing.commit = merged.commit;
        } else if !self.started_without_a_commit()? {
            let (into, base) = (landing.branch().to_owned(), self.ground.target.clone());
            return Err(CheckpointError::TargetGone { branch: branch(), into, base });
        }
        let unresolved = self.unresolved()?;
        if !unresolved.is_empty() {
            return Err(CheckpointError::Unresolved { branch: branch(), paths: unresolved });
        }
        is_as_verified |= landing.commit == tip || !landing.moves();
        let (wip, moves) = (self.clone(), OnceLock::new());
        Ok(PreparedMerge { wip, landing, is_as_verified, moves, lock })
    }

    /// Finishes a landing of which nobody knows how far it came: the files of a checkout of the
    /// target follow. `None`: the target does not have the commit, so it never landed.
    ///
    /// # Errors
    /// When a change of the user's is in a file that has to follow; git fails.
    pub fn finish_landing(&self, landing: &LandingPlan) -> Result<Option<MergeResult>> {
        let _lock = self.lock_target(&landing.target)?;
        let Some(now) = self.newest_of_target(&landing.target)? else { return Ok(None) };
        if !self.is_ancestor(landing.commit.as_str(), now.as_str())? {
            return Ok(None);
        }
        let checkout = match self.target_at {
            Some(_) => None,
            None => self.checkout_of(&landing.target)?,
        };
        if let Some(checkout) = &checkout {
            let from = landing.old.as_ref().unwrap_or(&self.ground.target);
            self.finish_move(checkout, from, &now, false)?;
        }
        self.landed(landing, checkout).map(Some)
    }

    /// The branch into which the job goes, by its full name.
    pub(super) fn target_branch(&self) -> Result<String> {
        match self.origin()? {
            Some(WorkOrigin::Branch(target)) => Ok(target),
            origin => {
                let origin = origin.map_or("a forgotten place".to_owned(), |o| o.full().to_owned());
                Err(CheckpointError::NoTarget { branch: self.branch().to_owned(), origin })
            }
        }
    }

    /// The newest commit of the job's work.
    fn newest(&self) -> Result<Option<CommitId>> {
        self.repo.branch_commit(&self.work_name()?)
    }

    /// Waits until no other merge is made into a branch, and finishes what a killed one left.
    fn lock_target(&self, target: &str) -> Result<TargetLock> {
        let lock = MergeQueue {
            common_dir: self.repo.common_dir(),
            target,
            job: &self.name,
            queue: self.queue(),
            watch: self.repo.git().watch(),
        }
        .enter()?;
        let Some(note) = lock.landing()? else { return Ok(lock) };
        super::index_lock::clear_index_lock(&note.index)?;
        if let Some(now) = self.repo.branch_commit(target)?
            && self.is_ancestor(note.to.as_str(), now.as_str())?
            && let Some(checkout) = self.checkout_of(target)?
            && checkout.index() == note.index
        {
            self.finish_move(&checkout, &note.from, &now, false)?;
        }
        lock.end()?;
        Ok(lock)
    }

    fn landed(&self, landing: &LandingPlan, checkout: Option<JobCheckout>) -> Result<MergeResult> {
        let submodules = match &checkout {
            Some(checkout) => self.submodules_behind(checkout)?,
            None => Vec::new(),
        };
        Ok(MergeResult {
            into: landing.branch().to_owned(),
            remote: self.target_at.as_deref().map(shown_remote),
            commit: landing.commit.clone(),
            checkout: checkout.map(|checkout| checkout.root),
            submodules,
            repository: self.repo.common_dir().to_owned(),
        })
    }
}

impl PreparedMerge {
    /// The branch, and where it moves to.
    pub fn landing(&self) -> &LandingPlan {
        &self.landing
    }

    /// Tests for a result that the job's own `verify` has seen: the target has not moved since.
    pub fn is_as_verified(&self) -> bool {
        self.is_as_verified
    }

    /// Looks for what is in the way of [`land`](Self::land), before long checks are made.
    ///
    /// # Errors
    /// [`CheckpointError::Overlap`] names the files; also when the target has several checkouts, or
    /// a merge or rebase is going on in its one.
    pub fn expect_clear(&self) -> Result<()> {
        let Some(checkout) = self.idle_checkout()? else { return Ok(()) };
        if !self.landing.moves() {
            return Ok(());
        }
        self.wip.expect_clear(&checkout, self.moves()?).map(drop)
    }

    /// Refuses a target that somebody has moved at its remote since it was fetched. Of one that is
    /// here, [`land`](Self::land) finds that out.
    ///
    /// # Errors
    /// [`CheckpointError::TargetMoved`]; the remote cannot be reached.
    pub fn expect_unmoved(&self) -> Result<()> {
        self.wip.expect_unmoved(&self.landing)
    }

    /// Moves the target to the merge, and the files of its checkout. A target that is at a remote
    /// is pushed there, and nothing else moves. Changes of the user's there
    /// stay as they are, staged or not, where the merge touches other files. `record_intent` is
    /// called when nothing is in the way any more, with all commits on disk; where it fails,
    /// nothing moves.
    ///
    /// # Errors
    /// As for [`expect_clear`](Self::expect_clear); when somebody else has moved the target since
    /// ([`CheckpointError::TargetMoved`]); git fails. When the branch has moved and the files could
    /// not follow, [`JobBranch::finish_landing`] makes that good.
    pub fn land(self, record_intent: &mut dyn FnMut() -> Result<()>) -> Result<MergeResult> {
        let (wip, landing) = (&self.wip, &self.landing);
        let checkout = self.idle_checkout()?;
        if !landing.moves() {
            return wip.landed(landing, checkout);
        }
        if let Some(remote) = &wip.target_at {
            self.sync()?;
            record_intent()?;
            wip.push_target(remote, landing)?;
            return wip.landed(landing, None);
        }
        let Some(checkout) = checkout else {
            self.sync()?;
            record_intent()?;
            self.move_branch()?;
            return wip.landed(landing, None);
        };
        let moves = self.moves()?;
        let mut copy = wip.expect_clear(&checkout, moves)?;
        self.sync()?;
        record_intent()?;
        let index = checkout.index();
        let (from, to) = (moves.from.clone(), moves.to.clone());
        self.lock.begin(&LandingNote { from, to, index })?;
        let landed = (|| {
            let _lock = IndexLock::take(&checkout)?;
            self.expect_on_target(&checkout)?;
            if !copy.is_present(&checkout) {
                copy = wip.expect_clear(&checkout, moves)?;
            }
            self.move_branch()?;
            wip.move_checkout(&checkout, copy, moves)
        })();
        let is_left = landed.is_err()
            && wip.repo.branch_commit(&landing.target)?.as_ref() == Some(&landing.commit);
        if !is_left {
            self.lock.end()?;
        }
        landed?;
        wip.landed(landing, Some(checkout))
    }

    /// The files of the target's checkout that move.
    fn moves(&self) -> Result<&FileMoves> {
        if let Some(moves) = self.moves.get() {
            return Ok(moves);
        }
        let from = self.landing.old.as_ref().unwrap_or(&self.wip.ground.target);
        let moves = self.wip.file_moves(from, &self.landing.commit)?;
        Ok(self.moves.get_or_init(|| moves))
    }

    /// Makes the commits durable: git syncs a branch and not what it leads to.
    fn sync(&self) -> Result<()> {
        let dir = self.wip.repo.common_dir();
        sync_file_system(dir).at("sync the file system of", dir)
    }

    fn move_branch(&self) -> Result<()> {
        let LandingPlan { target, old, commit } = &self.landing;
        let repo = &self.wip.repo;
        let before = old.as_ref().map_or_else(|| commit.nothing(), ToString::to_string);
        let reason = format!("aq: merge {}", self.wip.branch());
        let Err(e) = repo.update_ref_for(&reason, target, commit, &before) else { return Ok(()) };
        match repo.branch_commit(target)? {
            // Git was killed after it had moved it.
            Some(now) if now == *commit => Ok(()),
            now if now != *old => {
                Err(CheckpointError::TargetMoved(self.landing.branch().to_owned()))
            }
            _ => Err(e),
        }
    }

    /// The checkout of the target, in which nothing goes on.
    fn idle_checkout(&self) -> Result<Option<JobCheckout>> {
        if self.wip.target_at.is_some() {
            return Ok(None);
        }
        let checkout = self.wip.checkout_of(&self.landing.target)?;
        let unfinished = match &checkout {
            Some(checkout) => checkout.unfinished().map(|what| (checkout.root.clone(), what)),
            None => self.wip.rebase_of(&self.landing.target)?,
        };
        match unfinished {
            Some((root, what)) => Err(CheckpointError::Unfinished { root, what }),
            None => Ok(checkout),
        }
    }

    /// Refuses a checkout in which another branch was checked out a moment ago.
    fn expect_on_target(&self, checkout: &JobCheckout) -> Result<()> {
        let is_in_table = self.wip.repo.common_dir().join("reftable").is_dir();
        if is_in_table || checkout.is_on(&self.landing.target)? {
            return Ok(());
        }
        Err(CheckpointError::TargetMoved(self.landing.branch().to_owned()))
    }
}
