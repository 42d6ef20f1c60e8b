//! Where an attempt works: the directory, the `TMPDIR`, and the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use aq_manifest::JobSpec;

use super::super::agent_env::{AgentIdentity, TakenOut, agent_env};
use super::super::host_lack::lack_of_io;
use super::super::workplace::present_cwd;
use super::failure::AttemptFailure;
use super::{JobAttempt, checkout};
use crate::checkpoint::{JobBranch, LeftOut};
use crate::engine::PROMPT_FILE;
use crate::store::ScratchDir;

/// What an attempt has of its own on the disk.
#[derive(Default)]
pub(super) struct WorkGround {
    /// The place of the job, once that is ready.
    pub(super) place: Option<AttemptPlace>,
    /// Work of this attempt that is nowhere any more.
    pub(super) gone: Vec<LeftOut>,
    /// The paths that the job has changed, as far as this worker has seen.
    pub(super) changed: Vec<String>,
    /// Its `TMPDIR`, once it needed one.
    scratch: Option<ScratchDir>,
}

/// The place of a job.
#[derive(Debug)]
pub(super) struct AttemptPlace {
    /// The directory of the agent and of `verify`.
    pub(super) dir: PathBuf,
    /// The branch; `None` outside git.
    pub(super) wip: Option<JobBranch>,
    /// Something ran since the last checkpoint.
    pub(super) is_unsaved: bool,
}

impl AttemptPlace {
    /// Tests for the loss of the directory that a checkout of the job's own had.
    fn is_lost(&self) -> bool {
        self.wip.as_ref().is_some_and(|wip| !wip.is_in_place()) && !self.dir.is_dir()
    }
}

impl WorkGround {
    /// The branch; `None` outside git, and before it is there.
    pub(super) fn wip(&self) -> Option<&JobBranch> {
        self.place.as_ref().and_then(|place| place.wip.as_ref())
    }

    /// Notes that something runs in the directory, so that it is saved again.
    pub(super) fn touch(&mut self) {
        if let Some(place) = &mut self.place {
            place.is_unsaved = true;
        }
    }
}

/// The directory in which the job works, made ready when it is not. Where the agent has removed it,
/// it comes out of the branch again.
pub(super) fn workplace(
    attempt: &mut JobAttempt<'_>,
    spec: &JobSpec,
) -> Result<PathBuf, AttemptFailure> {
    if attempt.ground.place.as_ref().is_some_and(AttemptPlace::is_lost) {
        attempt.record.note("its directory is gone, and is made anew from its branch");
        attempt.ground.place = None;
    }
    if attempt.ground.place.is_none() {
        let cwd = present_dir(attempt)?;
        checkout::make(attempt, spec, &cwd)?;
    }
    Ok(attempt.ground.place.as_ref().map(|place| place.dir.clone()).unwrap_or_default())
}

/// The directory that the job names.
fn present_dir(attempt: &JobAttempt<'_>) -> Result<PathBuf, AttemptFailure> {
    let cwd = present_cwd(attempt.queue, attempt.record.content());
    match cwd.metadata() {
        Ok(about) if about.is_dir() => return Ok(cwd),
        Err(e) => {
            let why = format!("cannot look at {}: {e}", cwd.display());
            if let Some(lack) = lack_of_io(&e, &why) {
                return Err(AttemptFailure::Host(lack));
            }
        }
        Ok(_) => {}
    }
    Err(AttemptFailure::setup(format!(
        "its directory {} is not there; make it, or correct `cwd`, then requeue it",
        cwd.display()
    )))
}

/// The job's `TMPDIR`, with nothing in it.
pub(super) fn scratch(attempt: &mut JobAttempt<'_>) -> Result<PathBuf, AttemptFailure> {
    let JobAttempt { queue, settings, record, ground, .. } = attempt;
    if let Some(scratch) = &ground.scratch {
        if let Err(e) = scratch.empty(PROMPT_FILE) {
            record.note(&format!("warning: its TMPDIR is not empty: {e}"));
        }
        return Ok(scratch.path().to_owned());
    }
    let mut scratch = ScratchDir::make(&settings.scratch, queue, record.id())
        .map_err(|e| AttemptFailure::not_counted(&e))?;
    if let Some(why) = scratch.passed_over() {
        record.note(&format!("warning: `tmp` in config.yaml does not do for a TMPDIR: {why}"));
    }
    let path = scratch.path().to_owned();
    ground.scratch = Some(scratch);
    Ok(path)
}

/// Removes the `TMPDIR`, when there is one.
pub(super) fn put_scratch_away(attempt: &mut JobAttempt<'_>) {
    let Some(scratch) = attempt.ground.scratch.take() else { return };
    if let Err(e) = scratch.put_away(PROMPT_FILE) {
        attempt.record.note(&format!("warning: its TMPDIR cannot be removed: {e}"));
    }
}

/// The environment of a command of the job. `engine` is what its engine adds.
pub(super) fn environment(
    attempt: &JobAttempt<'_>,
    spec: &JobSpec,
    engine: &[(OsString, OsString)],
    scratch: &Path,
) -> Result<Vec<(OsString, OsString)>, String> {
    let settings = &attempt.settings;
    let identity = AgentIdentity {
        id: attempt.record.id(),
        attempt: attempt.number,
        queue: attempt.queue.root(),
        scratch,
    };
    let taken_out =
        TakenOut { deny: &settings.config.env_deny, of_engines: settings.engines.child_env() };
    agent_env(&settings.environment, taken_out, engine, &spec.env, identity)
        .map_err(|e| e.to_string())
}
