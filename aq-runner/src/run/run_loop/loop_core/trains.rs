//! Merge trains: the jobs of one target go into it one after the other. One that has to wait lets
//! the next one pass.

use std::collections::{BTreeMap, HashMap, HashSet};

use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::{JobTrouble, LoopCore, LoopEffect, LoopReport, RunLack};
use crate::run::queue::train::{TrainSeat, TrainTurn};
use crate::store::JobRecord;

/// The jobs of all trains.
#[derive(Debug, Default)]
pub(super) struct MergeTrains {
    seats: BTreeMap<JobId, TrainSeat>,
    /// Jobs whose merge goes on, with their line.
    merging: HashMap<JobId, String>,
    /// Jobs whose merge has ended, and nobody has read how.
    ended: HashSet<JobId>,
    /// Jobs whose merge this loop has tried, with the refusal that was reported last.
    tried: HashMap<JobId, Option<String>>,
}

impl MergeTrains {
    /// Takes a job in. One that was not tried by this loop is tried at once: a person may have
    /// mended what an earlier loop met.
    pub(super) fn put(&mut self, id: JobId, mut seat: TrainSeat) {
        if !self.tried.contains_key(&id) {
            (seat.not_before, seat.refusal) = (None, None);
        }
        self.seats.insert(id, seat);
    }

    /// Ends the pause of those that wait for a job, which is shipped by now.
    pub(super) fn shipped(&mut self, dep: &JobId) {
        for (id, seat) in &mut self.seats {
            if seat.awaited.as_ref() == Some(dep) {
                (seat.not_before, seat.refusal, seat.awaited) = (None, None, None);
                self.tried.remove(id);
            }
        }
    }

    /// Takes a job out.
    pub(super) fn leave(&mut self, id: &JobId) {
        self.seats.remove(id);
        self.merging.remove(id);
    }

    /// The jobs whose merge begins now: of each line that is free the first one that may.
    pub(super) fn next(&self, now: Timestamp) -> Vec<JobId> {
        let mut first: BTreeMap<&str, TrainTurn<'_>> = BTreeMap::new();
        for (id, seat) in self.waiting().filter(|(_, seat)| is_due(seat, now)) {
            let turn = seat.turn(id);
            first.entry(&seat.line).and_modify(|found| *found = turn.min(*found)).or_insert(turn);
        }
        first.into_values().map(|(_, _, id)| id.clone()).collect()
    }

    /// Notes that the merge of a job begins.
    pub(super) fn begin(&mut self, id: &JobId) {
        let Some(seat) = self.seats.get(id) else { return };
        self.merging.insert(id.clone(), seat.line.clone());
        self.tried.entry(id.clone()).or_default();
    }

    /// Notes that the worker of a job has ended.
    pub(super) fn worker_ended(&mut self, id: &JobId) {
        if self.merging.remove(id).is_some() {
            self.ended.insert(id.clone());
        }
    }

    /// The next time at which a merge may begin for that reason alone.
    pub(super) fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let pauses = self.waiting().filter_map(|(_, seat)| seat.not_before);
        pauses.filter(|&until| until > now).min()
    }

    /// Answers whether no merge goes on, or comes without a person.
    pub(super) fn is_drained(&self) -> bool {
        self.merging.is_empty() && self.seats.values().all(|seat| seat.refusal.is_some())
    }

    fn waiting(&self) -> impl Iterator<Item = (&JobId, &TrainSeat)> {
        let busy: HashSet<&str> = self.merging.values().map(String::as_str).collect();
        self.seats.iter().filter(move |(_, seat)| !busy.contains(seat.line.as_str()))
    }
}

fn is_due(seat: &TrainSeat, now: Timestamp) -> bool {
    seat.not_before.is_none_or(|at| at <= now)
}

impl LoopCore {
    /// Begins the merges that may begin. Answers whether there are any.
    pub(super) fn begin_merges(&mut self, now: Timestamp) -> bool {
        let next = self.trains.next(now);
        for id in &next {
            self.trains.begin(id);
            self.effects.push(LoopEffect::Merge(id.clone()));
        }
        !next.is_empty()
    }

    /// Reports the end of a merge, when that is what the worker of a job did. Answers whether it
    /// was.
    pub(super) fn merge_ended(
        &mut self,
        record: &JobRecord,
        lack: Option<RunLack>,
        now: Timestamp,
    ) -> bool {
        if !self.trains.ended.remove(&record.id) {
            return false;
        }
        if self.came_back(&record.id, lack, now) {
            return true;
        }
        if record.stage == Stage::Testing {
            let seat = self.trains.seats.get(&record.id);
            let refusal = seat.and_then(|seat| seat.refusal.clone());
            if seat.is_some_and(|seat| refusal.is_none() && is_due(seat, now)) {
                // Its worker did not come to an end that it could note.
                let text = format!("the merge of {} broke off", record.id);
                let place = Some(Stage::Testing);
                let trouble = JobTrouble { text, lack: None, is_held: false, place };
                self.trouble(&record.id, &trouble, now);
            } else {
                self.report_refusal(&record.id, refusal);
            }
            return true;
        }
        self.summary.failed += u32::from(record.stage == Stage::Failed);
        self.effects.push(LoopEffect::LoopReport(LoopReport::Merged(Box::new(record.clone()))));
        true
    }

