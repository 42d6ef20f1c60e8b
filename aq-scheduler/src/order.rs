//! The order in which waiting jobs will run, as far as it can be told beforehand.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use aq_manifest::JobId;
use jiff::Timestamp;

use crate::Queue;
use crate::arena::{JobIx, Slot};
use crate::queue::At;

impl Queue {
    /// The waiting jobs in the order in which they will run: as if one ran at a time, each ended
    /// well at once, and a pause lasted longer than all jobs without one. Jobs that wait for a
    /// key which no live job can satisfy come last. `O((jobs + deps) log jobs)`.
    pub fn order(&self) -> Vec<&JobId> {
        let waiting = |ix: JobIx| matches!(self.jobs[ix].at, At::Waiting(_));
        let mut ranked: Vec<_> = self.jobs.iter().map(|(ix, entry)| entry.rank(ix)).collect();
        ranked.sort_unstable();
        let ranks: Vec<JobIx> = ranked.into_iter().map(|rank| rank.job).collect();
        let mut run = Run {
            queue: self,
            position: vec![0; self.jobs.places()],
            unmet: vec![0; self.jobs.places()],
            done: vec![false; self.graph.key_places()],
            next: BinaryHeap::new(),
        };
        for (position, &ix) in ranks.iter().enumerate() {
            run.position[ix.place()] = position;
            run.unmet[ix.place()] = self.graph.unmet(ix);
        }
        for &ix in &ranks {
            if !waiting(ix) {
                run.end(ix, Timestamp::MIN);
            } else if self.graph.unmet(ix) == 0 {
                run.ready(ix, Timestamp::MIN);
            }
        }
        let mut order = Vec::with_capacity(self.counts().waiting as usize);
        while let Some(Reverse((time, position))) = run.next.pop() {
            let ix = ranks[position];
            order.push(&self.jobs[ix].id);
            run.end(ix, time);
        }
        let stuck = ranks.iter().filter(|&&ix| waiting(ix) && run.unmet[ix.place()] > 0);
        order.extend(stuck.map(|&ix| &self.jobs[ix].id));
        order
    }
}

/// The imagined run.
struct Run<'a> {
    queue: &'a Queue,
    /// Each job's place in the order of ranks.
    position: Vec<usize>,
    unmet: Vec<u32>,
    /// Keys that a job of the run satisfied.
    done: Vec<bool>,
    /// Earliest start and position of the jobs that can go.
    next: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

impl Run<'_> {
    fn ready(&mut self, ix: JobIx, time: Timestamp) {
        if let At::Waiting(not_before) = self.queue.jobs[ix].at {
            let pause = not_before.filter(|&until| until > self.queue.now());
            let time = pause.map_or(time, |until| until.max(time));
            self.next.push(Reverse((time, self.position[ix.place()])));
        }
    }

    fn end(&mut self, ix: JobIx, time: Timestamp) {
        let Some(key) = self.queue.graph.key_of(ix) else { return };
        if std::mem::replace(&mut self.done[key.place()], true) {
            return;
        }
        for job in self.queue.graph.awaiting(key) {
            self.unmet[job.place()] -= 1;
            if self.unmet[job.place()] == 0 {
                self.ready(job, time);
            }
        }
    }
}
