//! The cost of a reason why a job waits.

use aq_benches::inputs::{fill, id, jobs, noon};
use divan::Bencher;

/// A job far behind: it waits for two others.
#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000], sample_count = 100, sample_size = 100)]
fn waits_for_jobs(bencher: Bencher, n: usize) {
    bench_last(bencher, (n, 2));
}

/// A job far behind: it waits for a slot.
#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000], sample_count = 100, sample_size = 100)]
fn waits_for_a_slot(bencher: Bencher, n: usize) {
    bench_last(bencher, (n, 0));
}

fn bench_last(bencher: Bencher, shape: (usize, usize)) {
    let (mut queue, host) = fill(jobs(shape));
    let plan = queue.plan(host, noon()).expect("the host is there");
    let last = id(shape.0 - 1);
    bencher.bench_local(|| queue.explain(&plan, &last).expect("it waits"));
}
