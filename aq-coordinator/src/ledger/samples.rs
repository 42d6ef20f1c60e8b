//! Rows to try rules on.

use aq_fleet::protocol::{
    Epoch, FactoryId, FleetJobId, ReleaseOutcome, ReleaseRequest, ReportRequest, RequestId,
};
use aq_manifest::{DepsMode, Priority, Stage};
use uuid::Uuid;

use super::{
    BodyHash, ClaimingHost, DbTime, FleetJob, JobNamespace, JobSubmission, LeaseHolder,
    SchedulingTerms,
};

pub(crate) fn factory(name: &str) -> FactoryId {
    name.parse().unwrap()
}

/// A job that waits, and names a lock if one is given.
pub(crate) fn waiting(n: u128, lock: Option<&str>) -> FleetJob {
    let submission = JobSubmission {
        id: FleetJobId::from(Uuid::from_u128(n)),
        world: JobNamespace::Fleet,
        key: None,
        terms: SchedulingTerms {
            name: "job".parse().unwrap(),
            body: BodyHash([0; 32]),
            priority: Priority::Medium,
            lock: lock.map(str::to_owned),
            deps: Vec::new(),
            deps_mode: DepsMode::Hard,
            needs: Vec::new(),
        },
        item: None,
        manifest: String::new(),
    };
    submission.into_job(n as u64, DbTime(0))
}

pub(crate) fn claimant(name: &str) -> ClaimingHost {
    let request: RequestId = "request".parse().unwrap();
    ClaimingHost { factory: factory(name), instance: None, request }
}

pub(crate) fn caller(name: &str, epoch: u64) -> LeaseHolder {
    LeaseHolder { factory: factory(name), epoch: Epoch(epoch) }
}

pub(crate) fn said(name: &str, epoch: u64, seq: u64, stage: Stage) -> ReportRequest {
    ReportRequest {
        factory_id: factory(name),
        epoch: Epoch(epoch),
        seq,
        stage,
        checkpoint: None,
        metrics: None,
        shadow: false,
        verdict: None,
    }
}

pub(crate) fn let_go(name: &str, epoch: u64, outcome: ReleaseOutcome) -> ReleaseRequest {
    ReleaseRequest {
        factory_id: factory(name),
        epoch: Epoch(epoch),
        outcome,
        result: None,
        metrics: None,
    }
}
