//! The ends of an attempt.

use aq_ledger::steps::{
    AcceptWork, AwaitDeps, DepObstacle, EndUnwanted, FailAttempt, FailFinally, GiveBack,
    InterruptAttempt, PostponeJob, PutBack, StopReason, VerifyWork,
};
use aq_manifest::{FailureClass, JobSpec, Outcome, ReviewPolicy, Stage};
use aq_scheduler::AfterFailure;
use jiff::Timestamp;

use super::failure::AttemptFailure;
use super::feedback::{forget_failures, keep_failure};
use super::{JobAttempt, save, train};
use crate::store::StoreError;

/// Accepts the agent's work. Where a person comes next, the attempt has ended.
pub(super) fn accept(attempt: &mut JobAttempt<'_>, policy: ReviewPolicy) -> Result<(), StoreError> {
    let now = Timestamp::now();
    if policy == ReviewPolicy::Human {
        save::leave(attempt);
        forget_failures(attempt);
    }
    attempt.record.end(&AcceptWork { policy }, now)
}

/// Ends an attempt whose work has passed `verify`, or has none.
pub(super) fn succeed(
    attempt: &mut JobAttempt<'_>,
    spec: &JobSpec,
    has_passed: bool,
) -> Result<(), StoreError> {
    save::artifacts(attempt, spec);
    save::leave(attempt);
    forget_failures(attempt);
    attempt.record.end(&VerifyWork { has_passed }, Timestamp::now())
}

/// Ends an attempt that did not go well. `spec` is not there when the job file could not be read.
pub(super) fn fail(
    attempt: &mut JobAttempt<'_>,
    spec: Option<&JobSpec>,
    failure: AttemptFailure,
) -> Result<(), StoreError> {
    let now = Timestamp::now();
    save::leave(attempt);
    let record = &mut attempt.record;
    match failure {
        // A wish that came when nothing could be signalled still counts.
        AttemptFailure::Host(_)
        | AttemptFailure::NotCounted(_)
        | AttemptFailure::NoEngineNow(_)
        | AttemptFailure::DepsConflict { .. }
        | AttemptFailure::DepElsewhere { .. }
        | AttemptFailure::Class(..)
        | AttemptFailure::Unresolved(_)
            if record.stop_request().is_made() =>
        {
            stop(attempt, spec, now)
        }
        AttemptFailure::Host(lack) => {
            record.note_once("put back, and not counted: ", &lack.to_string());
            record.make(&PutBack { lack: &lack }, Timestamp::now())
        }
        AttemptFailure::NotCounted(why) => {
            record.note_once("not started: ", &why);
            record.make(&GiveBack { message: &why }, Timestamp::now())
        }
        AttemptFailure::DepsConflict { dep, file, seen, why } => {
            record.note_once("not started: ", &why);
            let obstacle = DepObstacle::Conflict { file: &file, seen: &seen };
            record.make(&AwaitDeps { dep: &dep, obstacle, message: &why }, Timestamp::now())
        }
        AttemptFailure::DepElsewhere { dep, host, why } => {
            record.note_once("not started: ", &why);
            let obstacle = DepObstacle::Elsewhere(&host);
            record.make(&AwaitDeps { dep: &dep, obstacle, message: &why }, Timestamp::now())
        }
        AttemptFailure::Unrecorded(e) => {
            record.note(&format!("cannot record what came of it: {e}"));
            Err(e)
        }
        AttemptFailure::NoEngineNow(why) => {
            record.note(&format!("not counted: {why}"));
            record.end(&PostponeJob { message: &why }, now)
        }
        AttemptFailure::Final(outcome, why) => fail_finally(attempt, spec, (outcome, &why), now),
        AttemptFailure::Unresolved(why) => {
            train::send_back(attempt, spec, FailureClass::Conflict, &why)
        }
        AttemptFailure::Stopped => stop(attempt, spec, now),
        AttemptFailure::Fenced => end_unwanted(attempt, spec, StopReason::Fenced, now),
        AttemptFailure::Class(class, why) => fail_class(attempt, spec, (class, &why), now),
    }
}

fn fail_finally(
    attempt: &mut JobAttempt<'_>,
    spec: Option<&JobSpec>,
    (outcome, why): (Outcome, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    attempt.record.note(&format!("failed: {outcome}: {why}"));
    keep_failure(attempt, spec, outcome.as_str(), why);
    attempt.record.end(&FailFinally { outcome, message: why }, now)
}

fn fail_class(
    attempt: &mut JobAttempt<'_>,
    spec: Option<&JobSpec>,
    (class, why): (FailureClass, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    keep_failure(attempt, spec, class.as_str(), why);
    let retry = spec.and_then(|spec| spec.retry.as_ref());
    let step = FailAttempt { class, message: why, retry };
    let next = match step.consequence(attempt.record.row(), now) {
        AfterFailure::Requeue { not_before } => format!("; next attempt at {not_before:.0}"),
        AfterFailure::Exhausted => "; no attempt is left".to_owned(),
        AfterFailure::NotRetried => String::new(),
    };
    attempt.record.note(&format!("failed: {class}: {why}{next}"));
    attempt.record.end(&step, now)
}

/// Ends an attempt that a person stopped, or something else that stopped this process (the host
/// goes down, `aq stop --all`): then the job goes on later.
fn stop(
    attempt: &mut JobAttempt<'_>,
    spec: Option<&JobSpec>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(reason) = attempt.record.stop_request().reason() {
        return end_unwanted(attempt, spec, reason, now);
    }
    let record = &mut attempt.record;
    record.note("interrupted");
    if record.stage() == Stage::Review {
        // Nothing moves, so the log is not asked for what it lacks.
        return record.make(&InterruptAttempt, now);
    }
    record.end(&InterruptAttempt, now)
}

/// Ends a job that is not wanted any more.
fn end_unwanted(
    attempt: &mut JobAttempt<'_>,
    spec: Option<&JobSpec>,
    reason: StopReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    attempt.record.note(reason.message());
    if reason == StopReason::Person {
        keep_failure(attempt, spec, reason.outcome().as_str(), reason.message());
    }
    attempt.record.make(&EndUnwanted { reason }, now)
}
