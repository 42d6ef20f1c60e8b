//! The events of the model.

use std::time::Duration;

use aq_fleet::protocol::{EndedFleetJob, Epoch, ReleaseOutcome};
use aq_manifest::Stage;
use stateright::{Model, Property};

use super::state::{HOSTS, HostBelief, MessageBody, ModelFleet, ModelMessage, ModelRow, ModelWork};
use crate::ledger::samples::{caller, claimant, factory, let_go, said};
use crate::ledger::{
    DbTime, FleetJob, GrantResult, LeaseEnd, LeaseStatus, LeaseTiming, LedgerRefusal,
    RenewalResult, ServiceState, cancel, ended, grant, lapse, release, renew, report, requeue,
};

/// A model of this size.
#[derive(Clone, Debug)]
pub(super) struct ModelSize {
    pub(super) jobs: usize,
    /// Messages on their way at the same time.
    pub(super) room: usize,
    /// A person stops jobs and puts them back.
    pub(super) operator: bool,
    /// Hosts restart or lose their disks, and coordinators are away.
    pub(super) restarts: bool,
    /// Both hosts want every job; else each wants one, and they meet at the lock alone.
    pub(super) rivals: bool,
    /// A backup is made and restored. What is on its way then is lost with the coordinator.
    pub(super) restores: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ModelStep {
    /// A host sends something.
    Send(ModelMessage),
    /// It arrives; the copy that stays is for when it arrives twice.
    Arrive {
        message: ModelMessage,
        stays: bool,
    },
    Lose(ModelMessage),
    /// The sweep ends a lease.
    Lapse(u8),
    /// A coordinator was away and is back.
    Outage,
    GraceEnds,
    /// A host's loop starts again: it has its jobs, and forgets what it has asked.
    Restart(u8),
    /// A host comes back with an empty disk.
    Wipe(u8),
    Cancel(u8),
    PutBack(u8),
    BackUp,
    Restore,
    /// A host registers, and says what it has shipped.
    Register(u8),
    /// Hosts have had their time.
    Settle,
}

impl Model for ModelSize {
    type State = ModelFleet;
    type Action = ModelStep;

    fn init_states(&self) -> Vec<ModelFleet> {
        vec![ModelFleet::new(self.jobs)]
    }

    fn actions(&self, fleet: &ModelFleet, steps: &mut Vec<ModelStep>) {
        for message in &fleet.network {
            steps.push(ModelStep::Lose(*message));
            for stays in [false, true] {
                steps.push(ModelStep::Arrive { message: *message, stays });
            }
        }
        for host in 0..HOSTS.len() as u8 {
            for job in (0..self.jobs as u8).filter(|&job| self.rivals || job == host) {
                let belief = fleet.beliefs[usize::from(host)][usize::from(job)];
                let epoch = belief.map_or(0, |belief| belief.epoch);
                let says: &[MessageBody] = match belief.map(|belief| belief.work) {
                    None => &[MessageBody::Claim],
                    Some(ModelWork::Building) => &[
                        MessageBody::Renew,
                        MessageBody::Tested,
                        MessageBody::Requeue,
                        MessageBody::Failed,
                    ],
                    Some(ModelWork::Tested) => {
                        &[MessageBody::Renew, MessageBody::Ship, MessageBody::Failed]
                    }
                    Some(ModelWork::Asked) => &[MessageBody::Renew, MessageBody::Ship],
                };
                for &says in says {
                    steps.push(ModelStep::Send(ModelMessage { host, job, epoch, says }));
                }
            }
            if self.restarts {
                steps.push(ModelStep::Restart(host));
                steps.push(ModelStep::Wipe(host));
            }
        }
        if self.restarts {
            steps.push(if fleet.grace { ModelStep::GraceEnds } else { ModelStep::Outage });
        }
        if self.restores {
            steps.push(if fleet.backup.is_some() { ModelStep::Restore } else { ModelStep::BackUp });
        }
        if fleet.settles {
            let silent = (0..HOSTS.len() as u8).find(|&host| !fleet.spoke[usize::from(host)]);
            steps.push(silent.map_or(ModelStep::Settle, ModelStep::Register));
        }
        for job in 0..self.jobs as u8 {
            if !fleet.grace && !fleet.settles {
                steps.push(ModelStep::Lapse(job));
            }
            if self.operator {
                steps.push(ModelStep::Cancel(job));
                steps.push(ModelStep::PutBack(job));
            }
        }
    }

