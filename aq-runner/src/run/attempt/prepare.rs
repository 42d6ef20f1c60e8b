//! The preparation of an attempt: its job file, its lock, and all that the agent gets.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::{JobSpec, Outcome};

use super::super::feedback::AttemptFeedback;
use super::super::host_lack::HostError as _;
use super::JobAttempt;
use super::commands::{CommandPlace, shell};
use super::failure::AttemptFailure;
use super::feedback::next_feedback;
use super::ground::{environment, scratch, workplace};
use super::record::AttemptRecord;
use super::usage::resumable;
use crate::engine::{EngineCommand, EngineInvocation};
use crate::feedback::OutputSource;
use crate::run::attempt_line::AttemptLine;
use crate::run::engines::sightings::EngineSightings;
use crate::store::{FileLock, JobFile, QueueDir, load, read_text};

/// The job file.
pub(super) fn job_file(
    queue: &QueueDir,
    record: &AttemptRecord,
) -> Result<JobFile, AttemptFailure> {
    let path = queue.job_file(record.stage(), record.id());
    let invalid = |problem: String| AttemptFailure::Final(Outcome::InvalidManifest, problem);
    let text = read_text(&path).map_err(|e| {
        AttemptFailure::host_or(&e, |why| invalid(format!("cannot read the job file: {why}")))
    })?;
    load(queue.profiles(), &path.display().to_string(), &text, false)
        .map_err(|e| e.lack().map_or_else(|| invalid(e.summary.clone()), AttemptFailure::Host))
}

/// The job's lock, held while the answer is; `None` when it has none. Even two loops on one queue
/// must not run two jobs of one lock.
pub(super) fn take_lock(
    queue: &QueueDir,
    record: &AttemptRecord,
) -> Result<Option<FileLock>, AttemptFailure> {
    let Some(key) = record.content().get(RecordKey::Lock) else { return Ok(None) };
    match FileLock::lock_key(queue, key) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => Err(AttemptFailure::NotCounted("another run loop has its lock".to_owned())),
        Err(e) => Err(AttemptFailure::not_counted(&e)),
    }
}

/// The agent's place.
pub(super) struct AgentGround {
    pub(super) engine: String,
    pub(super) place: CommandPlace,
    scratch: PathBuf,
}

/// The input of one run of the agent.
pub(super) struct AgentInput {
    pub(super) command: EngineCommand,
    pub(super) feedback: AttemptFeedback,
}

/// Makes everything ready for the agent.
pub(super) fn agent(
    attempt: &mut JobAttempt<'_>,
    file: &JobFile,
) -> Result<(AgentGround, AgentInput), AttemptFailure> {
    let spec = &file.spec;
    let dir = workplace(attempt, spec)?;
    let scratch = scratch(attempt)?;
    let engine = attempt.record.content().get(RecordKey::Engine).unwrap_or_default().to_owned();
    let mut input = agent_input(attempt, file, &engine, &scratch)?;
    let user = &attempt.settings.environment;
    let is_unset = |(name, _): &(OsString, OsString)| user.get(&name.to_string_lossy()).is_none();
    let defaults = std::mem::take(&mut input.command.env_default);
    input.command.env_set.extend(defaults.into_iter().filter(is_unset));
    let env = environment(attempt, spec, &input.command.env_set, &scratch)
        .map_err(AttemptFailure::setup)?;
    // Those whose worker died count too, but `retry` does not end them.
    let (number, max) = (attempt.number, spec.retry.as_ref().map_or(1, |retry| retry.max));
    let max = Some(max).filter(|&max| number <= max);
    let line = AttemptLine { attempt: number, max, engine: &engine, dir: &dir };
    attempt.record.note(&line.to_string());
    let place = CommandPlace { dir, env };
    setup(attempt, spec, &place)?;
    Ok((AgentGround { engine, place, scratch }, input))
}

/// The input for a fresh session, when the one that was to go on is not known any more.
pub(super) fn fresh_input(
    attempt: &mut JobAttempt<'_>,
    file: &JobFile,
    ground: &AgentGround,
) -> Result<AgentInput, AttemptFailure> {
    // The record names no session any more.
    attempt.record.note("its engine does not know the session any more: a fresh one");
    agent_input(attempt, file, &ground.engine, &ground.scratch)
}

fn agent_input(
    attempt: &JobAttempt<'_>,
    file: &JobFile,
    engine: &str,
    scratch: &Path,
) -> Result<AgentInput, AttemptFailure> {
    let spec = &file.spec;
    let feedback = next_feedback(attempt, spec, engine)?;
    let session = resumable(attempt.record.content(), engine);
    let invocation = EngineInvocation {
        prompt: &file.body,
        persona: spec.persona.as_deref(),
        feedback: feedback.text.as_deref(),
        model: spec.model.as_deref(),
        args: &spec.args,
        yolo: spec.yolo,
        session: session.as_deref(),
        scratch,
        is_root: nix::unistd::geteuid().is_root(),
    };
    let engines = &attempt.settings.engines;
    let command = engines.command(engine, &invocation).map_err(|e| {
        match engines.installed(engine) {
            // It was there when the loop looked.
            None => engine_gone(attempt, engine, e.to_string()),
            Some(_) => AttemptFailure::setup(e.to_string()),
        }
    })?;
    Ok(AgentInput { command, feedback })
}

fn engine_gone(attempt: &JobAttempt<'_>, engine: &str, why: String) -> AttemptFailure {
    let missing = attempt.settings.engines.binary(engine).and_then(Result::err);
    let seen = EngineSightings::read(attempt.queue);
    let lack = missing.and_then(|missing| seen.lack(&attempt.settings, engine, &missing));
    lack.map_or(AttemptFailure::Final(Outcome::NoEngine, why), AttemptFailure::Host)
}

/// Runs `setup`, when there is one and the directory has not seen it.
pub(super) fn setup(
    attempt: &mut JobAttempt<'_>,
    spec: &JobSpec,
    place: &CommandPlace,
) -> Result<(), AttemptFailure> {
    let Some(setup) = &spec.setup else { return Ok(()) };
    if attempt.record.content().get(RecordKey::SetupDone).is_some() {
        return Ok(());
    }
    attempt.record.note("setup");
    let done = shell(attempt, (OutputSource::Setup, "setup"), setup, spec, place)?;
    done.map_err(AttemptFailure::setup)?;
    if let Some(wip) = attempt.ground.wip()
        && let Err(e) = wip.note_setup()
    {
        let note = format!("warning: what `setup` made counts as the agent's: {e}");
        attempt.record.note(&note);
    }
    let done = attempt.record.append(&RecordUpdate::new().set(RecordKey::SetupDone, 1));
    done.map_err(|e| AttemptFailure::not_counted(&e))
}
