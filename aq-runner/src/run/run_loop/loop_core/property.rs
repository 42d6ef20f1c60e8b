//! Random happenings on a naive host, in every order.

use aq_manifest::Stage;
use aq_scheduler::HostLack;
use proptest::prelude::*;

use super::naive_host::{LaunchFault, NaiveHost, NaiveJob, name};
use super::tests::at;
use super::*;

const JOBS: usize = 6;

/// Something that happens while the loop sleeps.
#[derive(Clone, Copy, Debug)]
enum SleepEvent {
    Add {
        job: usize,
        lock: Option<usize>,
        engine: usize,
        held: bool,
        pause: i64,
    },
    Hold(usize, bool),
    Remove(usize),
    End(usize, ModelEnd),
    /// Another process has a job's record, or lets go of it.
    Grip(usize, bool),
    /// The next launch of a job goes wrong.
    Spoil(usize, LaunchFault),
    /// An engine rests, for so long.
    Cool(usize, i64),
    Room(bool),
    /// A person has a job verified, with a worker of their own.
    Promote(usize),
    Pass(i64),
    SetBack(i64),
}

#[derive(Clone, Copy, Debug)]
enum ModelEnd {
    Done,
    Retry(i64),
    Lack(i64),
}

fn happening() -> impl Strategy<Value = SleepEvent> {
    let job = || 0..JOBS;
    let end = prop_oneof![
        Just(ModelEnd::Done),
        (0..40i64).prop_map(ModelEnd::Retry),
        (0..40i64).prop_map(ModelEnd::Lack)
    ];
    let spoil = prop_oneof![Just(LaunchFault::Failure), Just(LaunchFault::Change)];
    prop_oneof![
        4 => (job(), proptest::option::of(0..2usize), 0..2usize, any::<bool>(), 0..40i64).prop_map(
            |(job, lock, engine, held, pause)| {
                let held = held && pause % 3 == 0;
                SleepEvent::Add { job, lock, engine, held, pause: (pause - 20).max(0) }
            }
        ),
        1 => (job(), any::<bool>()).prop_map(|(job, held)| SleepEvent::Hold(job, held)),
        1 => job().prop_map(SleepEvent::Remove),
        4 => (job(), end).prop_map(|(job, end)| SleepEvent::End(job, end)),
        2 => (job(), any::<bool>()).prop_map(|(job, grip)| SleepEvent::Grip(job, grip)),
        1 => (job(), spoil).prop_map(|(job, spoil)| SleepEvent::Spoil(job, spoil)),
        2 => (0..2usize, 0..50i64).prop_map(|(engine, time)| SleepEvent::Cool(engine, time)),
        1 => any::<bool>().prop_map(SleepEvent::Room),
        1 => job().prop_map(SleepEvent::Promote),
        4 => (1..70i64).prop_map(SleepEvent::Pass),
        1 => (1..50i64).prop_map(SleepEvent::SetBack),
    ]
}

impl NaiveHost {
    fn touched(&mut self, job: usize) {
        self.wake(vec![LoopEvent::JobTouched(name(job))]);
    }

    fn happen(&mut self, happening: SleepEvent) {
        let now = self.now;
        match happening {
            SleepEvent::Add { job, lock, engine, held, pause } if !self.jobs.contains_key(&job) => {
                let (stage, not_before) = (Stage::Inbox, now + pause);
                let (lack, is_gripped, spoil) = (false, false, None);
                let added =
                    NaiveJob { stage, lock, engine, held, not_before, lack, is_gripped, spoil };
                self.jobs.insert(job, added);
                self.touched(job);
            }
            SleepEvent::Hold(job, held) => {
                let Some(found) = self.jobs.get_mut(&job) else { return };
                found.held = held;
                self.touched(job);
            }
            SleepEvent::Remove(job) => {
                if self.running.contains(&job) || self.awaited.contains(&job) {
                    return;
                }
                self.jobs.remove(&job);
                self.touched(job);
            }
            SleepEvent::End(job, end) => {
                if !self.running.remove(&job) {
                    return;
                }
                let found = self.jobs.get_mut(&job).expect("it runs");
                found.lack = matches!(end, ModelEnd::Lack(_));
                found.stage = Stage::Inbox;
                match end {
                    ModelEnd::Done => found.stage = Stage::Shipped,
                    ModelEnd::Retry(pause) | ModelEnd::Lack(pause) => {
                        found.not_before = now + pause;
                    }
                }
                self.wake(vec![LoopEvent::WorkerEnded(name(job))]);
            }
            SleepEvent::Grip(job, grip) => {
                let Some(found) = self.jobs.get_mut(&job) else { return };
                found.is_gripped = grip && !self.running.contains(&job);
                if !found.is_gripped && self.awaited.remove(&job) {
                    self.wake(vec![LoopEvent::JobFreed(name(job))]);
                }
            }
            SleepEvent::Spoil(job, spoil) => {
                if let Some(found) = self.jobs.get_mut(&job) {
                    found.spoil = Some(spoil);
                }
            }
            SleepEvent::Cool(engine, time) => {
                self.cooling[engine] = (time > 0).then_some(now + time);
                let engines = self.engines();
                self.wake(vec![engines]);
            }
            SleepEvent::Room(has_room) => {
                self.has_room = has_room;
                let lack = (!has_room).then_some(HostLack::Room { free: 1, mark: 2 });
                self.wake(vec![LoopEvent::RoomRead(lack)]);
            }
            SleepEvent::Promote(job) => {
                let Some(found) = self.jobs.get_mut(&job) else { return };
                let is_known = !self.core.is_left_alone(&name(job), at(now));
                if found.stage == Stage::Inbox && !found.is_gripped && is_known {
                    found.stage = Stage::Review;
                    self.running.insert(job);
                    self.touched(job);
                }
            }
            SleepEvent::Pass(time) => self.pass(time),
            SleepEvent::SetBack(time) => {
                self.now -= time;
                // As the readers do: what a clock that was wrong has written does not count.
                for job in self.jobs.values_mut() {
                    job.not_before = job.not_before.min(self.now);
                }
                self.cooling = [None; 2];
                self.wake(vec![LoopEvent::ClockSetBack]);
            }
            SleepEvent::Add { .. } => {}
        }
    }

    /// Time passes in which nothing happens: the loop wakes by itself.
    fn pass(&mut self, time: i64) {
        let end = self.now + time;
        while self.now + self.limit <= end {
            self.now += self.limit;
            self.wake(Vec::new());
        }
        self.limit -= end - self.now;
        self.now = end;
    }
}

proptest! {
    #[test]
    fn loops_keep_the_rules(happenings in prop::collection::vec(happening(), 1..60)) {
        let mut host = NaiveHost::new();
        host.wake(Vec::new());
        for happening in happenings {
            host.happen(happening);
        }
    }
}
