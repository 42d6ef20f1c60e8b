//! The order in which waiting jobs will run, as far as it is known beforehand.

mod positions;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use aq_manifest::JobId;
use jiff::Timestamp;

use crate::JobQueue;
use crate::arena::{ArenaIndex, JobIx};
use crate::queue::SlotState;
use positions::PositionSet;

impl JobQueue {
    /// The waiting jobs in the order in which they will run: as if one ran at a time, each ended
    /// well at once, and a pause lasted longer than all jobs without one. Jobs that wait for a
    /// key which no live job can satisfy, and those that are held, come last. `O((jobs + deps) log
    /// jobs)`.
    pub fn order(&self) -> Vec<&JobId> {
        let waiting = |ix: JobIx| matches!(self.jobs[ix].at, SlotState::Waiting(_));
        let mut ranked: Vec<_> =
            self.jobs.iter().map(|(ix, entry)| (entry.urgency_and_age(), ix)).collect();
        ranked.sort_unstable_by(|(a, a_ix), (b, b_ix)| {
            a.cmp(b).then_with(|| self.jobs[*a_ix].id.cmp(&self.jobs[*b_ix].id))
        });
        let ranks: Vec<JobIx> = ranked.into_iter().map(|(_, ix)| ix).collect();
        let mut run = ImaginedRun {
            queue: self,
            position: vec![0; self.jobs.places()],
            unmet: vec![0; self.jobs.places()],
            done: vec![false; self.graph.key_places()],
            time: Timestamp::MIN,
            ready: PositionSet::below(ranks.len()),
            later: BinaryHeap::new(),
        };
        for (position, &ix) in ranks.iter().enumerate() {
            run.position[ix.place()] = position;
            run.unmet[ix.place()] = self.graph.unmet(ix);
        }
        for &ix in &ranks {
            if !waiting(ix) {
                run.end(ix);
            } else if self.graph.unmet(ix) == 0 {
                run.enter(ix);
            }
        }
        let mut order = Vec::with_capacity(self.counts().waiting as usize);
        while let Some(position) = run.next() {
            let ix = ranks[position];
            order.push(&self.jobs[ix].id);
            run.end(ix);
        }
        let is_stuck = |ix: JobIx| run.unmet[ix.place()] > 0 || self.jobs[ix].held;
        let stuck = ranks.iter().filter(|&&ix| waiting(ix) && is_stuck(ix));
        order.extend(stuck.map(|&ix| &self.jobs[ix].id));
        order
    }
}

/// The imagined run.
struct ImaginedRun<'a> {
    queue: &'a JobQueue,
    /// Each job's place in the order of ranks.
    position: Vec<usize>,
    unmet: Vec<u32>,
    /// Keys that a job of the run satisfied.
    done: Vec<bool>,
    /// The present time of the queue; `MIN` until the first pause is over.
    time: Timestamp,
    /// Positions of the jobs that can go now.
    ready: PositionSet,
    /// Ends of pauses, and positions of the jobs that can go then.
    later: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

impl ImaginedRun<'_> {
    /// The position of the job that goes next.
    fn next(&mut self) -> Option<usize> {
        if let Some(position) = self.ready.pop_first() {
            return Some(position);
        }
        let Reverse((time, position)) = self.later.pop()?;
        self.time = time;
        while let Some(&Reverse((other, position))) = self.later.peek()
            && other == time
        {
            self.ready.insert(position);
            self.later.pop();
        }
        Some(position)
    }

    /// A job's deps are met. One that is held waits all the same.
    fn enter(&mut self, ix: JobIx) {
        let entry = &self.queue.jobs[ix];
        if let SlotState::Waiting(not_before) = entry.at
            && !entry.held
        {
            let position = self.position[ix.place()];
            match not_before {
                Some(until) if until > self.queue.now() && until > self.time => {
                    self.later.push(Reverse((until, position)));
                }
                _ => self.ready.insert(position),
            }
        }
    }

    fn end(&mut self, ix: JobIx) {
        let Some(key) = self.queue.graph.key_of(ix) else { return };
        if std::mem::replace(&mut self.done[key.place()], true) {
            return;
        }
        for job in self.queue.graph.awaiting(key) {
            self.unmet[job.place()] -= 1;
            if self.unmet[job.place()] == 0 {
                self.enter(job);
            }
        }
    }
}
