//! Requests of a person.

use aq_manifest::{Outcome, Stage};

use super::{FleetJob, LeaseEnd, LedgerRefusal};

/// Stops a job: at once when nobody works on it or the holder's lease ran out; else its holder is
/// repeated with every heartbeat until it lets go. A holder that ships before it has heard of it
/// ships. Wishing it again changes nothing.
///
/// # Errors
/// [`LedgerRefusal::WrongStage`] when the job is shipped.
pub fn cancel(job: &FleetJob) -> Result<FleetJob, LedgerRefusal> {
    let mut next = job.clone();
    match job.stage {
        Stage::Shipped => {
            let wish = "what is shipped cannot be stopped";
            return Err(LedgerRefusal::WrongStage { stage: job.stage, wish });
        }
        Stage::Failed | Stage::Quarantine => {}
        _ if job.held_by().is_some() && !job.is_lapsed() => next.cancel = true,
        _ => {
            if job.is_lapsed() {
                next.end(LeaseEnd::Lost);
            }
            next.finish(Stage::Failed, Outcome::Stopped);
        }
    }
    Ok(next.next_after(job))
}

/// Puts a failed job back to wait, as new: nothing counted, its work so far kept. One that waits
/// already stays as it is, but is [doubted](FleetJob::doubted) no more. `has_text` is false once
/// the job's text is forgotten.
///
/// # Errors
/// [`LedgerRefusal::WrongStage`] when the job is neither failed nor waiting, or has no text.
pub fn requeue(job: &FleetJob, has_text: bool) -> Result<FleetJob, LedgerRefusal> {
    let mut next = job.clone();
    match job.stage {
        _ if next.doubted && next.holder().is_none_or(|_| job.is_lapsed()) => next.doubted = false,
        Stage::Inbox => {}
        Stage::Failed if !has_text => {
            let wish = "its text is no longer kept; submit the same file again, then requeue it";
            return Err(LedgerRefusal::WrongStage { stage: job.stage, wish });
        }
        Stage::Failed => {
            next.wait();
            next.attempts = 0;
            next.lost = 0;
        }
        stage => {
            let wish = "only a failed job can be put back";
            return Err(LedgerRefusal::WrongStage { stage, wish });
        }
    }
    Ok(next.next_after(job))
}