    fn next_state(&self, fleet: &ModelFleet, step: ModelStep) -> Option<ModelFleet> {
        let mut next = fleet.clone();
        match step {
            ModelStep::Send(message) => self.send(&mut next, message),
            ModelStep::Arrive { message, stays } => {
                if !stays {
                    next.network.retain(|it| *it != message);
                }
                self.arrive(&mut next, message);
            }
            ModelStep::Lose(message) => next.network.retain(|it| *it != message),
            ModelStep::Lapse(job) => {
                let row = row(&next, job);
                let lapsed = lapse(&row, DbTime(2))?;
                write(&mut next, job, &row, &lapsed);
            }
            ModelStep::Outage => next.grace = true,
            ModelStep::GraceEnds => next.grace = false,
            ModelStep::Restart(host) => {
                for belief in next.beliefs[usize::from(host)].iter_mut().flatten() {
                    if belief.work == ModelWork::Asked {
                        belief.work = ModelWork::Tested;
                    }
                }
            }
            ModelStep::Wipe(host) => next.beliefs[usize::from(host)].fill(None),
            ModelStep::Cancel(job) => wish(&mut next, job, cancel)?,
            ModelStep::PutBack(job) => wish(&mut next, job, |job| requeue(job, true))?,
            ModelStep::BackUp => next.backup = Some(next.jobs.clone()),
            ModelStep::Restore => {
                next.jobs = next.backup.take()?;
                for (job, slot) in next.jobs.iter_mut().enumerate() {
                    let row = slot.row(job as u8);
                    if !row.stage.is_final() {
                        *slot = ModelRow { renewed: false, ..ModelRow::of(&row.doubt()) };
                    }
                }
                next.network.clear();
                (next.settles, next.spoke) = (true, [false; 2]);
            }
            ModelStep::Register(host) => {
                next.spoke[usize::from(host)] = true;
                for job in 0..self.jobs as u8 {
                    register(&mut next, host, job);
                }
            }
            ModelStep::Settle => {
                next.settles = false;
                for slot in 0..self.jobs as u8 {
                    let row = row(&next, slot);
                    let settled = RESTORED.settle(&row, LeaseTiming::new(Duration::ZERO));
                    next.jobs[usize::from(slot)] = ModelRow::of(&settled);
                }
            }
        }
        let held = next.jobs.iter().filter(|job| job.locked).count();
        if held > 1 {
            next.broken = Some("a lock is held twice");
        }
        next.settle();
        (next != *fleet).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no promise is broken", |_, fleet: &ModelFleet| {
                fleet.broken.is_none()
            }),
            Property::sometimes("a job ships", |_, fleet: &ModelFleet| {
                fleet.shipped.iter().any(Option::is_some)
            }),
            Property::sometimes(
                "both hosts believe in what one can have",
                |_, fleet: &ModelFleet| {
                    fleet.beliefs.iter().all(|all| all.iter().any(Option::is_some))
                },
            ),
            Property::sometimes(
                "a job that was shipped is in doubt",
                |world: &Self, fleet: &ModelFleet| {
                    let lost = |(job, by): (&ModelRow, &Option<_>)| by.is_some() && !job.is_over();
                    !world.restores || fleet.jobs.iter().zip(&fleet.shipped).any(lost)
                },
            ),
            Property::sometimes("a late renewal comes first", |_, fleet: &ModelFleet| {
                fleet.network.iter().any(|message| {
                    let job = &fleet.jobs[usize::from(message.job)];
                    let lapsed = matches!(job.tenure, Some((_, _, LeaseStatus::Lapsed)));
                    message.says == MessageBody::Renew && message.epoch == job.epoch && lapsed
                })
            }),
        ]
    }
}

/// The restore was at the second moment, and what was renewed since is held until then.
const RESTORED: ServiceState =
    ServiceState { restored: Some(DbTime(1)), ..ServiceState::new(DbTime(0)) };

/// A host says how it ended a job, if it did.
fn register(fleet: &mut ModelFleet, host: u8, job: u8) {
    let Some((_, epoch)) = fleet.shipped[usize::from(job)].filter(|(by, _)| *by == host) else {
        return;
    };
    let before = row(fleet, job);
    let said = EndedFleetJob {
        n: 1,
        job_id: before.id,
        key: before.key.clone(),
        epoch: Epoch(epoch),
        outcome: ReleaseOutcome::Shipped,
    };
    if let Some(after) = ended(&before, &factory(HOSTS[usize::from(host)]), &said) {
        write(fleet, job, &before, &after);
    }
}

fn row(fleet: &ModelFleet, job: u8) -> FleetJob {
    fleet.jobs[usize::from(job)].row(job)
}

fn wish(
    fleet: &mut ModelFleet,
    job: u8,
    rule: fn(&FleetJob) -> Result<FleetJob, LedgerRefusal>,
) -> Option<()> {
    let row = row(fleet, job);
    let changed = rule(&row).ok()?;
    write(fleet, job, &row, &changed);
    Some(())
}

/// Checks the conditions that every write has to keep, whoever asked for it.
fn write(fleet: &mut ModelFleet, job: u8, before: &FleetJob, after: &FleetJob) {
    if after.epoch < before.epoch {
        fleet.broken = Some("an epoch goes back");
    }
    if before.stage == Stage::Shipped && after.stage != Stage::Shipped {
        fleet.broken = Some("what is shipped comes back");
    }
    fleet.jobs[usize::from(job)] = ModelRow::of(after);
}

