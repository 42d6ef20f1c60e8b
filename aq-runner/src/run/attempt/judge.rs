//! The judgement of the agent's run, and of what it changed.

use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::{FailureClass, JobSpec, Outcome, ScopePolicy, ScopeSet};
use jiff::Timestamp;

use super::JobAttempt;
use super::commands::{met_file_limit, timed_out};
use super::failure::AttemptFailure;
use super::record::AttemptRecord;
use super::run::EngineRun;
use super::save::LISTED;
use crate::checkpoint::BranchChanges;
use crate::engine::{EndedBy, ErrorClass};
use crate::process::EndCause;
use crate::run::engines::availability;

/// Judges a run whose work is saved.
pub(super) fn run(
    attempt: &mut JobAttempt<'_>,
    spec: &JobSpec,
    of: &EngineRun,
    changes: Result<Option<BranchChanges>, String>,
) -> Result<(), AttemptFailure> {
    let EngineRun { run, ended, verdict, .. } = of;
    if let Some(why) = &of.overspent {
        return Err(AttemptFailure::Final(Outcome::BudgetExceeded, why.clone()));
    }
    match ended.cause {
        // Whether a person wants its end is asked for every failure.
        EndCause::Stopped(_) => {
            return Err(engine_fault(attempt, spec, of).unwrap_or(AttemptFailure::Stopped));
        }
        EndCause::Deadline if of.ended_by == EndedBy::Aq => {
            let timed_out = timed_out(&mut attempt.record, spec.timeout);
            return Err(engine_fault(attempt, spec, of).unwrap_or(timed_out));
        }
        _ => {}
    }
    if let Some(failure) = met_file_limit(ended) {
        return Err(failure);
    }
    if verdict.success {
        // What is known of the engine is not worth a job's failure.
        let JobAttempt { queue, settings, .. } = attempt;
        let _ = availability::note_success(queue, settings, &run.engine, run.started);
        return self::changes(&mut attempt.record, spec, changes);
    }
    if verdict.ended_otherwise && spec.verify.is_some() {
        let why = verdict.why.as_deref().unwrap_or_default();
        attempt.record.note(&format!("warning: {why}; `verify` decides"));
        return self::changes(&mut attempt.record, spec, changes);
    }
    if let Some(fault) = engine_fault(attempt, spec, of) {
        return Err(fault);
    }
    let why = verdict.why.clone().unwrap_or_default();
    Err(AttemptFailure::Class(FailureClass::Crash, why))
}

/// The failure of a run that met a limit, or something that a person has to mend. Notes that of the
/// engine.
fn engine_fault(
    attempt: &JobAttempt<'_>,
    spec: &JobSpec,
    of: &EngineRun,
) -> Option<AttemptFailure> {
    let EngineRun { run, verdict, .. } = of;
    let error = verdict.error.as_ref().filter(|error| error.class.ends_run_uncounted())?;
    // A model or an argument of the job's own may be what is wrong: no reason to keep every other
    // job from the engine.
    if error.class == ErrorClass::Config && spec.chooses_engine_details() {
        return None;
    }
    let (queue, settings, now) = (attempt.queue, &attempt.settings, Timestamp::now());
    let noted = availability::note_fault(queue, settings, &run.engine, verdict, error, now);
    Some(
        noted.map_or_else(
            |e| AttemptFailure::NotCounted(e.to_string()),
            AttemptFailure::NoEngineNow,
        ),
    )
}

/// Judges the changes by the job file: that there are some, and where they may be. Where git
/// failed, that is unknown, and what is asked for is not passed.
fn changes(
    record: &mut AttemptRecord,
    spec: &JobSpec,
    changes: Result<Option<BranchChanges>, String>,
) -> Result<(), AttemptFailure> {
    let enforced = !spec.allowed_scope.is_empty() && spec.scope_policy == ScopePolicy::Enforce;
    let changes = match changes {
        Ok(Some(changes)) => changes,
        Err(why) if enforced || spec.expect_changes => {
            let why = format!("what it changed cannot be judged: {why}");
            return Err(AttemptFailure::Class(FailureClass::Crash, why));
        }
        Ok(None) | Err(_) => return Ok(()),
    };
    if spec.expect_changes && changes.paths.is_empty() {
        let why = "the agent ended well and changed nothing, which `expect-changes` forbids";
        return Err(AttemptFailure::Final(Outcome::NoChanges, why.to_owned()));
    }
    if spec.allowed_scope.is_empty() {
        return Ok(());
    }
    let scope = ScopeSet::new(&spec.allowed_scope)
        .map_err(|e| AttemptFailure::Final(Outcome::InvalidManifest, e.to_string()))?;
    let outside: Vec<&String> = changes.paths.iter().filter(|path| !scope.allows(path)).collect();
    if outside.is_empty() {
        return Ok(());
    }
    let listed: Vec<&String> = outside.iter().copied().take(LISTED).collect();
    for path in &listed {
        record.note(&format!("warning: changed outside allowed-scope: {path}"));
    }
    record.try_append(&RecordUpdate::new().set_list(RecordKey::ScopeWarning, &listed));
    if spec.scope_policy == ScopePolicy::Enforce {
        let others = match outside.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let why = format!("changed outside allowed-scope: {}{others}", outside[0]);
        return Err(AttemptFailure::Final(Outcome::ScopeViolation, why));
    }
    Ok(())
}
