//! Jobs that wait for one another.

use aq_manifest::JobId;
use aq_scheduler::{
    EngineState, HostId, HostLimits, JobQueue, JobState, ScheduledJob, SchedulerHost,
};
use jiff::{SignedDuration, Timestamp};

/// Random enough, and the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % n
    }
}

/// The jobs that job `n` waits for: distinct ones from all earlier ones.
pub fn deps_of(n: usize, edges: usize) -> Vec<usize> {
    deps_near(n, edges, n)
}

fn deps_near(n: usize, edges: usize, reach: usize) -> Vec<usize> {
    let mut dice = Dice(n as u64 ^ 0x9e37_79b9);
    let reach = reach.min(n);
    let mut deps: Vec<usize> = (0..edges.min(n)).map(|_| n - 1 - dice.below(reach)).collect();
    deps.sort_unstable();
    deps.dedup();
    deps
}

/// When everything here happens.
pub fn noon() -> Timestamp {
    Timestamp::from_second(1_767_268_800).expect("a time of this century")
}

pub fn id(n: usize) -> JobId {
    JobId::new(&format!("job-{n:07}")).expect("letters, digits and a dash")
}

fn key(n: usize) -> String {
    format!("key-{n:07}")
}

/// Job `n`, which waits for so many others. One job in eight shares a lock with one in a hundred
/// of its kind.
pub fn job(n: usize, edges: usize) -> ScheduledJob {
    job_near(n, edges, n)
}

/// The same, which waits for some of the latest `reach` ones before it.
pub(crate) fn job_near(n: usize, edges: usize, reach: usize) -> ScheduledJob {
    ScheduledJob {
        key: (edges > 0).then(|| key(n)),
        deps: deps_near(n, edges, reach).into_iter().map(key).collect(),
        lock: n.is_multiple_of(8).then(|| format!("/home/me/project-{}", n % 800)),
        engines: vec!["claude".to_owned(), "codex".to_owned()],
        ..ScheduledJob::new(id(n), noon() + SignedDuration::from_millis(n as i64))
    }
}

/// So many jobs, with so many edges each, in the order of their numbers.
pub fn jobs((n, edges): (usize, usize)) -> Vec<ScheduledJob> {
    (0..n).map(|n| job(n, edges)).collect()
}

/// In which order a graph's jobs come.
#[derive(Clone, Copy, Debug)]
pub enum Arrival {
    /// Each after those that it waits for.
    Forward,
    /// Each before those that it waits for.
    Reverse,
    /// As it comes.
    Shuffled,
}

impl Arrival {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Forward, Self::Reverse, Self::Shuffled];

    /// The numbers below `n` in this order.
    pub fn order(self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        match self {
            Self::Forward => {}
            Self::Reverse => order.reverse(),
            Self::Shuffled => {
                let mut dice = Dice(7);
                for place in (1..n).rev() {
                    order.swap(place, dice.below(place + 1));
                }
            }
        }
        order
    }
}

/// `n` jobs of which each waits for the one before it, in an order.
pub fn chain(arrival: Arrival, n: usize) -> Vec<ScheduledJob> {
    let link = |n: usize| ScheduledJob {
        deps: n.checked_sub(1).map(key).into_iter().collect(),
        ..job(n, 1)
    };
    arrival.order(n).into_iter().map(link).collect()
}

/// A queue with a host of eight slots, and no jobs.
pub fn empty() -> (JobQueue, HostId) {
    let mut queue = JobQueue::new();
    let engines = [("codex".to_owned(), EngineState::READY)].into();
    let limits = HostLimits { max: 8, max_review: None };
    let host = queue.add_host(SchedulerHost { engines, limits, ..SchedulerHost::default() });
    (queue, host)
}

/// The same with jobs that wait.
pub fn fill(jobs: Vec<ScheduledJob>) -> (JobQueue, HostId) {
    let (mut queue, host) = empty();
    for job in jobs {
        queue.insert(job, JobState::WAITING).expect("no cycle");
    }
    (queue, host)
}
