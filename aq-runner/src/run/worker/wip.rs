//! The job's own branch: its agent works in a worktree, and whatever way an attempt ends, what it
//! changed is committed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aq_ledger::steps::NoteCheckout;
use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::{FailureClass, Isolation, JobSpec, Outcome, ScopePolicy, ScopeSet};
use jiff::Timestamp;

use crate::checkpoint::{
    self, Changes, CheckpointError, GitWatch, LeftOut, Wip, collect, set_aside,
};
use crate::disk::HostFault;
use crate::store::append_note;

use super::super::checkouts::{checkouts, note_queue};
use super::super::host_lack::{HostError as _, no_room};
use super::super::left_out::{left_out_record, unexpected, whys};
use super::super::workplace::{checkpoint_job, own_place};
use super::{Failure, Work, host_or};

/// Paths outside the scope that are listed; the others are counted.
const LISTED: usize = 20;

/// The time that git has to save a stopped job's work, in graces of a process that is told to end.
const GRACES_TO_SAVE: u32 = 6;

/// Where the job works.
#[derive(Debug)]
pub(super) struct Workplace {
    /// The directory of the agent and of `verify`.
    pub(super) dir: PathBuf,
    /// The branch; `None` outside git.
    wip: Option<Wip>,
    /// Whether something ran since the last checkpoint.
    unsaved: bool,
}

impl Workplace {
    /// The branch; `None` outside git.
    pub(super) fn wip(&self) -> Option<&Wip> {
        self.wip.as_ref()
    }

    /// Whether the directory is gone that a checkout of the job's own had.
    pub(super) fn is_lost(&self) -> bool {
        self.wip.as_ref().is_some_and(|wip| !wip.is_in_place()) && !self.dir.is_dir()
    }
}

/// Directory of the job's own checkout; `None` in place, and in the worktree that version 0.1 made.
fn own_dir<'a>(isolation: &'a checkpoint::Isolation, works_in: &Path) -> Option<&'a Path> {
    match isolation {
        checkpoint::Isolation::Own(place) if !works_in.starts_with(&place.linked) => {
            Some(&place.dir)
        }
        _ => None,
    }
}

/// Directories in which the start of a job writes.
fn writes_to(job: &checkpoint::Job) -> impl Iterator<Item = &Path> {
    let own = match &job.isolation {
        checkpoint::Isolation::Own(place) => Some(place.dir.as_path()),
        checkpoint::Isolation::InPlace => None,
    };
    own.into_iter().chain([job.cwd.as_path()])
}

