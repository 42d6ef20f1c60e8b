//! A host: what it does with the answers that it gets, as a real one does, and what it forgets.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use aq_fleet::client::{CallError, ClientClock, CoordinatorClient};
use aq_fleet::lease::{HostLease, LeaseTrust};
use aq_fleet::outbox::{DeliveryOutcome, OutboxMessage};
use aq_fleet::protocol::{
    ClaimRequest, FactoryId, FleetJobId, HeartbeatRequest, HostDirective, InstanceId, LeaseGrant,
    LeaseRef, LeaseState, RegisterRequest, ReleaseOutcome, ReleaseRequest, RenewRequest,
    ReportRequest, RequestId,
};
use aq_manifest::{Outcome, Stage};

use super::coordinator::{HEARTBEAT, LEASE, TOKEN};
use super::network::Network;

/// Slots.
const SLOTS: usize = 2;

/// Time limit of one call.
const PATIENCE: Duration = Duration::from_secs(4);

pub(super) struct Factory {
    id: FactoryId,
    client: CoordinatorClient,
    net: Network,
    lives: u32,
    /// Claims that were begun.
    claims: u32,
    registered: bool,
    next_beat: i64,
    down_until: i64,
    disk: Disk,
}

/// The part that a restart does not take.
#[derive(Default)]
struct Disk {
    claim: Option<RequestId>,
    jobs: Vec<HostJob>,
    /// Grants that were here once.
    had: BTreeSet<(FleetJobId, u64)>,
    outbox: VecDeque<(FleetJobId, OutboxMessage)>,
}

/// A job here. Its lease is forgotten with the process.
struct HostJob {
    at: LeaseRef,
    lease: HostLease,
    stage: Stage,
    seq: u64,
}

impl Factory {
    pub(super) fn new(name: &str, net: &Network) -> Self {
        let (clock, transport) = (Arc::new(net.clone()), Arc::new(net.clone()));
        let client = CoordinatorClient::new(transport, clock, TOKEN.parse().unwrap(), PATIENCE);
        Self {
            id: name.parse().unwrap(),
            client,
            net: net.clone(),
            lives: 1,
            claims: 0,
            registered: false,
            next_beat: 0,
            down_until: 0,
            disk: Disk::default(),
        }
    }

    /// One turn of its loop, if it is up.
    pub(super) fn act(&mut self) {
        let mut net = self.net.lock();
        if net.now() < self.down_until {
            return;
        }
        let (dies, loses) = (net.fault(40), net.chance(200));
        if dies {
            self.down_until = net.now() + net.some(30_000);
            drop(net);
            self.die(loses);
            return;
        }
        drop(net);
        // When nobody answers, it tries again with its next turn.
        let _ = self.try_act();
    }

    /// The process ends, and with it what it knew; perhaps the disk goes, too.
    fn die(&mut self, loses_disk: bool) {
        self.lives += 1;
        self.registered = false;
        if loses_disk {
            self.disk = Disk::default();
        }
        for job in &mut self.disk.jobs {
            job.lease = HostLease::resumed(job.at.epoch);
        }
    }

    fn try_act(&mut self) -> Result<(), CallError> {
        self.beat()?;
        self.deliver();
        for job in std::mem::take(&mut self.disk.jobs) {
            self.work_on(job);
        }
        if self.disk.jobs.len() < SLOTS {
            self.claim()?;
        }
        Ok(())
    }

    fn beat(&mut self) -> Result<(), CallError> {
        let instance: InstanceId = format!("life-{}", self.lives).parse().unwrap();
        if !self.registered {
            let register = RegisterRequest {
                host: "h".to_owned(),
                capabilities: Vec::new(),
                capacity: 2,
                version: "0".to_owned(),
                instance_id: instance.clone(),
                ended: Vec::new(),
            };
            self.client.register(&self.id, &register)?;
            (self.registered, self.next_beat) = (true, 0);
        }
        if self.net.lock().now() < self.next_beat {
            return Ok(());
        }
        let leases = self.disk.jobs.iter().map(|job| job.at).collect();
        let beat = HeartbeatRequest { instance_id: instance, free: 0, leases };
        let answer = self.client.heartbeat(&self.id, &beat)?;
        self.next_beat = self.net.lock().now() + i64::try_from(HEARTBEAT.as_millis()).unwrap();
        for told in &answer.value.leases {
            let of = |job: &&mut HostJob| job.at.job_id == told.job_id;
            if let Some(job) = self.disk.jobs.iter_mut().find(of) {
                job.lease.answered(answer.sent_at, told);
            }
            if told.state == LeaseState::Lost {
                // To quarantine/.
                self.disk
                    .jobs
                    .retain(|job| job.at != LeaseRef { job_id: told.job_id, epoch: told.epoch });
            }
        }
        for directive in &answer.value.directives {
            let HostDirective::Cancel { job_id } = directive else { continue };
            if let Some(n) = self.disk.jobs.iter().position(|job| job.at.job_id == *job_id) {
                let job = self.disk.jobs.remove(n);
                self.release(job.at, ReleaseOutcome::Failed, Some(Outcome::Stopped));
            }
        }
        Ok(())
    }

