//! Asking the coordinator for its pick.

use std::path::PathBuf;
use std::time::Duration;

use aq_caps::CapabilityToken;
use aq_fleet::client::{CallAnswer, CallError, CoordinatorClient};
use aq_fleet::protocol::{
    ClaimRequest, FactoryId, FleetJobId, LeaseRef, ReleaseOutcome, ReleaseRequest, ReportRequest,
    RequestId, ShadowVerdict,
};
use aq_fleet::shadow::{DryClaimAnswer, ShadowReason};
use aq_manifest::Stage;
use jiff::Timestamp;

/// The longest time that a decision waits for an answer. Each answer is the beginning of a new
/// wait: the first decision reports all jobs that the host has, and a long queue is no fault of
/// the coordinator.
const LIMIT: Duration = Duration::from_secs(10);

/// Time for which a coordinator that did not answer is left alone. Decisions meanwhile are errors
/// at once.
const REST: Duration = Duration::from_secs(5);

/// The one who asks, and the place where the answers go.
#[derive(Clone, Debug)]
pub struct ShadowSettings {
    /// The host whose jobs they are.
    pub factory: FactoryId,
    /// Its shadow, which asks.
    pub shadow: FactoryId,
    /// The capabilities of the host.
    pub capabilities: Vec<CapabilityToken>,
    /// The log.
    pub log: PathBuf,
}

/// One side of the conversation. All that it ever writes at the coordinator is about shadow jobs,
/// but for the release of what it was granted against its wish.
pub(super) struct ShadowConversation {
    client: CoordinatorClient,
    pub(super) settings: ShadowSettings,
    /// When the coordinator has been silent for too long, on the client's clock.
    end: Duration,
    /// Called at each answer.
    answered: Box<dyn Fn() + Send>,
    /// Until when the coordinator is left alone.
    rest_until: Duration,
    /// The number of the last report. Those of an earlier loop were smaller.
    seq: u64,
    /// Leases that were granted and are to be released.
    unwanted: Vec<LeaseRef>,
}

/// The result of a dry claim.
pub(super) struct DryPick {
    pub(super) answered: DryClaimAnswer,
    /// The job, when it is one.
    pub(super) job: Option<FleetJobId>,
}

impl ShadowConversation {
    pub(super) fn new(
        client: CoordinatorClient,
        settings: ShadowSettings,
        answered: impl Fn() + Send + 'static,
    ) -> Self {
        let (end, rest_until) = (Duration::ZERO, Duration::ZERO);
        let answered = Box::new(answered);
        Self { client, settings, end, answered, rest_until, seq: 0, unwanted: Vec::new() }
    }

    pub(super) fn now(&self) -> Duration {
        self.client.clock().now()
    }

    /// A decision has its turn.
    ///
    /// # Errors
    /// When the coordinator did not answer a moment ago, and is left alone.
    pub(super) fn begin(&mut self) -> Result<(), CallError> {
        let now = self.now();
        self.end = now.saturating_add(LIMIT);
        if now < self.rest_until {
            return Err(late());
        }
        self.release();
        Ok(())
    }

    pub(super) fn call<T>(
        &mut self,
        call: impl FnOnce(&CoordinatorClient) -> Result<CallAnswer<T>, CallError>,
    ) -> Result<T, CallError> {
        let left = self.end.saturating_sub(self.now());
        if left.is_zero() {
            return Err(late());
        }
        let answer = call(&self.client.within(left));
        if matches!(answer, Err(CallError::Unreachable { .. })) {
            self.rest_until = self.now().saturating_add(REST);
        } else {
            self.end = self.now().saturating_add(LIMIT);
            (self.answered)();
        }
        answer.map(|answer| answer.value)
    }

    /// Asks for one job. What is granted for real is released at once.
    pub(super) fn pick(&mut self, held_locks: &[String]) -> Result<DryPick, CallError> {
        let claim = ClaimRequest {
            request_id: RequestId::random(),
            factory_id: self.settings.shadow.clone(),
            capabilities: self.settings.capabilities.clone(),
            free: 1,
            held_locks: held_locks.to_vec(),
            dry_run: true,
            wait_ms: 0,
        };
        let claimed = self.call(|client| client.claim(&claim))?;
        let granted = claimed.jobs.iter().filter(|job| !job.epoch.is_dry());
        let granted = granted.map(|job| LeaseRef { job_id: job.job_id, epoch: job.epoch });
        let before = self.unwanted.len();
        self.unwanted.extend(granted);
        let answered = if self.unwanted.len() > before {
            self.release();
            DryClaimAnswer::Failed(ShadowReason::Granted)
        } else if claimed.jobs.len() > 1 {
            DryClaimAnswer::Failed(ShadowReason::Garbled)
        } else {
            DryClaimAnswer::from(&claimed)
        };
        Ok(DryPick { answered, job: claimed.jobs.first().map(|job| job.job_id) })
    }

    /// Says the stage of a mirror, and how a comparison came out. Nothing is made of the answer.
    pub(super) fn report(
        &mut self,
        job: FleetJobId,
        stage: Stage,
        verdict: Option<ShadowVerdict>,
    ) -> Result<(), CallError> {
        let now = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or(0);
        self.seq = now.max(self.seq + 1);
        let report = ReportRequest {
            factory_id: self.settings.shadow.clone(),
            epoch: aq_fleet::protocol::Epoch::DRY,
            seq: self.seq,
            stage,
            checkpoint: None,
            metrics: None,
            shadow: true,
            verdict,
        };
        self.call(|client| client.report(job, &report)).map(drop)
    }

    /// Releases what is not wanted. What cannot be sent now is sent with the next decision; and in
    /// the end the lease runs out.
    fn release(&mut self) {
        for lease in std::mem::take(&mut self.unwanted) {
            let release = ReleaseRequest {
                factory_id: self.settings.shadow.clone(),
                epoch: lease.epoch,
                outcome: ReleaseOutcome::Abandoned,
                result: None,
                metrics: None,
            };
            let released = self.call(|client| client.release(lease.job_id, &release));
            if released.is_err_and(|why| why.may_pass()) {
                self.unwanted.push(lease);
            }
        }
    }
}

fn late() -> CallError {
    CallError::Unreachable { what: "no time is left for it".to_owned(), tries: 0 }
}
