//! Moving a job from one stage to the next, so that a crash at any point can be mended.
//!
//! A transition is two steps: append a record to the job's meta that ends in `moved_to=STAGE`,
//! then rename the job's file. Whoever makes one holds the lock on the meta file, so there is one
//! at a time a job. The folder is the truth; the record says what the last step was for.
//!
//! | a crash here | is found as | recovery makes of it |
//! | --- | --- | --- |
//! | launch, before the record | inbox/ | nothing to do |
//! | launch, after the record | inbox/, `moved_to=building` | nothing to do (1) |
//! | launch, before the worker | building/, no `pid` | back to inbox/, the attempt not counted |
//! | the worker's death | building/, dead `pid` | back to inbox/, the attempt counted (2) |
//! | ... after its last record | building/, `moved_to=` another | the rename is made (3) |
//! | ... in `verify` | review/, dead `pid` | `verify` runs again (2) |
//! | ... after `verify` | review/, no `pid`, `moved_to=` another | `verify` runs again |
//! | recovery, after its record | building/, `moved_to=inbox` | the rename is made (4) |
//! | a power cut | two folders | the one that `moved_to=` names is right, see `duplicates.rs` |
//!
//! 1. The next launch writes the same attempt again.
//! 2. What is left of the worker's tree is ended first.
//! 3. The end counts, and nothing runs twice. In review/ it goes on as below.
//! 4. The attempt is not counted twice.
//!
//! A launch hands the locked meta file to the worker it starts, so the lock is free exactly when
//! nobody works on the job.
//!
//! `attempt` is the number of the attempt that the last launch began, `attempts` how many have
//! ended and count. Both are set from each other, never added to blindly, so doing any of this
//! twice changes nothing.

use std::process::Stdio;

use aq_ledger::steps::{Durability, JobStep, RecordCheck, StepRefusal, StepWrites};
use aq_ledger::{JobRow, RecordContent, RecordKey, RecordProblem, RecordUpdate};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::durable::sync_dir;
use super::error::{Result, StoreError, StoreIo};
use super::meta::{LockFailure, MetaFile};
use super::queue_dir::QueueDir;
use super::record_fault::record_fault;

/// A job that this process may move: its lock is held.
#[derive(Debug)]
pub struct HeldJob {
    queue: QueueDir,
    id: JobId,
    stage: Stage,
    file: MetaFile,
}

impl HeldJob {
    /// Takes the lock of a job, without waiting.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when a worker or another command holds it, [`StoreError::NoSuchJob`].
    pub fn lock(queue: &QueueDir, id: &JobId) -> Result<Self> {
        // The check comes first because taking the lock makes the file.
        queue.expect(id)?;
        let path = queue.meta(id);
        let file = match MetaFile::try_lock(&path) {
            Ok(file) => file,
            Err(LockFailure::Held) => return Err(StoreError::Busy(id.clone())),
            Err(LockFailure::Io(e)) => return Err(e).at("lock", &path),
        };
        let stage = queue.expect(id)?;
        Ok(Self { queue: queue.clone(), id: id.clone(), stage, file })
    }

    /// Waits until nobody holds the job, and does not hold it then.
    ///
    /// # Errors
    /// When its record cannot be opened.
    pub fn wait_free(queue: &QueueDir, id: &JobId) -> Result<()> {
        let path = queue.meta(id);
        MetaFile::wait_free(&path).at("wait for", &path)
    }

    /// Takes over a job from the process that started this one; see [`Self::hand_over`].
    ///
    /// # Errors
    /// When standard input is not the job's meta file, or the job is gone.
    pub fn inherit(queue: &QueueDir, id: &JobId) -> Result<Self> {
        let file = MetaFile::inherit(&queue.meta(id))?;
        // A file of the same name that was just dropped into the inbox is another job.
        let stages = [Stage::Building, Stage::Review, Stage::Testing];
        let stage = stages.into_iter().find(|&at| queue.has(at, id));
        let stage = stage.ok_or_else(|| StoreError::NoSuchJob(id.clone()))?;
        Ok(Self { queue: queue.clone(), id: id.clone(), stage, file })
    }

    /// Lets go of the job in favour of a process that gets this as its standard input. There is
    /// no moment at which nobody holds the lock, so a free lock proves that nobody is at work.
    pub fn hand_over(self) -> Stdio {
        self.file.into_stdio()
    }

    /// The job.
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// Its folder.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The queue that it is in.
    pub(super) fn queue(&self) -> &QueueDir {
        &self.queue
    }

    /// The folder, of several folders that have its name.
    pub(super) fn lies_in(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// The content of its record.
    pub fn meta(&self) -> &RecordContent {
        self.file.meta()
    }

    /// Appends to the record.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&mut self, record: &RecordUpdate) -> Result<()> {
        self.file.append(record)
    }

    /// Makes what is recorded durable.
    ///
    /// # Errors
    /// When the operating system cannot promise it.
    pub fn sync(&self) -> Result<()> {
        self.file.sync()
    }

