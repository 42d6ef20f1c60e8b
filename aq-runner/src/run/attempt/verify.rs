//! The judgement of accepted work by the job's own `verify`.

use aq_manifest::{FailureClass, JobSpec};

use super::JobAttempt;
use super::commands::{CommandPlace, shell};
use super::failure::AttemptFailure;
use super::ground::{environment, scratch, workplace};
use super::prepare::setup;
use crate::feedback::OutputSource;

/// Runs `verify` where the agent worked. Answers whether there is one.
pub(super) fn run(attempt: &mut JobAttempt<'_>, spec: &JobSpec) -> Result<bool, AttemptFailure> {
    let Some(verify) = &spec.verify else { return Ok(false) };
    let failed = |why: String| AttemptFailure::Class(FailureClass::VerifyFailed, why);
    let dir = workplace(attempt, spec)?;
    let scratch = scratch(attempt)?;
    let env = environment(attempt, spec, &[], &scratch).map_err(failed)?;
    let place = CommandPlace { dir, env };
    setup(attempt, spec, &place)?;
    attempt.record.note("verify");
    attempt.ground.touch();
    let passed = shell(attempt, (OutputSource::Verify, "verify"), verify, spec, &place)?;
    passed.map(|()| true).map_err(failed)
}
