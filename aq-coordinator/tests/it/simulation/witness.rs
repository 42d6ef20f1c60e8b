//! Sees every request that is done, also those whose answer nobody gets, and what factories do with
//! the answers.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use aq_coordinator::ledger::FleetJob;
use aq_fleet::client::{HttpMethod, HttpRequest, HttpResponse};
use aq_fleet::protocol::{
    ClaimRequest, ClaimResponse, Epoch, FactoryId, FleetJobId, ReleaseRequest, RenewRequest,
    ReportRequest, RequestId,
};
use aq_manifest::Stage;
use serde::de::DeserializeOwned;

/// Numbers of what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) shipped: usize,
    pub(super) failed: usize,
    pub(super) grants: usize,
    /// Claims that were answered again.
    pub(super) repeated: usize,
    pub(super) lapsed: usize,
    pub(super) fenced: usize,
    pub(super) restarts: usize,
    pub(super) faults: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.shipped += other.shipped;
        self.failed += other.failed;
        self.grants += other.grants;
        self.repeated += other.repeated;
        self.lapsed += other.lapsed;
        self.fenced += other.fenced;
        self.restarts += other.restarts;
        self.faults += other.faults;
    }
}

#[derive(Debug, Default)]
pub(super) struct Witness {
    pub(super) counts: Counts,
    /// The latest grant of each job.
    grants: BTreeMap<FleetJobId, (Epoch, FactoryId, RequestId)>,
    /// Which grant the coordinator let ship.
    decided: BTreeMap<FleetJobId, (Epoch, FactoryId)>,
    /// Which one did.
    shipped: BTreeMap<FleetJobId, (Epoch, FactoryId)>,
    /// The jobs that must be shipped before a job is granted.
    pub(super) deps: BTreeMap<FleetJobId, Vec<FleetJobId>>,
}

/// A write under a grant.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) job: FleetJobId,
    factory: FactoryId,
    epoch: Epoch,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Renew,
    Report(Stage),
    Release,
}

impl Write {
    /// The write that a request is, if it is one.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        let (job, verb) = request.path.strip_prefix("/v1/jobs/")?.split_once('/')?;
        let job = job.parse().ok()?;
        let (factory, epoch, what) = match verb {
            "renew" => {
                let renew: RenewRequest = body(request);
                (renew.factory_id, renew.epoch, What::Renew)
            }
            "reports" => {
                let report: ReportRequest = body(request);
                (report.factory_id, report.epoch, What::Report(report.stage))
            }
            "release" => {
                let release: ReleaseRequest = body(request);
                (release.factory_id, release.epoch, What::Release)
            }
            _ => return None,
        };
        Some(Self { job, factory, epoch, what })
    }
}

fn body<T: DeserializeOwned>(request: &HttpRequest) -> T {
    serde_json::from_slice(request.body.as_deref().unwrap_or_default()).unwrap()
}

impl Witness {
    /// A claim and its answer.
    pub(super) fn saw_claim(&mut self, request: &HttpRequest, response: &HttpResponse) {
        let is_claim = request.method == HttpMethod::Post && request.path == "/v1/claims";
        if !is_claim || response.status != 200 {
            return;
        }
        let claim: ClaimRequest = body(request);
        let claimed: ClaimResponse = serde_json::from_slice(&response.body).unwrap();
        assert!(claimed.jobs.len() <= claim.free as usize);
        for grant in claimed.jobs {
            let (id, epoch) = (grant.job_id, grant.epoch);
            let now = (epoch, claim.factory_id.clone(), claim.request_id.clone());
            match self.grants.get(&id) {
                Some(before) if before.0 == epoch => {
                    assert_eq!(*before, now, "one epoch for two claims");
                    self.counts.repeated += 1;
                    continue;
                }
                before => assert!(before.is_none_or(|b| b.0 < epoch), "{before:?} before {now:?}"),
            }
            assert!(!self.decided.contains_key(&id), "granted after it was shipped: {now:?}");
            for dep in self.deps.get(&id).into_iter().flatten() {
                assert!(self.decided.contains_key(dep), "{id} is granted before its dep {dep}");
            }
            self.counts.grants += 1;
            self.grants.insert(id, now);
        }
    }

    /// A write, its answer, and the row before and after it.
    pub(super) fn saw_write(
        &mut self,
        write: Write,
        response: &HttpResponse,
        rows: &[FleetJob; 2],
    ) {
        let Write { job, factory, epoch, what } = write;
        let [before, after] = rows;
        let latest = self.grants.get(&job).map(|grant| (grant.0, grant.1.clone()));
        let mine = (epoch, factory);
        if !(200..300).contains(&response.status) {
            self.counts.fenced += usize::from(response.status == 409);
            // A renewal that finds its lock taken ends the grant.
            if what != What::Renew {
                assert_eq!(before, after, "a refusal changed something: {mine:?} {what:?}");
            }
            return;
        }
        if latest.as_ref() != Some(&mine) {
            assert_eq!(what, What::Release, "done under {mine:?}, and {latest:?} has the job");
            assert_eq!(before, after, "an old release changed something: {mine:?}");
            return;
        }
        if what == What::Report(Stage::Shipped) {
            let first = self.decided.entry(job).or_insert_with(|| mine.clone());
            assert_eq!(*first, mine, "two grants may ship {job}");
            assert_eq!((after.stage, after.epoch), (Stage::Shipped, epoch));
        }
    }

    /// A factory has moved a job into its shipped/.
    pub(super) fn ships(&mut self, job: FleetJobId, epoch: Epoch, factory: &FactoryId) {
        let mine = (epoch, factory.clone());
        assert_eq!(self.decided.get(&job), Some(&mine), "nobody allowed this ship of {job}");
        assert_eq!(self.shipped.insert(job, mine), None, "{job} is shipped twice");
    }

    /// The end: every job is over, or waits for one that has failed, and is as the coordinator has
    /// it.
    pub(super) fn judge(&mut self, row: &FleetJob, is_over: bool) {
        match row.stage {
            Stage::Shipped => {
                let decided = self.decided.get(&row.id);
                assert_eq!(decided.map(|grant| grant.0), Some(row.epoch), "{row:?}");
                self.counts.shipped += 1;
            }
            Stage::Failed => {
                assert!(!self.decided.contains_key(&row.id), "{row:?}");
                self.counts.failed += 1;
            }
            // What it waits for has failed.
            Stage::Inbox if is_over => {}
            _ => panic!("it does not end: {row:#?}"),
        }
    }
}
