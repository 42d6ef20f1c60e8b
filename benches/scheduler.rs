//! The scheduler's costs at one thousand to one million jobs.
//!
//! `cargo bench -p aq-benches --bench scheduler`; add a name, such as `event`, for one group. The
//! same run measures petgraph on the same graphs, so that the ratios hold on any machine.

use std::collections::HashMap;
use std::hint::black_box;

use aq_manifest::JobId;
use aq_scheduler::{EngineState, Host, HostId, Job, Limits, Queue, Settled, State};
use divan::Bencher;
use divan::counter::ItemsCount;
use jiff::{SignedDuration, Timestamp};
use petgraph::acyclic::Acyclic;
use petgraph::data::Build;
use petgraph::graph::DiGraph;

fn main() {
    divan::main();
}

/// Jobs, and edges of each.
const QUEUES: [(usize, usize); 12] = [
    (1_000, 0),
    (1_000, 2),
    (1_000, 10),
    (10_000, 0),
    (10_000, 2),
    (10_000, 10),
    (100_000, 0),
    (100_000, 2),
    (100_000, 10),
    (1_000_000, 0),
    (1_000_000, 2),
    (1_000_000, 10),
];

/// Random enough, and the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % n
    }
}

/// The jobs that job `n` waits for: distinct ones from all earlier ones.
fn deps_of(n: usize, edges: usize) -> Vec<usize> {
    let mut dice = Dice(n as u64 ^ 0x9e37_79b9);
    let mut deps: Vec<usize> = (0..edges.min(n)).map(|_| n - 1 - dice.below(n)).collect();
    deps.sort_unstable();
    deps.dedup();
    deps
}

fn noon() -> Timestamp {
    Timestamp::from_second(1_767_268_800).expect("a time of this century")
}

fn id(n: usize) -> JobId {
    JobId::new(&format!("job-{n:07}")).expect("letters, digits and a dash")
}

fn key(n: usize) -> String {
    format!("key-{n:07}")
}

/// One job in eight shares a lock with one in a hundred of its kind.
fn job(n: usize, edges: usize) -> Job {
    Job {
        key: (edges > 0).then(|| key(n)),
        deps: deps_of(n, edges).into_iter().map(key).collect(),
        lock: n.is_multiple_of(8).then(|| format!("/home/me/project-{}", n % 800)),
        engines: vec!["claude".to_owned(), "codex".to_owned()],
        ..Job::new(id(n), noon() + SignedDuration::from_millis(n as i64))
    }
}

fn empty() -> (Queue, HostId) {
    let mut queue = Queue::new();
    let engines = [("codex".to_owned(), EngineState::READY)].into();
    let limits = Limits { max: 8, max_review: None };
    let host = queue.add_host(Host { engines, limits, ..Host::default() });
    (queue, host)
}

fn fill(jobs: Vec<Job>) -> (Queue, HostId) {
    let (mut queue, host) = empty();
    for job in jobs {
        queue.insert(job, State::WAITING).expect("deps are earlier jobs");
    }
    (queue, host)
}

fn jobs((n, edges): (usize, usize)) -> Vec<Job> {
    (0..n).map(|n| job(n, edges)).collect()
}

/// One turn of a loop: the oldest running job ends, the queue decides, the next one starts, and
/// a new one comes. Three events and a decision; the queue stays as long as it was.
#[divan::bench(args = QUEUES, sample_count = 100, sample_size = 20)]
fn event_turn(bencher: Bencher, shape: (usize, usize)) {
    let (mut queue, host) = fill(jobs(shape));
    let mut running = std::collections::VecDeque::new();
    let mut next = shape.0;
    let mut turn = |queue: &mut Queue| {
        if running.len() == 8 {
            let ended = running.pop_front().expect("eight of them");
            queue.set_state(&ended, State::Settled(Settled::Shipped)).expect("it runs");
        }
        let plan = queue.plan(host, noon()).expect("the host is there");
        for start in plan.start {
            let state = State::Running { host, engine: start.engine };
            queue.set_state(&start.job, state).expect("it waits");
            running.push_back(start.job);
        }
        queue.insert(job(next, shape.1), State::WAITING).expect("deps are earlier jobs");
        next += 1;
    };
    for _ in 0..100 {
        turn(&mut queue);
    }
    bencher.bench_local(|| turn(&mut queue));
}

