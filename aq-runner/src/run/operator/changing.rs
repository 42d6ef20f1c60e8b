//! Actions of a person on jobs that wait: holding them back, and changing their files.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

use aq_ledger::steps::{HoldJob, JobStep, ReleaseJob};
use aq_manifest::{EditError, JobId, Stage, with_value};
use jiff::Timestamp;

use crate::store::{AddError, InvalidJobFile, QueueDir, Result, change, outdate_order};

use crate::run::environment::ProcessEnvironment;
use crate::run::operator::actions::take;

/// Keeps a waiting job from its start until [`release`]. Answers `false` when it is held already.
///
/// # Errors
/// [`StoreError::WrongStage`](crate::store::StoreError::WrongStage) when it does not wait.
pub fn hold(queue: &QueueDir, id: &JobId) -> Result<bool> {
    set_held(queue, id, &HoldJob, true)
}

/// Lets a job go that is held. Answers `false` when it is not.
///
/// # Errors
/// As [`hold`].
pub fn release(queue: &QueueDir, id: &JobId) -> Result<bool> {
    set_held(queue, id, &ReleaseJob, false)
}

fn set_held(queue: &QueueDir, id: &JobId, step: &impl JobStep, is_held: bool) -> Result<bool> {
    let mut job = take(queue, id)?;
    let step = job.decide(step, Timestamp::now())?;
    if job.row().is_held() == is_held {
        return Ok(false);
    }
    job.apply(&step)?;
    outdate_order(queue);
    drop(job);
    // The file system reports files to a loop, and not what is in records. Without that, the loop
    // finds out when it is about to start the job.
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let path = queue.job_file(Stage::Inbox, id);
    let _ = OpenOptions::new().append(true).custom_flags(flags).open(path);
    Ok(true)
}

/// Sets one key of a waiting job's front matter; an empty value takes it out. Answers warnings,
/// rendered.
///
/// # Errors
/// As an add of the changed file; nothing has changed then.
pub fn set_value(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    id: &JobId,
    (key, value): (&str, &str),
    colour: bool,
) -> std::result::Result<String, AddError> {
    let mut job = take(queue, id)?;
    job.require(&[Stage::Inbox], "set", "inbox/")?;
    let name = format!("{id}.md");
    let refuse = |why: String| AddError::Invalid(vec![InvalidJobFile::whole(&name, why)]);
    let before = queue.read_job(Stage::Inbox, id).map_err(|e| refuse(e.to_string()))?;
    let text = match with_value(&before, key, value) {
        Ok(text) => text,
        // The report of that file shows the place.
        Err(EditError::Invalid { file, .. }) => file,
        Err(other) => return Err(refuse(other.to_string())),
    };
    let home = environment.path("HOME");
    change(queue, &mut job, &before, &text, home.as_deref(), colour)
}

/// Puts an edited text in the place of a waiting job's file, in which `before` is expected. Answers
/// warnings, rendered.
///
/// # Errors
/// As [`set_value`].
pub fn replace_text(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    id: &JobId,
    before: &str,
    text: &str,
    colour: bool,
) -> std::result::Result<String, AddError> {
    let mut job = take(queue, id)?;
    let home = environment.path("HOME");
    change(queue, &mut job, before, text, home.as_deref(), colour)
}
