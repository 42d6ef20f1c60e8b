//! The host's messages to the coordinator about its job. A message that cannot be sent now waits in
//! the outbox, and later ones about the same job wait behind it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aq_fleet::client::{CallError, CoordinatorClient};
use aq_fleet::outbox::{MessageOutbox, OutboxError, OutboxMessage};
use aq_fleet::protocol::{
    EventsRequest, FactoryId, JobEvent, LeaseRef, MAX_EVENTS, PushedCheckpoint, ReleaseOutcome,
    ReleaseRequest, RenewRequest, ReportRequest, RunMetrics,
};
use aq_manifest::{Outcome, Stage};
use serde::{Deserialize, Serialize};

/// Number of times, and interval, that another process that sends for the same job is waited for.
const TURNS: u32 = 20;
const TURN: Duration = Duration::from_millis(50);

/// The result of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HolderAnswer {
    /// The coordinator took note: the job is this host's.
    Accepted,
    /// The job is no longer this host's, and must be stopped.
    Fenced,
    /// The coordinator could not be asked, for this reason.
    Later(String),
}

/// This host as a holder of jobs.
#[derive(Clone, Debug)]
pub struct FleetHolder {
    factory: FactoryId,
    client: Arc<CoordinatorClient>,
    outbox: MessageOutbox,
}

impl FleetHolder {
    /// A holder whose outbox is in `dir`.
    ///
    /// # Errors
    /// When the outbox cannot be made.
    pub fn open(
        factory: FactoryId,
        client: Arc<CoordinatorClient>,
        dir: &Path,
    ) -> Result<Self, OutboxError> {
        Ok(Self { factory, client, outbox: MessageOutbox::open(dir)? })
    }