    /// The job as this process sees it, whose values may not parse.
    pub fn row(&self) -> JobRow<'_> {
        JobRow::unchecked(&self.id, self.stage, self.meta())
    }

    /// Makes a step: its record, then the rename.
    ///
    /// # Errors
    /// When the record cannot be used, or the row does not allow the step; [`StoreError::Moved`]
    /// when a person has moved the file by hand in between; else I/O errors.
    pub fn step<S: JobStep>(&mut self, step: &S, now: Timestamp) -> Result<()> {
        let step = self.decide(step, now)?;
        self.apply(&step)
    }

    /// Decides a step that is made later, by [`Self::apply`].
    ///
    /// # Errors
    /// As [`Self::step`], without those of writing.
    pub fn decide<S: JobStep>(&self, step: &S, now: Timestamp) -> Result<StepWrites> {
        if S::FROM.contains(&self.stage) {
            match S::CHECK {
                RecordCheck::Sound => self.expect_sound()?,
                RecordCheck::KnownFormat => self.expect_known_format()?,
                RecordCheck::Nothing => {}
            }
        }
        step.decide(self.row(), now).map_err(|refusal| self.refused(refusal))
    }

    /// Writes a step that was decided on.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn apply(&mut self, step: &StepWrites) -> Result<()> {
        self.file.append(&step.update())?;
        let Some(to) = step.stage() else {
            return if step.durability() == Durability::Synced { self.sync() } else { Ok(()) };
        };
        if step.durability() == Durability::Synced {
            self.file.sync()?;
            // Only `aq add` has made the record's name durable; a hand-dropped job's was made
            // since.
            if self.meta().get(RecordKey::AddedFrom).is_none() {
                sync_dir(&self.queue.meta_dir())?;
            }
        }
        self.finish_step(to, step.durability())
    }

    fn refused(&self, refusal: StepRefusal) -> StoreError {
        let needs = match refusal {
            StepRefusal::WrongStage { from, .. } => folders(from),
            StepRefusal::Quarantined { .. } => "failed/ (a quarantined job needs force)".to_owned(),
            StepRefusal::LeaseGivenBack { .. } => {
                "review/ (a fleet job in testing/ has given its lock back)".to_owned()
            }
            StepRefusal::Held { .. } => "inbox/, and not held".to_owned(),
            StepRefusal::NoPullRequest { .. } => "testing/, with a pull request".to_owned(),
            StepRefusal::LandingOpen { .. } => {
                "testing/, and no merge that was cut short (recovery finishes it)".to_owned()
            }
            StepRefusal::NoLease { .. } => "testing/, and a job of the fleet".to_owned(),
            StepRefusal::NoDeadWorker { .. } => {
                "building/, review/ or testing/, with a dead worker".to_owned()
            }
        };
        let verb = refusal.step().as_str();
        StoreError::WrongStage { id: self.id.clone(), at: self.stage, verb, needs }
    }

    /// Makes the rename of a step whose record is on disk.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn finish_step(&mut self, to: Stage, durability: Durability) -> Result<()> {
        let from = self.stage;
        if from != to {
            self.queue.rename(&self.id, from, to)?;
            self.stage = to;
        }
        if durability == Durability::Synced {
            sync_dir(&self.queue.stage(to))?;
            sync_dir(&self.queue.stage(from))?;
        }
        Ok(())
    }

    /// Fails when the record cannot be used.
    ///
    /// # Errors
    /// [`StoreError::Record`].
    pub fn expect_sound(&self) -> Result<()> {
        self.refuse_fault(|_| true)
    }

    /// Fails when a newer version has written the record. A value that does not parse is no
    /// obstacle for what only ends the job, or forgets the value.
    ///
    /// # Errors
    /// [`StoreError::Record`].
    pub fn expect_known_format(&self) -> Result<()> {
        self.refuse_fault(|problem| matches!(problem, RecordProblem::Newer { .. }))
    }

    fn refuse_fault(&self, is_refused: impl Fn(&RecordProblem) -> bool) -> Result<()> {
        match record_fault(&self.queue.meta(&self.id), self.meta()) {
            Some(fault) if is_refused(&fault.problem) => {
                Err(StoreError::Record { id: self.id.clone(), fault: Box::new(fault) })
            }
            _ => Ok(()),
        }
    }

    /// Fails unless the job is in one of `stages`.
    ///
    /// # Errors
    /// [`StoreError::WrongStage`].
    pub fn require(&self, stages: &[Stage], verb: &'static str, needs: &'static str) -> Result<()> {
        if stages.contains(&self.stage) {
            return Ok(());
        }
        Err(StoreError::WrongStage {
            id: self.id.clone(),
            at: self.stage,
            verb,
            needs: needs.to_owned(),
        })
    }
}

/// The folders for people: `inbox/, building/ or failed/`.
fn folders(stages: &[Stage]) -> String {
    let last = stages.len().saturating_sub(1);
    let mut text = String::new();
    for (at, stage) in stages.iter().enumerate() {
        let before = if at == 0 {
            ""
        } else if at == last {
            " or "
        } else {
            ", "
        };
        text += &format!("{before}{stage}/");
    }
    text
}
