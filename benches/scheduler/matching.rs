//! The cost of matching a host with a job's requirements.

use aq_benches::inputs::{capabilities, hosts, requirement};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

/// One host, which the processor has at hand.
#[divan::bench]
fn one_host(bencher: Bencher) {
    let (host, requirement) = (capabilities(7), requirement());
    bencher.bench_local(|| host.satisfies(black_box(&requirement)));
}

/// A hundred thousand different hosts for one job.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn hosts_100_000(bencher: Bencher) {
    let (hosts, requirement) = (hosts(100_000), requirement());
    bencher
        .counter(ItemsCount::new(hosts.len()))
        .bench_local(|| hosts.iter().filter(|host| host.satisfies(&requirement)).count());
}