    /// The same holder, whose calls take at most `deadline`.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self { client: Arc::new(self.client.within(deadline)), ..self.clone() }
    }

    /// The same holder under another name: the coordinator knows a job's lease by the name that the
    /// job was given under.
    #[must_use]
    pub fn named(&self, factory: FactoryId) -> Self {
        Self { factory, ..self.clone() }
    }

    /// This host's name in the fleet.
    pub fn factory(&self) -> &FactoryId {
        &self.factory
    }

    /// The coordinator.
    pub fn client(&self) -> &Arc<CoordinatorClient> {
        &self.client
    }

    /// Says how far a job has come, and waits for the answer. When there is none, the report waits
    /// in the outbox.
    pub fn report(&self, lease: LeaseRef, report: ReportRequest) -> HolderAnswer {
        let before = self.deliver_one(lease);
        let told = match before {
            HolderAnswer::Accepted => {
                self.told(self.client.report(lease.job_id, &report).map(drop))
            }
            other => other,
        };
        if let HolderAnswer::Later(_) = told {
            // Without room for it the coordinator hears of the next step.
            let _ = self.outbox.append(lease.job_id, &OutboxMessage::Report(report));
        }
        told
    }

    /// Asks whether a job may be shipped: the compare-and-set at the coordinator. This never waits
    /// in the outbox.
    pub fn ship(&self, lease: LeaseRef, report: &ReportRequest) -> HolderAnswer {
        match self.deliver_one(lease) {
            HolderAnswer::Accepted => self.told(self.client.report(lease.job_id, report).map(drop)),
            other => other,
        }
    }

    /// Asks whether a job is this host's.
    pub fn renew(&self, lease: LeaseRef) -> HolderAnswer {
        let renew = RenewRequest { factory_id: self.factory.clone(), epoch: lease.epoch };
        self.told(self.client.renew(lease.job_id, &renew).map(drop))
    }

    /// A report of this host's.
    pub fn report_of(
        &self,
        lease: LeaseRef,
        seq: u64,
        stage: Stage,
        checkpoint: Option<PushedCheckpoint>,
        metrics: Option<RunMetrics>,
    ) -> ReportRequest {
        report_of(&self.factory, lease, seq, stage, checkpoint, metrics)
    }

    /// Says how far a job has come, some time.
    ///
    /// # Errors
    /// When it cannot be put into the outbox; then nothing is ever said.
    pub fn post_report(&self, lease: LeaseRef, report: ReportRequest) -> Result<(), OutboxError> {
        self.outbox.append(lease.job_id, &OutboxMessage::Report(report)).map(drop)
    }

    /// Gives a job back, some time.
    ///
    /// # Errors
    /// As [`Self::post_report`].
    pub fn post_release(
        &self,
        lease: LeaseRef,
        outcome: ReleaseOutcome,
        result: Option<Outcome>,
        metrics: Option<RunMetrics>,
    ) -> Result<(), OutboxError> {
        let factory_id = self.factory.clone();
        let release = ReleaseRequest { factory_id, epoch: lease.epoch, outcome, result, metrics };
        self.outbox.append(lease.job_id, &OutboxMessage::Release(release)).map(drop)
    }

    /// Says what happened to a job, some time.
    pub fn post_events(&self, lease: LeaseRef, events: &[JobEvent]) {
        for part in events.chunks(MAX_EVENTS) {
            let (factory_id, epoch) = (self.factory.clone(), lease.epoch);
            let events = EventsRequest { factory_id, epoch, events: part.to_vec() };
            // For people: on a full disk they are lost.
            let _ = self.outbox.append(lease.job_id, &OutboxMessage::Events(events));
        }
    }

    /// Sends what waits in the outbox. After `limit` no more is begun. Answers what will never be
    /// sent, in words.
    pub fn deliver(&self, limit: Duration) -> Vec<String> {
        let begun = Instant::now();
        let mut problems = Vec::new();
        let jobs = match self.outbox.pending() {
            Ok(jobs) => jobs,
            Err(e) => return vec![e.to_string()],
        };
        for job in jobs {
            if begun.elapsed() >= limit {
                break;
            }
            let send = |message: &OutboxMessage| message.send(&self.client, job);
            match self.outbox.drain(job, send) {
                Ok(None) => {}
                Ok(Some(drained)) => {
                    problems.extend(drained.damaged.iter().map(|line| {
                        format!("line {line} of what waits for the fleet's job {job} is damaged")
                    }));
                    let lost = drained.refused.iter().map(|refused| &refused.reason);
                    // That a job is another host's by now is known from its lease.
                    let lost = lost.filter(|why| !matches!(why, CallError::Fenced { .. }));
                    problems.extend(lost.map(|why| format!("the fleet's job {job}: {why}")));
                }
                Err(e) => problems.push(e.to_string()),
            }
        }
        problems
    }

    /// Sends what waits for one job. What an earlier grant of it left there is refused, which says
    /// nothing about this one.
    fn deliver_one(&self, lease: LeaseRef) -> HolderAnswer {
        let job = lease.job_id;
        for _ in 0..TURNS {
            let drained = match self.outbox.drain(job, |message| message.send(&self.client, job)) {
                Ok(Some(drained)) => drained,
                Ok(None) => {
                    std::thread::sleep(TURN);
                    continue;
                }
                Err(e) => return HolderAnswer::Later(e.to_string()),
            };
            let mut refused = drained
                .refused
                .iter()
                .filter(|refused| refused.message.epoch() == lease.epoch)
                .map(|refused| &refused.reason);
            return match drained.later {
                _ if refused.any(|why| matches!(why, CallError::Fenced { .. })) => {
                    HolderAnswer::Fenced
                }
                Some(why) => HolderAnswer::Later(why.to_string()),
                None => HolderAnswer::Accepted,
            };
        }
        HolderAnswer::Later(
            "another process is still telling the coordinator of this job".to_owned(),
        )
    }

    fn told(&self, answer: Result<(), CallError>) -> HolderAnswer {
        match answer {
            Ok(()) => HolderAnswer::Accepted,
            Err(CallError::Fenced { .. }) => HolderAnswer::Fenced,
            Err(why) => HolderAnswer::Later(why.to_string()),
        }
    }
}

/// A report of a host's.
pub(super) fn report_of(
    factory: &FactoryId,
    lease: LeaseRef,
    seq: u64,
    stage: Stage,
    checkpoint: Option<PushedCheckpoint>,
    metrics: Option<RunMetrics>,
) -> ReportRequest {
    ReportRequest {
        factory_id: factory.clone(),
        epoch: lease.epoch,
        seq,
        stage,
        checkpoint,
        metrics,
        shadow: false,
        verdict: None,
    }
}