    /// Sends what waits, in order.
    fn deliver(&mut self) {
        while let Some((job, message)) = self.disk.outbox.front() {
            if let DeliveryOutcome::Later(_) = message.send(&self.client, *job) {
                return;
            }
            self.disk.outbox.pop_front();
        }
    }

    fn claim(&mut self) -> Result<(), CallError> {
        // The same claim until its answer is here.
        let request_id = self.disk.claim.clone().unwrap_or_else(|| {
            self.claims += 1;
            format!("claim-{}-{}", self.lives, self.claims).parse().unwrap()
        });
        self.disk.claim = Some(request_id.clone());
        let claim = ClaimRequest {
            request_id,
            factory_id: self.id.clone(),
            capabilities: Vec::new(),
            free: 2,
            held_locks: Vec::new(),
            dry_run: false,
            wait_ms: 0,
        };
        let answer = self.client.claim(&claim)?;
        self.disk.claim = None;
        for LeaseGrant { job_id, epoch, lease_ms, .. } in answer.value.jobs {
            if !self.disk.had.insert((job_id, epoch.0)) {
                continue;
            }
            let lease = HostLease::new(epoch, answer.sent_at, lease_ms);
            assert!(lease.ends() <= answer.sent_at + LEASE);
            let at = LeaseRef { job_id, epoch };
            // A copy under an older grant is fenced.
            self.disk.jobs.retain(|job| job.at.job_id != job_id);
            self.disk.jobs.push(HostJob { at, lease, stage: Stage::Inbox, seq: 0 });
        }
        Ok(())
    }

    /// Brings a job one step on, and keeps it unless it is over or another's.
    fn work_on(&mut self, mut job: HostJob) {
        let is_done = self.net.lock().chance(300);
        let fails = self.net.lock().fault(10);
        let next = match job.stage {
            Stage::Inbox => Stage::Building,
            Stage::Building if fails => {
                let kinds =
                    [ReleaseOutcome::Requeue, ReleaseOutcome::Abandoned, ReleaseOutcome::Requeue];
                let outcome = kinds[self.net.lock().dice.index(kinds.len())];
                return self.release(job.at, outcome, Some(Outcome::Crash));
            }
            Stage::Building if is_done => Stage::Review,
            Stage::Review => Stage::Testing,
            Stage::Testing => return self.ship(job),
            _ => return self.disk.jobs.push(job),
        };
        let report = self.report(&mut job, next);
        match self.tell(job.at.job_id, report) {
            Err(CallError::Fenced { .. }) => {}
            _ => {
                job.stage = next;
                self.disk.jobs.push(job);
            }
        }
    }

    fn report(&self, job: &mut HostJob, stage: Stage) -> ReportRequest {
        job.seq += 1;
        ReportRequest {
            factory_id: self.id.clone(),
            epoch: job.at.epoch,
            seq: job.seq,
            stage,
            checkpoint: None,
            metrics: None,
            shadow: false,
            verdict: None,
        }
    }

    /// Reports; what cannot be sent now waits behind what waits already.
    fn tell(&mut self, job: FleetJobId, report: ReportRequest) -> Result<(), CallError> {
        let told = if self.disk.outbox.iter().any(|(of, _)| *of == job) {
            Err(CallError::Unreachable { what: "others wait".to_owned(), tries: 0 })
        } else {
            self.client.report(job, &report).map(drop)
        };
        if told.as_ref().is_err_and(CallError::may_pass) {
            self.disk.outbox.push_back((job, OutboxMessage::Report(report)));
        }
        told
    }

    /// Ships what it may: what is not trusted is renewed before.
    fn ship(&mut self, mut job: HostJob) {
        let now = ClientClock::now(&self.net);
        if job.lease.trust(now) != LeaseTrust::Trusted {
            let renew = RenewRequest { factory_id: self.id.clone(), epoch: job.at.epoch };
            match self.client.renew(job.at.job_id, &renew) {
                Ok(answer) => job.lease.renewed(answer.sent_at, answer.value.expires_in_ms),
                Err(CallError::Fenced { .. }) => return,
                Err(_) => return self.disk.jobs.push(job),
            }
        }
        let report = self.report(&mut job, Stage::Shipped);
        match self.client.report(job.at.job_id, &report) {
            Ok(_) => {
                self.net.lock().witness.ships(job.at.job_id, job.at.epoch, &self.id);
                self.release(job.at, ReleaseOutcome::Shipped, Some(Outcome::Shipped));
            }
            Err(CallError::Fenced { .. }) => {}
            Err(_) => self.disk.jobs.push(job),
        }
    }

    fn release(&mut self, at: LeaseRef, outcome: ReleaseOutcome, result: Option<Outcome>) {
        let release = ReleaseRequest {
            factory_id: self.id.clone(),
            epoch: at.epoch,
            outcome,
            result,
            metrics: None,
        };
        self.disk.outbox.push_back((at.job_id, OutboxMessage::Release(release)));
    }
}
