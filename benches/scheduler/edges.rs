//! Jobs that wait for one another come, and close no cycle.

use aq_benches::inputs::{Arrival, chain, deps_of, fill, job, noon};
use aq_scheduler::{HostId, JobQueue, JobState, ScheduledJob, SettledAs};
use divan::Bencher;
use divan::counter::ItemsCount;

use crate::references;

const JOBS: usize = 100_000;

/// In reverse, `petgraph::acyclic` takes too long for more.
const PETGRAPH_JOBS: usize = 5_000;

/// A chain: an edge with everything around it.
#[divan::bench(args = Arrival::ALL, sample_count = 3, sample_size = 1)]
fn chain_of_100_000(bencher: Bencher, arrival: Arrival) {
    bencher
        .counter(ItemsCount::new(JOBS))
        .with_inputs(|| chain(arrival, JOBS))
        .bench_local_values(fill);
}

/// Reference: `petgraph::acyclic` for the edges of a chain.
#[divan::bench(args = Arrival::ALL, sample_count = 1, sample_size = 1)]
fn chain_of_5_000_petgraph(bencher: Bencher, arrival: Arrival) {
    bencher
        .counter(ItemsCount::new(PETGRAPH_JOBS))
        .bench_local(|| references::acyclic_chain(arrival, PETGRAPH_JOBS));
}

/// Two deps each.
#[divan::bench(args = Arrival::ALL, sample_count = 3, sample_size = 1)]
fn two_deps(bencher: Bencher, arrival: Arrival) {
    bench_deps(bencher, arrival, 2);
}

/// Ten deps each.
#[divan::bench(args = Arrival::ALL, sample_count = 3, sample_size = 1)]
fn ten_deps(bencher: Bencher, arrival: Arrival) {
    bench_deps(bencher, arrival, 10);
}

fn bench_deps(bencher: Bencher, arrival: Arrival, edges: usize) {
    let order = arrival.order(JOBS);
    let count: usize = (0..JOBS).map(|n| deps_of(n, edges).len()).sum();
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| order.iter().map(|&n| job(n, edges)).collect())
        .bench_local_values(fill);
}

/// A job that would close a cycle through the whole chain: it is refused, and the cycle is named.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn cycle_of_100_000(bencher: Bencher) {
    let (queue, _) = fill(chain(Arrival::Forward, JOBS));
    let first = chain(Arrival::Forward, 1).remove(0).key;
    let last = chain(Arrival::Reverse, JOBS).remove(0).key;
    let deps: Vec<String> = last.into_iter().collect();
    bencher.bench_local(|| queue.cycle(first.as_deref(), &deps));
}

/// All wait for one key: it ships, and each of them starts and ends in turn.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn hub_drained(bencher: Bencher) {
    let hub = ScheduledJob { key: Some("hub".to_owned()), ..job(0, 0) };
    let waiting = (1..JOBS).map(|n| ScheduledJob { deps: vec!["hub".to_owned()], ..job(n, 0) });
    let full = fill(std::iter::once(hub).chain(waiting).collect());
    bencher.counter(ItemsCount::new(JOBS)).with_inputs(|| full.clone()).bench_local_values(drain);
}

fn drain((mut queue, host): (JobQueue, HostId)) {
    while queue.counts().waiting > 0 {
        for start in queue.plan(host, noon()).expect("the host is there").start {
            let running = JobState::Running { host, engine: start.engine };
            queue.set_state(&start.job, running).expect("it waits");
            let shipped = JobState::Settled(SettledAs::Shipped);
            queue.set_state(&start.job, shipped).expect("it runs");
        }
    }
}
