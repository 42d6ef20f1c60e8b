//! The hot paths. Each prepares what it needs, and counts only what it is about.

use std::hint::black_box;
use std::process::ExitCode;

use aq_benches::inputs::{
    Arrival, JOB_FILE, REQUIREMENTS, Turns, chain, fill, hosts, id, jobs, noon, record, replay,
    requirement,
};
use aq_caps::HostRequirement;

/// Names, in the order of the report.
pub(crate) const ALL: [(&str, fn()); 13] = [
    ("load_and_plan", load_and_plan),
    ("order", order),
    ("event_of_1000", || event(1_000)),
    ("event_of_10000", || event(10_000)),
    ("chain_forward", || insert_chain(Arrival::Forward)),
    ("chain_reverse", || insert_chain(Arrival::Reverse)),
    ("chain_shuffled", || insert_chain(Arrival::Shuffled)),
    ("cycle", cycle),
    ("explain", explain),
    ("match_hosts", match_hosts),
    ("job_file", job_file),
    ("requirement", requirements),
    ("replay_record", replay_record),
];

/// Callgrind counts while a function whose name holds this is at work.
pub(crate) const REGION: &str = "counted_region";

#[inline(never)]
fn counted_region(work: &mut dyn FnMut()) {
    black_box(work)();
}

/// Counts one call. What it makes is dropped outside.
fn count<T>(work: impl FnOnce() -> T) -> T {
    let (mut work, mut made) = (Some(work), None);
    counted_region(&mut || made = work.take().map(|work| work()));
    made.expect("it was called")
}

fn load_and_plan() {
    let jobs = jobs((10_000, 2));
    count(|| {
        let (mut queue, host) = fill(jobs);
        let plan = queue.plan(host, noon()).expect("the host is there");
        (queue, plan)
    });
}

fn order() {
    let (queue, _) = fill(jobs((10_000, 2)));
    count(|| queue.order());
}

fn event(jobs: usize) {
    let mut turns = Turns::new((jobs, 2), 500);
    for _ in 0..200 {
        turns.go_on();
        count(|| turns.end_and_decide());
    }
}

fn insert_chain(arrival: Arrival) {
    let jobs = chain(arrival, 5_000);
    count(|| fill(jobs));
}

fn cycle() {
    let (queue, _) = fill(chain(Arrival::Forward, 2_000));
    let first = chain(Arrival::Forward, 1).remove(0).key;
    let deps: Vec<String> = chain(Arrival::Reverse, 2_000).remove(0).key.into_iter().collect();
    count(|| queue.cycle(first.as_deref(), &deps)).expect("it closes");
}

fn explain() {
    let (mut queue, host) = fill(jobs((1_000, 2)));
    let plan = queue.plan(host, noon()).expect("the host is there");
    for n in 500..1_000 {
        let id = id(n);
        count(|| queue.explain(&plan, &id));
    }
}

fn match_hosts() {
    let (hosts, requirement) = (hosts(2_000), requirement());
    count(|| hosts.iter().filter(|host| host.satisfies(&requirement)).count());
}

fn job_file() {
    for _ in 0..20 {
        count(|| aq_manifest::parse(black_box(JOB_FILE)));
    }
}

fn requirements() {
    for text in REQUIREMENTS {
        for _ in 0..20 {
            count(|| black_box(text).parse::<HostRequirement>()).expect("a requirement");
        }
    }
}

fn replay_record() {
    let record = record(3);
    for n in 0..50 {
        let id = id(n);
        count(|| replay(&id, black_box(&record)));
    }
}

/// The code that runs under valgrind.
pub(crate) fn run(name: &str) -> ExitCode {
    match ALL.iter().find(|(known, _)| *known == name) {
        Some((_, path)) => {
            path();
            ExitCode::SUCCESS
        }
        None => ExitCode::from(2),
    }
}