/// One event and the decision after it: a job of the middle gets a pause, or loses it.
#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000], sample_count = 100, sample_size = 100)]
fn event_and_plan(bencher: Bencher, n: usize) {
    let (mut queue, host) = fill(jobs((n, 0)));
    let later = Some(noon() + SignedDuration::from_hours(1));
    let middle = id(n / 2);
    let mut paused = false;
    bencher.bench_local(|| {
        paused = !paused;
        let not_before = later.filter(|_| paused);
        queue.set_state(&middle, State::Waiting { not_before }).expect("it waits");
        queue.plan(host, noon())
    });
}

/// Why a job far behind waits.
#[divan::bench(args = QUEUES, sample_count = 100, sample_size = 100)]
fn explain(bencher: Bencher, shape: (usize, usize)) {
    let (mut queue, host) = fill(jobs(shape));
    let plan = queue.plan(host, noon()).expect("the host is there");
    let last = id(shape.0 - 1);
    bencher.bench_local(|| queue.explain(&plan, &last));
}

/// Everything at once, text keys and all: insert each job, then decide.
#[divan::bench(args = QUEUES, sample_count = 3, sample_size = 1)]
fn scratch_load_and_plan(bencher: Bencher, shape: (usize, usize)) {
    bencher.counter(ItemsCount::new(shape.0)).with_inputs(|| jobs(shape)).bench_local_values(
        |jobs| {
            let (mut queue, host) = fill(jobs);
            let plan = queue.plan(host, noon());
            (queue, plan)
        },
    );
}

/// The whole queue in the order in which it will run: the scheduler's own topological sort.
#[divan::bench(args = QUEUES, sample_count = 3, sample_size = 1)]
fn scratch_order(bencher: Bencher, shape: (usize, usize)) {
    let (queue, _) = fill(jobs(shape));
    bencher.counter(ItemsCount::new(shape.0)).bench_local(|| queue.order().len());
}

/// Reference: petgraph's `toposort` of the same graph, which is there already.
#[divan::bench(args = QUEUES, sample_count = 3, sample_size = 1)]
fn scratch_reference_toposort(bencher: Bencher, (n, edges): (usize, usize)) {
    let pairs = (0..n).flat_map(|n| deps_of(n, edges).into_iter().map(move |dep| (dep, n)));
    let mut graph = DiGraph::<(), ()>::with_capacity(n, n * edges);
    for _ in 0..n {
        graph.add_node(());
    }
    graph.extend_with_edges(pairs.map(|(from, to)| (from as u32, to as u32)));
    bencher
        .counter(ItemsCount::new(n))
        .bench_local(|| petgraph::algo::toposort(black_box(&graph), None).map(|order| order.len()));
}

/// Reference: text keys to a petgraph graph to its `toposort`, without all else that a queue
/// knows.
#[divan::bench(args = QUEUES, sample_count = 3, sample_size = 1)]
fn scratch_reference_intern_and_toposort(bencher: Bencher, shape: (usize, usize)) {
    bencher.counter(ItemsCount::new(shape.0)).with_inputs(|| jobs(shape)).bench_local_values(
        |jobs| {
            let mut graph = DiGraph::<String, ()>::new();
            let mut nodes = HashMap::new();
            for job in jobs {
                let own = job.key.unwrap_or_else(|| job.id.to_string());
                let mut node = |name: String| {
                    *nodes.entry(name).or_insert_with_key(|name| graph.add_node(name.clone()))
                };
                let to = node(own);
                let from: Vec<_> = job.deps.into_iter().map(node).collect();
                for from in from {
                    graph.add_edge(from, to, ());
                }
            }
            petgraph::algo::toposort(&graph, None).map(|order| order.len())
        },
    );
}

/// In which order a graph's jobs come.
#[derive(Clone, Copy, Debug)]
enum Arrival {
    Forward,
    Reverse,
    Shuffled,
}