impl ModelSize {
    fn send(&self, fleet: &mut ModelFleet, message: ModelMessage) {
        let belief = fleet.belief(message.host, message.job);
        match (message.says, belief.as_mut()) {
            (MessageBody::Tested, Some(belief)) => belief.work = ModelWork::Tested,
            (MessageBody::Ship, Some(belief)) => belief.work = ModelWork::Asked,
            // It has moved the job away; repeating the release is all that it still does.
            (MessageBody::Requeue | MessageBody::Failed, _) => *belief = None,
            _ => {}
        }
        fleet.send(message, self.room);
    }

    fn arrive(&self, fleet: &mut ModelFleet, message: ModelMessage) {
        match message.says {
            MessageBody::Granted | MessageBody::Fenced | MessageBody::MayShip => {
                told(fleet, message);
            }
            _ => {
                let says = decide(fleet, message);
                if let Some((says, epoch)) = says {
                    fleet.send(ModelMessage { says, epoch, ..message }, self.room);
                }
            }
        }
    }
}

/// A coordinator gets a request, and answers.
fn decide(fleet: &mut ModelFleet, message: ModelMessage) -> Option<(MessageBody, u64)> {
    let ModelMessage { host, job, epoch, says } = message;
    let name = HOSTS[usize::from(host)];
    let before = row(fleet, job);
    let mut others = fleet.jobs.iter().enumerate().filter(|(at, _)| *at != usize::from(job));
    let free = others.all(|(_, other)| !other.locked);
    let lease = Duration::ZERO;
    let now = DbTime(i64::from(fleet.settles));
    let after = match says {
        MessageBody::Claim => {
            // The same claim again, or a new one.
            if before.holder().is_some_and(|holder| holder.as_str() == name) {
                return Some((MessageBody::Granted, before.epoch.0));
            }
            let floor = Epoch(fleet.highest[usize::from(job)] + 1);
            let granted = grant(&before, &claimant(name), DbTime(0), lease, floor, free);
            let Ok(GrantResult::Granted(after)) = granted else { return None };
            if after.epoch <= before.epoch || after.epoch < floor {
                fleet.broken = Some("an epoch is used twice");
            }
            fleet.highest[usize::from(job)] = after.epoch.0;
            write(fleet, job, &before, &after);
            return Some((MessageBody::Granted, after.epoch.0));
        }
        MessageBody::Renew => match renew(&before, &caller(name, epoch), now, lease, free) {
            Ok(RenewalResult::Held(after)) => {
                Ok(ServiceState { settles: fleet.settles, ..RESTORED }.renewed(after))
            }
            Ok(RenewalResult::Lost(after)) => {
                write(fleet, job, &before, &after);
                Err(())
            }
            Err(_) => Err(()),
        },
        MessageBody::Tested => {
            report(&before, &said(name, epoch, 1, Stage::Testing)).map_err(|_| ())
        }
        MessageBody::Ship if fleet.settles => return None,
        MessageBody::Ship => report(&before, &said(name, epoch, 2, Stage::Shipped)).map_err(|_| ()),
        _ => release(&before, None, &let_go(name, epoch, says.outcome())).map_err(|_| ()),
    };
    let Ok(after) = after else { return Some((MessageBody::Fenced, epoch)) };
    let owner = before.holder().is_some_and(|holder| holder.as_str() == name);
    if after != before && !(owner && before.epoch.0 == epoch) {
        fleet.broken = Some("a write from a stale epoch was accepted");
    }
    write(fleet, job, &before, &after);
    (says == MessageBody::Ship).then_some((MessageBody::MayShip, epoch))
}

/// A host gets an answer.
fn told(fleet: &mut ModelFleet, message: ModelMessage) {
    let ModelMessage { host, job, epoch, says } = message;
    let belief = *fleet.belief(host, job);
    let is_current = belief.is_some_and(|belief| belief.epoch == epoch);
    match says {
        MessageBody::Granted if belief.is_none_or(|belief| belief.epoch < epoch) => {
            *fleet.belief(host, job) = Some(HostBelief { epoch, work: ModelWork::Building });
        }
        MessageBody::Fenced if is_current => *fleet.belief(host, job) = None,
        MessageBody::MayShip
            if is_current && belief.is_some_and(|it| it.work == ModelWork::Asked) =>
        {
            let slot = &fleet.jobs[usize::from(job)];
            let by = |hold| hold == LeaseStatus::Ended(LeaseEnd::Released(ReleaseOutcome::Shipped));
            let decided = slot.stage == Stage::Shipped
                && slot.epoch == epoch
                && slot.tenure.is_some_and(|(by_host, _, hold)| by_host == host && by(hold));
            let known = fleet.shipped[usize::from(job)];
            if !decided {
                fleet.broken = Some("a host ships what the ledger has not decided");
            } else if known.is_some_and(|known| known != (host, epoch)) {
                fleet.broken = Some("a job is shipped twice");
            }
            fleet.shipped[usize::from(job)] = Some((host, epoch));
            *fleet.belief(host, job) = None;
        }
        _ => {}
    }
}
