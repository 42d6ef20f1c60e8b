//! A state of the model, as small as it can be.

use aq_fleet::protocol::{Epoch, ReleaseOutcome};
use aq_manifest::{Outcome, Stage};

use crate::ledger::samples::{claimant, factory, waiting};
use crate::ledger::{ActiveLease, DbTime, FleetJob, LeaseStatus};

/// Two hosts.
pub(super) const HOSTS: [&str; 2] = ["one", "two"];

/// A job's row, without what only counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ModelRow {
    pub(super) stage: Stage,
    pub(super) epoch: u64,
    pub(super) tenure: Option<(u8, u64, LeaseStatus)>,
    pub(super) locked: bool,
    pub(super) cancel: bool,
    pub(super) doubted: bool,
    /// Its lease was renewed since the restore.
    pub(super) renewed: bool,
}

/// A host's belief about a job that it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct HostBelief {
    pub(super) epoch: u64,
    pub(super) work: ModelWork,
}

/// The job's progress there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ModelWork {
    Building,
    Tested,
    /// It has asked whether it may ship.
    Asked,
}

/// Something on its way. It may arrive late, twice, in any order, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ModelMessage {
    pub(super) host: u8,
    pub(super) job: u8,
    pub(super) epoch: u64,
    pub(super) says: MessageBody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum MessageBody {
    Claim,
    Renew,
    Tested,
    Ship,
    Requeue,
    Failed,
    // Answers.
    Granted,
    Fenced,
    MayShip,
}

/// The whole fleet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ModelFleet {
    pub(super) jobs: Vec<ModelRow>,
    /// By host and job.
    pub(super) beliefs: Vec<Vec<Option<HostBelief>>>,
    /// Sorted.
    pub(super) network: Vec<ModelMessage>,
    /// A coordinator was away: nothing lapses yet.
    pub(super) grace: bool,
    /// The host that has shipped each job on its own disk.
    pub(super) shipped: Vec<Option<(u8, u64)>>,
    /// The jobs as they were when a backup was made.
    pub(super) backup: Option<Vec<ModelRow>>,
    /// It was restored, and these hosts have registered since.
    pub(super) settles: bool,
    pub(super) spoke: [bool; 2],
    /// The highest epoch of each job that was ever drawn, also in time that is lost.
    pub(super) highest: Vec<u64>,
    /// The promise that was broken on the way here.
    pub(super) broken: Option<&'static str>,
}

impl ModelRow {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Inbox,
            epoch: 0,
            tenure: None,
            locked: false,
            cancel: false,
            doubted: false,
            renewed: false,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage.is_final()
    }

    /// The row for the rules. All moments are the same: leases end when the model says so.
    pub(super) fn row(&self, job: u8) -> FleetJob {
        let mut row = waiting(u128::from(job) + 1, Some("lock"));
        row.stage = self.stage;
        row.result = match self.stage {
            Stage::Shipped => Some(Outcome::Shipped),
            Stage::Failed => Some(Outcome::Crash),
            _ => None,
        };
        row.epoch = Epoch(self.epoch);
        row.tenure = self.tenure.map(|(host, last_seq, hold)| ActiveLease {
            factory: factory(HOSTS[usize::from(host)]),
            instance: None,
            request: claimant("any").request,
            started: DbTime(0),
            until: DbTime(i64::from(self.renewed)),
            last_seq,
            hold,
        });
        row.held_lock = self.locked.then(|| "lock".to_owned());
        row.cancel = self.cancel;
        row.doubted = self.doubted;
        row
    }

    pub(super) fn of(row: &FleetJob) -> Self {
        let host = |tenure: &ActiveLease| u8::from(tenure.factory.as_str() == HOSTS[1]);
        Self {
            stage: row.stage,
            epoch: row.epoch.0,
            tenure: row.tenure.as_ref().map(|it| (host(it), it.last_seq, it.hold)),
            locked: row.held_lock.is_some(),
            cancel: row.cancel,
            doubted: row.doubted,
            renewed: row.tenure.as_ref().is_some_and(|tenure| tenure.until == DbTime(1)),
        }
    }
}

impl MessageBody {
    pub(super) fn outcome(self) -> ReleaseOutcome {
        if self == Self::Requeue { ReleaseOutcome::Requeue } else { ReleaseOutcome::Failed }
    }
}

impl ModelFleet {
    pub(super) fn new(jobs: usize) -> Self {
        Self {
            jobs: vec![ModelRow::new(); jobs],
            beliefs: vec![vec![None; jobs]; HOSTS.len()],
            network: Vec::new(),
            grace: false,
            shipped: vec![None; jobs],
            backup: None,
            settles: false,
            spoke: [false; 2],
            highest: vec![0; jobs],
            broken: None,
        }
    }

    pub(super) fn belief(&mut self, host: u8, job: u8) -> &mut Option<HostBelief> {
        &mut self.beliefs[usize::from(host)][usize::from(job)]
    }

    /// Puts a message on its way, unless as many as the model follows are: then it is lost.
    pub(super) fn send(&mut self, message: ModelMessage, room: usize) {
        if self.network.len() < room && !self.network.contains(&message) {
            self.network.push(message);
        }
    }

    /// Numbers the epochs of each job anew, in their order, so that time can go on for ever in a
    /// finite model. Only their order counts.
    pub(super) fn settle(&mut self) {
        for job in 0..self.jobs.len() {
            let at = job as u8;
            let mut known: Vec<u64> = vec![0, self.jobs[job].epoch];
            known.extend(self.beliefs.iter().filter_map(|all| all[job]).map(|it| it.epoch));
            known.extend(self.network.iter().filter(|it| it.job == at).map(|it| it.epoch));
            known.extend(self.shipped[job].map(|(_, epoch)| epoch));
            known.extend(self.backup.iter().map(|jobs| jobs[job].epoch));
            known.push(self.highest[job]);
            known.sort_unstable();
            known.dedup();
            let rank = |epoch: u64| known.binary_search(&epoch).unwrap() as u64;
            self.jobs[job].epoch = rank(self.jobs[job].epoch);
            for belief in self.beliefs.iter_mut().filter_map(|all| all[job].as_mut()) {
                belief.epoch = rank(belief.epoch);
            }
            for message in self.network.iter_mut().filter(|it| it.job == at) {
                message.epoch = rank(message.epoch);
            }
            if let Some((_, epoch)) = &mut self.shipped[job] {
                *epoch = rank(*epoch);
            }
            if let Some(backup) = &mut self.backup {
                backup[job].epoch = rank(backup[job].epoch);
            }
            self.highest[job] = rank(self.highest[job]);
        }
        self.network.sort_unstable();
    }
}
