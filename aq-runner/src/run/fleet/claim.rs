//! A job that the coordinator gave to this host becomes a file in the inbox.

use std::path::PathBuf;

use aq_fleet::protocol::{FactoryId, LeaseGrant};
use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::{JobId, claimed};
use jiff::Timestamp;

use super::deps::noted_deps;
use crate::checkpoint::{branch_at, repository_at};
use crate::store::{AddContext, AddError, JobDraft, QueueDir, StoreError, add};

/// What became of a grant.
#[derive(Debug)]
pub(crate) enum GrantOutcome {
    /// It is in the inbox under this id, and survives power loss.
    Job(JobId),
    /// It can be no job here, for this reason.
    Refused(String),
}

/// Writes a job that was granted to `factory` into the inbox. Its directory is relative to the
/// queue's, as that of a file dropped in by hand. Everything in the grant comes from another
/// machine.
///
/// # Errors
/// When the queue's files cannot be written. Then the grant's lease ends by itself.
pub(crate) fn take(
    queue: &QueueDir,
    home: Option<PathBuf>,
    factory: &FactoryId,
    grant: &LeaseGrant,
    now: Timestamp,
) -> Result<GrantOutcome, StoreError> {
    let job = grant.job_id.to_string();
    let text = match claimed(&grant.manifest, &job, grant.epoch.0) {
        Ok(text) => text,
        Err(problem) => return Ok(GrantOutcome::Refused(problem.message)),
    };
    let id = match &grant.name {
        Some(name) => name.clone(),
        None => match job.parse() {
            Ok(id) => id,
            Err(problem) => return Ok(GrantOutcome::Refused(format!("{problem}"))),
        },
    };
    let mut draft = JobDraft::new(format!("fleet job {id}"), id, text);
    draft.is_granted = true;
    draft.record = RecordUpdate::new().set(RecordKey::FleetFactory, factory);
    draft.record = draft.record.set_list(RecordKey::FleetDeps, &noted_deps(grant));
    if let Some(from) = &grant.checkpoint {
        draft.record = draft
            .record
            .set(RecordKey::ResumeBranch, &from.branch)
            .set(RecordKey::ResumeCommit, &from.commit);
        if let Some(failure) = &from.failure {
            draft.record = draft
                .record
                .set(RecordKey::ResumeFailureClass, &failure.class)
                .set_some(RecordKey::ResumeAttempts, failure.attempts)
                .set_some(RecordKey::ResumeFilesChanged, failure.files_changed);
        }
    }
    let base = queue.project()?;
    let context = AddContext { branch_at, repository_at, ..AddContext::new(base, home, now) };
    match add(queue, &[draft], &context) {
        Ok(report) => match report.added.first() {
            Some(added) => Ok(GrantOutcome::Job(added.id().clone())),
            None => Ok(GrantOutcome::Refused("nothing was added".to_owned())),
        },
        Err(AddError::Store(problem) | AddError::Partly { problem, .. }) => Err(problem),
        Err(AddError::Invalid(problems)) => {
            let words: Vec<&str> = problems.iter().map(|p| p.summary.as_str()).collect();
            Ok(GrantOutcome::Refused(words.join("; ")))
        }
        Err(problem) => Ok(GrantOutcome::Refused(problem.to_string())),
    }
}