    /// Reports the jobs whose merge a loop leaves to a person.
    pub(super) fn report_unmerged(&mut self) {
        let refused = self.trains.seats.iter().filter_map(|(id, seat)| {
            Some(format!("{id} stays in {}/: {}", Stage::Testing, seat.refusal.as_ref()?))
        });
        for words in refused.collect::<Vec<_>>() {
            self.report_trouble(words);
        }
    }

    /// Reports why a merge needs a person, once. A loop that drains the queue does so at its end.
    fn report_refusal(&mut self, id: &JobId, refusal: Option<String>) {
        let last = self.trains.tried.entry(id.clone()).or_default();
        if *last == refusal {
            return;
        }
        last.clone_from(&refusal);
        if let Some(refusal) = refusal.filter(|_| !self.once) {
            self.report_trouble(format!("{id} waits in {}/: {refusal}", Stage::Testing));
        }
    }
}

#[cfg(test)]
mod tests {
    use aq_manifest::Priority;
    use proptest::prelude::*;

    use super::super::tests::{at, id};
    use super::*;

    fn seat(line: usize, priority: Priority, since: i64, pause: Option<i64>) -> TrainSeat {
        let (line, since, not_before) = (format!("main {line}"), at(since), pause.map(at));
        TrainSeat { line, priority, since, not_before, refusal: None, awaited: None }
    }

    #[test]
    fn urgent_jobs_go_first() {
        let mut trains = MergeTrains::default();
        for (job, seat) in [
            ("a", seat(0, Priority::Medium, 5, None)),
            ("b", seat(0, Priority::Medium, 3, None)),
            ("c", seat(0, Priority::High, 9, None)),
            ("d", seat(1, Priority::Low, 9, None)),
        ] {
            trains.put(id(job), seat);
        }
        let mut order = Vec::new();
        while let [first, ..] = &trains.next(at(10))[..] {
            order.push(first.to_string());
            trains.leave(&first.clone());
        }
        assert_eq!(order, ["c", "b", "a", "d"]);
        assert!(trains.is_drained());
    }

    #[test]
    fn waiting_jobs_let_others_pass() {
        let mut trains = MergeTrains::default();
        trains.put(id("a"), seat(0, Priority::High, 1, Some(90)));
        trains.put(id("b"), seat(0, Priority::Low, 2, None));
        assert_eq!(trains.next(at(10)), [id("a")], "this loop has not tried it");
        trains.begin(&id("a"));
        assert_eq!(trains.next(at(10)), [], "one at a time");
        trains.worker_ended(&id("a"));
        let refused =
            TrainSeat { refusal: Some("x".to_owned()), ..seat(0, Priority::High, 1, Some(90)) };
        trains.put(id("a"), refused);
        assert_eq!((trains.next(at(10)), trains.wake_at(at(10))), (vec![id("b")], Some(at(90))));
        assert!(!trains.is_drained());
        trains.leave(&id("b"));
        assert!(trains.is_drained(), "a person comes next");
        assert_eq!(trains.next(at(90)), [id("a")]);
    }

    #[test]
    fn shipped_deps_end_waits() {
        let mut trains = MergeTrains::default();
        let first = |pause| seat(0, Priority::High, 1, pause);
        let waits = |dep: &str| TrainSeat {
            refusal: Some(format!("builds on {dep}")),
            awaited: Some(id(dep)),
            ..first(Some(90))
        };
        for (job, dep) in [("a", "x"), ("b", "y")] {
            trains.put(id(job), first(None));
            trains.begin(&id(job));
            trains.worker_ended(&id(job));
            trains.put(id(job), waits(dep));
        }
        assert!(trains.is_drained());
        trains.shipped(&id("y"));
        assert_eq!((trains.next(at(10)), trains.is_drained()), (vec![id("b")], false));
        // It is looked at before its turn has come.
        trains.put(id("b"), waits("y"));
        assert_eq!(trains.next(at(10)), [id("b")]);
        assert_eq!(trains.wake_at(at(10)), Some(at(90)), "the other one waits");
    }

    proptest! {
        #[test]
        fn trains_have_one_order(
            jobs in prop::collection::vec((0..3usize, 0..3usize, 0..4i64, 0..20i64), 1..12),
            now in 0..20i64,
        ) {
            let all: Vec<(JobId, TrainSeat)> = jobs
                .iter()
                .enumerate()
                .map(|(n, &(line, priority, since, pause))| {
                    let priority = Priority::ALL[priority];
                    (id(&format!("j{n}")), seat(line, priority, since, Some(pause)))
                })
                .collect();
            let taken = |order: Vec<&(JobId, TrainSeat)>| {
                let mut trains = MergeTrains::default();
                for (id, seat) in order {
                    trains.tried.insert(id.clone(), None);
                    trains.put(id.clone(), seat.clone());
                }
                trains.next(at(now))
            };
            let next = taken(all.iter().collect());
            prop_assert_eq!(&next, &taken(all.iter().rev().collect()));
            for (id, seat) in all.iter().filter(|(_, seat)| is_due(seat, at(now))) {
                let of_line = |other: &&(JobId, TrainSeat)| {
                    other.1.line == seat.line && next.contains(&other.0)
                };
                let firsts: Vec<_> = all.iter().filter(of_line).collect();
                prop_assert_eq!(firsts.len(), 1);
                prop_assert!(firsts[0].1.turn(&firsts[0].0) <= seat.turn(id));
            }
        }
    }
}
