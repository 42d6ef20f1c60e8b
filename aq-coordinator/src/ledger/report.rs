//! Reports: how far a job has come.

use aq_fleet::protocol::{Epoch, FactoryId, PushedCheckpoint, ReleaseOutcome, ReportRequest};
use aq_manifest::{Outcome, Stage};

use super::{FencedCall, FleetJob, JobNamespace, LeaseEnd, LeaseStatus, LedgerRefusal};

/// Applies a report of the job's holder. The same row comes back when it changes nothing: it is an
/// old one, or one that was applied before.
///
/// `shipped` is the compare-and-set that decides a ship: it is never taken for an old one, because
/// a holder that gets an answer other than a refusal ships.
///
/// # Errors
/// [`LedgerRefusal::Fenced`] when the job is not the caller's, [`LedgerRefusal::NotReportable`] for
/// a stage that a grant cannot bring it to.
pub fn report(job: &FleetJob, report: &ReportRequest) -> Result<FleetJob, LedgerRefusal> {
    let fenced = || FencedCall::by(job);
    if !job.is_tenant(&report.factory_id, report.epoch) {
        return Err(fenced().into());
    }
    let mut next = job.clone();
    let tenure = next.tenure.as_mut().ok_or_else(fenced)?;
    let is_old = report.seq <= tenure.last_seq;
    match (tenure.hold, report.stage) {
        (LeaseStatus::Ended(LeaseEnd::Released(ReleaseOutcome::Shipped)), Stage::Shipped) => {
            return Ok(next);
        }
        (_, to) if is_old && to != Stage::Shipped => return Ok(next),
        (LeaseStatus::Ended(_), _) => return Err(fenced().into()),
        (LeaseStatus::Held | LeaseStatus::Lapsed, _) => {}
    }
    check_stage(job.stage, report.stage)?;
    tenure.last_seq = tenure.last_seq.max(report.seq);
    note(&mut next.checkpoint, report.checkpoint.as_ref());
    if report.stage == Stage::Shipped {
        next.end(LeaseEnd::Released(ReleaseOutcome::Shipped));
        next.finish(Stage::Shipped, Outcome::Shipped);
    } else {
        next.stage = report.stage;
        if next.needed_lock().is_none() {
            next.held_lock = None;
        }
    }
    Ok(next.next_after(job))
}

/// Checks that a grant can bring a job from one stage to another.
fn check_stage(from: Stage, to: Stage) -> Result<(), LedgerRefusal> {
    let mend = match (from, to) {
        (_, Stage::Inbox | Stage::Failed) => "release it with `requeue` or `failed`",
        (_, Stage::Quarantine) => "what is fenced is not reported",
        (Stage::Testing, Stage::Building | Stage::Review) => {
            "its lock was given back; release it with `requeue`"
        }
        _ => return Ok(()),
    };
    Err(LedgerRefusal::NotReportable { from, to, mend })
}

/// Applies a report with `shadow: true`. It moves only a mirror of the reporter's own, so that what
/// waits for it in the same world is seen as the host sees it; every other job stays as it is.
pub fn report_shadow(job: &FleetJob, report: &ReportRequest) -> FleetJob {
    let own = match &job.world {
        JobNamespace::Fleet => false,
        JobNamespace::Shadow(owner) => owner_of(&report.factory_id) == *owner,
    };
    if !own || report.epoch != Epoch::DRY {
        return job.clone();
    }
    let mut next = job.clone();
    next.stage = report.stage;
    next.result = match report.stage {
        Stage::Shipped => Some(Outcome::Shipped),
        Stage::Failed | Stage::Quarantine => Some(Outcome::Stopped),
        _ => None,
    };
    next.next_after(job)
}

/// The host of a shadow, or the host itself.
fn owner_of(factory: &FactoryId) -> FactoryId {
    factory.owner().unwrap_or_else(|| factory.clone())
}

fn note(known: &mut Option<PushedCheckpoint>, told: Option<&PushedCheckpoint>) {
    if let Some(told) = told {
        *known = Some(told.clone());
    }
}
