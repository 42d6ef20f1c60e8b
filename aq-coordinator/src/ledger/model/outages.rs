//! Coordinators that start, die and pause, as a model: when leases may end.

use std::time::Duration;

use aq_fleet::protocol::Epoch;
use stateright::{Checker, Model, Property};
use uuid::Uuid;

use crate::ledger::{CoordinatorRun, DbTime, LeaseTiming, ServiceState};

const SECOND: i64 = 1000;
const TIMING: LeaseTiming =
    LeaseTiming { lease: Duration::from_secs(3), outage: Duration::from_millis(1500) };

/// Two places for coordinators. All moments count from now on, so that time has no end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CoordinatorSite {
    /// The process there, when one runs, and whether it pauses.
    at_work: [Option<(Uuid, bool)>; 2],
    service: ServiceState,
    runs: Vec<CoordinatorRun>,
    /// The time that each has worked without a break, in seconds up to [`LONG`].
    unbroken: [u8; 2],
    /// The time that each has stood still.
    frozen: [u8; 2],
    /// For how long without a break hosts could renew.
    served: u8,
    next: u8,
    broken: Option<&'static str>,
}

/// Longer than anything here takes.
const LONG: u8 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum OutageStep {
    Start(usize),
    Kill(usize),
    Freeze(usize),
    Thaw(usize),
    /// A second passes, after which those at work tick, this one first.
    Second(usize),
}

struct OutageModel;

impl Model for OutageModel {
    type State = CoordinatorSite;
    type Action = OutageStep;

    fn init_states(&self) -> Vec<CoordinatorSite> {
        vec![CoordinatorSite {
            at_work: [None; 2],
            service: ServiceState { epoch_floor: Epoch(0), ..ServiceState::new(DbTime(0)) },
            runs: Vec::new(),
            unbroken: [0; 2],
            frozen: [0; 2],
            served: 0,
            next: 0,
            broken: None,
        }]
    }

    fn actions(&self, place: &CoordinatorSite, steps: &mut Vec<OutageStep>) {
        for n in 0..2 {
            match place.at_work[n] {
                None => steps.push(OutageStep::Start(n)),
                Some((_, false)) => steps.extend([OutageStep::Kill(n), OutageStep::Freeze(n)]),
                Some((_, true)) => steps.extend([OutageStep::Kill(n), OutageStep::Thaw(n)]),
            }
            steps.push(OutageStep::Second(n));
        }
    }

    fn next_state(&self, place: &CoordinatorSite, step: OutageStep) -> Option<CoordinatorSite> {
        let mut next = place.clone();
        match step {
            OutageStep::Start(n) => {
                next.at_work[n] = Some((Uuid::from_u128(next.next.into()), false));
                next.next += 1;
                next.tick(n);
            }
            OutageStep::Kill(n) => {
                next.at_work[n] = None;
                (next.unbroken[n], next.frozen[n]) = (0, 0);
            }
            OutageStep::Freeze(n) => {
                next.at_work[n].as_mut()?.1 = true;
                next.unbroken[n] = 0;
            }
            OutageStep::Thaw(n) => {
                next.at_work[n].as_mut()?.1 = false;
                next.frozen[n] = 0;
                next.tick(n);
            }
            OutageStep::Second(first) => next.second(first),
        }
        if !next.serves(0) && !next.serves(1) {
            next.served = 0;
        }
        next.settle();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no promise is broken", |_, place: &CoordinatorSite| {
                place.broken.is_none()
            }),
            Property::sometimes("leases end", |_, place: &CoordinatorSite| {
                place.served > 0 && place.service.may_lapse(DbTime(0))
            }),
            Property::sometimes(
                "none ends although one is at work",
                |_, place: &CoordinatorSite| {
                    place.served > 0 && !place.service.may_lapse(DbTime(0))
                },
            ),
        ]
    }
}

impl CoordinatorSite {
    fn works(&self, n: usize) -> bool {
        self.at_work[n].is_some_and(|(_, frozen)| !frozen)
    }

    /// One that pauses for a moment only has served all the time.
    fn serves(&self, n: usize) -> bool {
        let still = i64::from(self.frozen[n]) * SECOND;
        self.at_work[n].is_some() && still <= TIMING.outage.as_millis() as i64
    }

    fn id(&self, n: usize) -> Option<Uuid> {
        self.at_work[n].map(|(id, _)| id)
    }

    fn tick(&mut self, n: usize) {
        let Some(me) = self.id(n) else { return };
        let now = DbTime(0);
        if self.service.gap(now, TIMING).is_some() {
            self.service = self.service.resume(now, TIMING, Epoch(0));
        }
        self.service = self.service.tick(&mut self.runs, me, now, TIMING).0;
        self.service.epoch_floor = Epoch(0);
        let may_lapse = self.service.may_lapse(now);
        if may_lapse && u64::from(self.served) < TIMING.lease.as_secs() {
            self.broken = Some("a lease ends that could not be renewed for its whole time");
        }
        let lease = TIMING.lease.as_secs() + 1;
        if !may_lapse && u64::from(self.unbroken[n]) > lease {
            self.broken = Some("a start beside one at work keeps leases");
        }
    }

    fn second(&mut self, first: usize) {
        let older = |time: DbTime| DbTime((time.0 - SECOND).max(-i64::from(LONG) * SECOND));
        self.service.created = DbTime(0);
        self.service.last_alive = older(self.service.last_alive);
        self.service.grace_until = older(self.service.grace_until);
        for run in &mut self.runs {
            (run.since, run.seen) = (older(run.since), older(run.seen));
        }
        for n in 0..2 {
            if self.at_work[n].is_some_and(|(_, frozen)| frozen) {
                self.frozen[n] = (self.frozen[n] + 1).min(2);
            }
        }
        self.served = (self.served + 1).min(LONG);
        for n in [first, 1 - first] {
            if self.works(n) {
                self.unbroken[n] = (self.unbroken[n] + 1).min(LONG);
                self.tick(n);
            }
        }
    }

    /// Forgets what the stores forget, and numbers the processes anew.
    fn settle(&mut self) {
        let forgotten = CoordinatorRun::forgotten_after(TIMING);
        let at_work = self.at_work.map(|it| it.map(|(id, _)| id));
        self.runs.retain(|run| {
            DbTime(0).since(run.seen) <= forgotten || at_work.contains(&Some(run.id))
        });
        self.runs.sort_by_key(|run| (run.since, run.seen, run.id));
        let known: Vec<Uuid> = self.runs.iter().map(|run| run.id).collect();
        let anew = |id: Uuid| {
            Uuid::from_u128(known.iter().position(|known| *known == id).unwrap() as u128)
        };
        for run in &mut self.runs {
            run.id = anew(run.id);
        }
        for (id, _) in self.at_work.iter_mut().flatten() {
            *id = anew(*id);
        }
        self.next = self.runs.len() as u8;
    }
}

#[test]
fn no_outage_takes_a_lease() {
    // Enough for two outages, each behind a whole lease.
    let checker = OutageModel.checker().threads(2).target_max_depth(13).spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
    assert!(checker.unique_state_count() > 1000, "hardly a model");
}