const ARRIVALS: [Arrival; 3] = [Arrival::Forward, Arrival::Reverse, Arrival::Shuffled];
const EDGE_JOBS: usize = 100_000;

fn arrivals(arrival: Arrival, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    match arrival {
        Arrival::Forward => {}
        Arrival::Reverse => order.reverse(),
        Arrival::Shuffled => {
            let mut dice = Dice(7);
            for place in (1..n).rev() {
                order.swap(place, dice.below(place + 1));
            }
        }
    }
    order
}

fn bench_edges(bencher: Bencher, arrival: Arrival, n: usize, edges: usize) {
    let order = arrivals(arrival, n);
    let count: usize = (0..n).map(|n| deps_of(n, edges).len()).sum();
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| order.iter().map(|&n| job(n, edges)).collect::<Vec<_>>())
        .bench_local_values(fill);
}

/// A chain of 100,000 jobs: the cost of an edge with everything around it.
#[divan::bench(args = ARRIVALS, sample_count = 3, sample_size = 1)]
fn edge_chain(bencher: Bencher, arrival: Arrival) {
    let order = arrivals(arrival, EDGE_JOBS);
    let chain =
        |n: usize| Job { deps: n.checked_sub(1).map(key).into_iter().collect(), ..job(n, 1) };
    bencher
        .counter(ItemsCount::new(EDGE_JOBS))
        .with_inputs(|| order.iter().map(|&n| chain(n)).collect::<Vec<_>>())
        .bench_local_values(fill);
}

/// 100,000 jobs with two deps each.
#[divan::bench(args = ARRIVALS, sample_count = 3, sample_size = 1)]
fn edge_two(bencher: Bencher, arrival: Arrival) {
    bench_edges(bencher, arrival, EDGE_JOBS, 2);
}

/// 100,000 jobs with ten deps each.
#[divan::bench(args = ARRIVALS, sample_count = 3, sample_size = 1)]
fn edge_ten(bencher: Bencher, arrival: Arrival) {
    bench_edges(bencher, arrival, EDGE_JOBS, 10);
}

/// 100,000 jobs that wait for one key: it ships, and each of them starts and ends in turn.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn edge_hub_drained(bencher: Bencher) {
    let hub = Job { key: Some("hub".to_owned()), ..job(0, 0) };
    let waiting = (1..EDGE_JOBS).map(|n| Job { deps: vec!["hub".to_owned()], ..job(n, 0) });
    let full = fill(std::iter::once(hub).chain(waiting).collect());
    let drain = |(mut queue, host): (Queue, HostId)| {
        while queue.counts().waiting > 0 {
            for start in queue.plan(host, noon()).expect("the host is there").start {
                let running = State::Running { host, engine: start.engine };
                queue.set_state(&start.job, running).expect("it waits");
                let shipped = State::Settled(Settled::Shipped);
                queue.set_state(&start.job, shipped).expect("it runs");
            }
        }
    };
    bencher
        .counter(ItemsCount::new(EDGE_JOBS))
        .with_inputs(|| full.clone())
        .bench_local_values(drain);
}

/// Reference: `petgraph::acyclic` for the same chain; a node comes when it is first spoken of, as
/// a key does. 10,000 jobs: in reverse it takes too long for more.
#[divan::bench(args = ARRIVALS, sample_count = 1, sample_size = 1)]
fn edge_reference_acyclic_chain(bencher: Bencher, arrival: Arrival) {
    let n = EDGE_JOBS / 10;
    let order = arrivals(arrival, n);
    bencher.counter(ItemsCount::new(n)).bench_local(|| {
        let mut graph = Acyclic::<DiGraph<(), ()>>::new();
        let mut nodes = vec![None; n];
        for &to in order.iter().filter(|&&to| to > 0) {
            let [to, from] =
                [to, to - 1].map(|n| *nodes[n].get_or_insert_with(|| graph.add_node(())));
            graph.try_add_edge(from, to, ()).expect("no cycle");
        }
        graph
    });
}
