//! A queue at work: it is as long after a turn as before it.

use std::collections::VecDeque;

use aq_manifest::JobId;
use aq_scheduler::{HostId, HostPlan, JobQueue, JobState, SettledAs};

use super::queues::{fill, job_near, noon};

/// A loop whose jobs take no time.
#[derive(Debug)]
pub struct Turns {
    queue: JobQueue,
    host: HostId,
    edges: usize,
    reach: usize,
    running: VecDeque<JobId>,
    next: usize,
    plan: HostPlan,
}

impl Turns {
    /// A queue of so many jobs and edges that has made its first hundred turns. Each job waits for
    /// some of the latest `reach` ones before it, so this decides, too, how many wait for one
    /// that ends: as many as it has edges when the reach is short, and for the first ones of a
    /// long queue more when they are from all earlier ones.
    pub fn new((count, edges): (usize, usize), reach: usize) -> Self {
        let jobs = (0..count).map(|n| job_near(n, edges, reach)).collect();
        let (mut queue, host) = fill(jobs);
        let plan = queue.plan(host, noon()).expect("the host is there");
        let (running, next) = (VecDeque::new(), count);
        let mut turns = Self { queue, host, edges, reach, running, next, plan };
        for _ in 0..100 {
            turns.go_on();
            turns.end_and_decide();
        }
        turns
    }

    /// The event and the decision: the oldest running job ships, and the queue says what is next.
    pub fn end_and_decide(&mut self) {
        let ended = self.running.pop_front().expect("eight of them");
        self.queue.set_state(&ended, JobState::Settled(SettledAs::Shipped)).expect("it runs");
        self.plan = self.queue.plan(self.host, noon()).expect("the host is there");
    }

    /// Goes on: the jobs of the decision start, and as many new ones come.
    pub fn go_on(&mut self) {
        for start in std::mem::take(&mut self.plan.start) {
            let state = JobState::Running { host: self.host, engine: start.engine };
            self.queue.set_state(&start.job, state).expect("it waits");
            self.running.push_back(start.job);
            let job = job_near(self.next, self.edges, self.reach);
            self.queue.insert(job, JobState::WAITING).expect("deps are earlier jobs");
            self.next += 1;
        }
    }
}