impl Work<'_> {
    /// Gets the directory ready in which the job works.
    pub(super) fn take_workplace(&mut self, spec: &JobSpec, cwd: &Path) -> Result<(), Failure> {
        let job = self.checkpoint_job(spec, cwd);
        self.take_up_work(&job);
        let started = self.start_wip(&job).map_err(|e| self.not_started(&e, &job))?;
        let Some(started) = started else {
            let dir = cwd.to_owned();
            self.place = Some(Workplace { dir, wip: None, unsaved: false });
            return Ok(());
        };
        if let Some(commit) = &started.leftovers.commit {
            self.note(&format!("saved what an earlier attempt had left, as {}", commit.as_str()));
        }
        let note = NoteCheckout {
            branch: started.wip.branch(),
            base: started.wip.base().as_str(),
            isolation: spec.isolation,
            checkout: own_dir(&job.isolation, &started.dir),
            is_fresh: started.fresh,
        };
        let noted = self.job.decide(&note, Timestamp::now());
        self.place = Some(Workplace { dir: started.dir, wip: Some(started.wip), unsaved: true });
        let noted = noted.and_then(|step| self.retry_on_full_disk(|work| work.job.apply(&step)));
        noted.map_err(|e| host_or(&e, Failure::NotCounted))?;
        self.push_work();
        Ok(())
    }

    fn not_started(&mut self, error: &CheckpointError, job: &checkpoint::Job) -> Failure {
        if let Some(lack) = error.lack() {
            return Failure::Host(lack);
        }
        match error {
            CheckpointError::Stopped { .. } => Failure::Stopped,
            CheckpointError::TimedOut { .. } => {
                Failure::Class(FailureClass::Timeout, error.to_string())
            }
            CheckpointError::NotItsTurn { repository, .. } => {
                // From now on the loop does not start it beside another one of this queue.
                let record =
                    RecordUpdate::new().set(RecordKey::RepositoryLock, repository.display());
                let _ = self.job.append(&record);
                Failure::NotCounted(error.to_string())
            }
            // Git does not always name the error.
            CheckpointError::Git { .. } if writes_to(job).any(HostFault::is_full) => {
                Failure::Host(no_room(error))
            }
            _ => Failure::Final(Outcome::SetupFailed, error.to_string()),
        }
    }

    /// Makes the checkout. Where that cannot be done with what another host has pushed, the job
    /// starts afresh, in the same attempt.
    fn start_wip(
        &mut self,
        job: &checkpoint::Job,
    ) -> Result<Option<checkpoint::Started>, CheckpointError> {
        let failed = match Wip::start(job) {
            Err(e) if e.is_failed_checkout() && self.is_handed_over() => e,
            started => return started,
        };
        match set_aside(job) {
            Ok(Some(kept)) => {
                self.note(&format!(
                    "warning: starts afresh, because no checkout can be made of the work of another \
                     host, which is kept as {kept}: {failed}"
                ));
                Wip::start(job)
            }
            Ok(None) => Err(failed),
            Err(e) => {
                self.note(&format!("warning: the work of another host cannot be set aside: {e}"));
                Err(failed)
            }
        }
    }

    fn checkpoint_job(&self, spec: &JobSpec, cwd: &Path) -> checkpoint::Job {
        let (queue, id) = (self.queue, self.job.id());
        let recorded = checkpoint_job(queue, id, self.job.meta());
        let isolation = match (spec.isolation, &recorded.isolation) {
            (Isolation::InPlace, _) => checkpoint::Isolation::InPlace,
            // A job keeps the checkout that it has, also where that cannot be looked at now.
            (Isolation::Worktree, checkpoint::Isolation::Own(place))
                if place.is_made().unwrap_or(true) =>
            {
                recorded.isolation
            }
            (Isolation::Worktree, _) => {
                let checkouts = checkouts(queue, &self.settings, cwd);
                // For those who look into the checkout; the job needs it not.
                let _ = note_queue(queue, &checkouts);
                let dir = checkouts.join(id.as_str());
                checkpoint::Isolation::Own(own_place(queue, id, dir))
            }
        };
        let watch = self.git_watch(spec.timeout);
        checkpoint::Job { cwd: cwd.to_owned(), isolation, watch, ..recorded }
    }

    /// Ends a run of git when the job is stopped or has had its time, and lets `status` name one that takes
    /// long.
    fn git_watch(&self, timeout: Option<Duration>) -> GitWatch {
        let record = self.queue.meta(self.job.id());
        let notice = move |step: Option<&str>| {
            // For people: not worth more than an attempt to write it.
            let _ = append_note(
                &record,
                &RecordUpdate::new().set(RecordKey::Step, step.unwrap_or_default()),
            );
        };
        let after_stop = self.settings.kill_grace * GRACES_TO_SAVE;
        GitWatch::default()
            .limited(timeout)
            .stopped_by(Arc::new(self.supervisor.stop_check()), after_stop)
            .told_to(Arc::new(notice))
    }

    /// Commits what the agent changed, and counts it. `None` outside git; an error says why git
    /// failed.
    pub(super) fn save_work(&mut self) -> Result<Option<Changes>, String> {
        let message = format!("{}: attempt {}", self.job.id(), self.attempt);
        let Some(place) = self.place.as_mut() else { return Ok(None) };
        let Some(wip) = place.wip.as_ref() else { return Ok(None) };
        let saved = wip.checkpoint(&message).and_then(|saved| Ok((saved, wip.changes()?)));
        match saved {
            Ok((saved, changes)) => {
                place.unsaved = false;
                self.changed.clone_from(&changes.paths);
                self.note_left_out(&saved.left_out);
                for rule in saved.hidden {
                    self.note(&format!("git of the agent hides changes, which were saved: {rule}"));
                }
                let record = RecordUpdate::new()
                    .set(RecordKey::FilesChanged, changes.files_changed)
                    .set(RecordKey::LinesAdded, changes.lines_added)
                    .set(RecordKey::LinesDeleted, changes.lines_deleted);
                // Numbers for people: not worth more than an attempt to write them.
                let _ = self.job.append(&record);
                self.push_work();
                Ok(Some(changes))
            }
            Err(e) => {
                self.cannot_save(&e.to_string());
                Err(e.to_string())
            }
        }
    }

    /// Commits what is left, and gives the checkout of an in-place job back. For every way out.
    pub(super) fn leave_workplace(&mut self) {
        let Some(Workplace { wip: Some(wip), unsaved, .. }) = &self.place else { return };
        let in_place = wip.is_in_place();
        if !unsaved && !in_place {
            return;
        }
        let message = format!("{}: attempt {}", self.job.id(), self.attempt);
        match wip.finish(&message) {
            Ok(saved) => {
                self.note_left_out(&saved.left_out);
                self.push_work();
            }
            Err(e) => self.cannot_save(&e.to_string()),
        }
        self.place = None;
    }

    /// Notes that something runs in the workplace, so that it is saved again.
    pub(super) fn touch_workplace(&mut self) {
        if let Some(place) = &mut self.place {
            place.unsaved = true;
        }
    }

    /// Says what the branch does not hold, once: in the log, and on record.
    fn note_left_out(&mut self, left: &[LeftOut]) {
        // A removed checkout is not there to be looked at again.
        let lost = left.iter().filter(|one| one.is_gone());
        self.gone.extend(lost.cloned());
        let left: Vec<LeftOut> =
            self.gone.iter().chain(left.iter().filter(|one| !one.is_gone())).cloned().collect();
        let left = unexpected(self.job.meta(), left);
        let record = left_out_record(&left);
        if self.job.meta().list(RecordKey::LeftOutWhy) == whys(&left) {
            return;
        }
        if !left.is_empty() {
            self.note("warning: not all of the work is on the branch:");
        }
        for one in left.iter().take(LISTED) {
            self.note(&format!("left out: {one}"));
        }
        let _ = self.job.append(&record);
    }

    fn cannot_save(&mut self, why: &str) {
        self.note(&format!("warning: the work could not be committed, and is where it was: {why}"));
        let _ = self.job.append(&RecordUpdate::new().set(RecordKey::CheckpointError, why));
    }

    /// What the job file asks of the changes: that there are some, and where they may be. Where
    /// git failed, that cannot be told, and what is asked for is not passed.
    pub(super) fn judge_changes(
        &mut self,
        spec: &JobSpec,
        changes: Result<Option<Changes>, String>,
    ) -> Result<(), Failure> {
        let enforced = !spec.allowed_scope.is_empty() && spec.scope_policy == ScopePolicy::Enforce;
        let changes = match changes {
            Ok(Some(changes)) => changes,
            Err(why) if enforced || spec.expect_changes => {
                let why = format!("what it changed cannot be judged: {why}");
                return Err(Failure::Class(FailureClass::Crash, why));
            }
            Ok(None) | Err(_) => return Ok(()),
        };
        if spec.expect_changes && changes.paths.is_empty() {
            let why = "the agent ended well and changed nothing, which `expect-changes` forbids";
            return Err(Failure::Final(Outcome::NoChanges, why.to_owned()));
        }
        if spec.allowed_scope.is_empty() {
            return Ok(());
        }
        let scope = ScopeSet::new(&spec.allowed_scope)
            .map_err(|e| Failure::Final(Outcome::InvalidManifest, e.to_string()))?;
        let outside: Vec<&String> =
            changes.paths.iter().filter(|path| !scope.allows(path)).collect();
        if outside.is_empty() {
            return Ok(());
        }
        for path in outside.iter().take(LISTED) {
            self.note(&format!("warning: changed outside allowed-scope: {path}"));
        }
        let listed: Vec<&String> = outside.iter().copied().take(LISTED).collect();
        let _ = self.job.append(&RecordUpdate::new().set_list(RecordKey::ScopeWarning, &listed));
        if spec.scope_policy == ScopePolicy::Enforce {
            let others = match outside.len() - 1 {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let why = format!("changed outside allowed-scope: {}{others}", outside[0]);
            return Err(Failure::Final(Outcome::ScopeViolation, why));
        }
        Ok(())
    }

    /// Keeps the files that the job file names. A job that ended well does not fail by this.
    pub(super) fn keep_artifacts(&mut self, spec: &JobSpec) {
        if spec.artifacts.is_empty() || self.workplace(spec).is_err() {
            return;
        }
        let Some(place) = &self.place else { return };
        let to = self.queue.artifacts(self.job.id());
        match collect(&spec.artifacts, &place.dir, &to) {
            Ok(kept) => {
                self.note(&format!(
                    "artifacts kept in artifacts/{}: {}",
                    self.job.id(),
                    kept.files
                ));
            }
            Err(e) => self.note(&format!("warning: not all artifacts were kept: {e}")),
        }
    }
}
