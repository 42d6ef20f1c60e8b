//! Everything at once.

use aq_benches::inputs::{fill, jobs, noon};
use divan::Bencher;
use divan::counter::ItemsCount;

use crate::{QUEUES, references};

/// Text keys and all: insert each job, then decide.
#[divan::bench(args = QUEUES, sample_count = 3, sample_size = 1)]
fn load_and_plan(bencher: Bencher, shape: (usize, usize)) {
    bencher.counter(ItemsCount::new(shape.0)).with_inputs(|| jobs(shape)).bench_local_values(
        |jobs| {
            let (mut queue, host) = fill(jobs);
            let plan = queue.plan(host, noon());
            (queue, plan)
        },
    );
}

/// Reference: text keys to a petgraph graph to its `toposort`.
#[divan::bench(args = QUEUES, sample_count = 3, sample_size = 1)]
fn load_and_plan_petgraph(bencher: Bencher, shape: (usize, usize)) {
    bencher
        .counter(ItemsCount::new(shape.0))
        .with_inputs(|| jobs(shape))
        .bench_local_values(references::intern_and_toposort);
}

/// The whole queue in the order in which it will run: the scheduler's own topological sort.
#[divan::bench(args = QUEUES, sample_count = 3, sample_size = 1)]
fn order(bencher: Bencher, shape: (usize, usize)) {
    let (queue, _) = fill(jobs(shape));
    bencher.counter(ItemsCount::new(shape.0)).bench_local(|| queue.order().len());
}

/// Reference: petgraph's `toposort` of the same graph.
#[divan::bench(args = QUEUES, sample_count = 3, sample_size = 1)]
fn order_petgraph(bencher: Bencher, shape: (usize, usize)) {
    let graph = references::graph(shape);
    bencher.counter(ItemsCount::new(shape.0)).bench_local(|| references::toposort(&graph));
}
