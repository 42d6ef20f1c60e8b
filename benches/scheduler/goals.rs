//! Each number beside its goal, and beside the same work done by others.
//!
//! The two sides of a row take turns, so that a busy machine hits both. What takes long is measured
//! in time of the processor, which does not run while others have it.

use std::time::{Duration, Instant};

use aq_benches::inputs::{
    Arrival, JOB_FILE, Turns, chain, fill, hosts, id, jobs, noon, record, replay, requirement,
};
use divan::black_box;
use nix::time::ClockId;

use crate::{NEAR, references};

/// A goal.
enum Goal {
    /// So many nanoseconds.
    Within(f64),
    /// So many times what the reference takes.
    Of(f64),
    /// Nothing in numbers.
    None,
}

/// Medians, in nanoseconds.
struct Row {
    what: String,
    aq: f64,
    reference: Option<(String, f64)>,
    goal: Goal,
}

const MILLION: usize = 1_000_000;
/// Jobs of a chain. petgraph goes down one by recursion, and in reverse it takes too long for more.
const SHORT: usize = 5_000;
const LONG: usize = 100_000;

/// Measures and prints everything.
#[expect(clippy::print_stdout, reason = "a program of its own")]
pub(crate) fn print() {
    println!("\nmedians of this run");
    println!("| what | reference | aq | ratio | goal | |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let show = |row: Row| println!("{}", row.line());
    [0, 2, 10].map(|edges| event(edges, NEAR, "near ones")).into_iter().for_each(show);
    show(event(2, usize::MAX, "any, so some 14 wait for the one that ends"));
    whole_queue().into_iter().for_each(show);
    Arrival::ALL.into_iter().flat_map(edges).for_each(show);
    show(explain());
    matching().into_iter().for_each(show);
    [job_file(), replayed()].into_iter().for_each(show);
}

fn event(edges: usize, reach: usize, to: &str) -> Row {
    let (mut short, mut long) =
        (Turns::new((1_000, edges), reach), Turns::new((MILLION, edges), reach));
    let turn = |turns: &mut Turns| {
        turns.go_on();
        timed(|| turns.end_and_decide())
    };
    let (aq, reference) = beside(2_000, || turn(&mut long), || turn(&mut short));
    Row {
        what: format!("an event to the next decision, 1,000,000 jobs, {edges} edges each to {to}"),
        aq,
        reference: Some(("aq with 1,000 jobs".to_owned(), reference)),
        goal: Goal::Within(2_000.0),
    }
}

fn whole_queue() -> [Row; 2] {
    let shape = (MILLION, 2);
    let queue = fill(jobs(shape)).0;
    let graph = references::graph(shape);
    let order =
        beside(5, || worked(|| queue.order().len()), || worked(|| references::toposort(&graph)));
    drop((queue, graph));
    let load = || {
        let jobs = jobs(shape);
        worked(|| {
            let (mut queue, host) = fill(jobs);
            let plan = queue.plan(host, noon());
            (queue, plan)
        })
    };
    let reference = || {
        let jobs = jobs(shape);
        worked(|| references::intern_and_toposort(jobs))
    };
    let loaded = beside(3, load, reference);
    let row = |what: &str, (aq, reference): (f64, f64), by: &str| Row {
        what: what.to_owned(),
        aq,
        reference: Some((by.to_owned(), reference)),
        goal: Goal::Of(1.0),
    };
    [
        row("the order of 1,000,000 jobs with 2 edges each", order, "petgraph `toposort`"),
        row(
            "the same jobs from texts to a plan",
            loaded,
            "`HashMap` of keys and petgraph `toposort`",
        ),
    ]
}

/// Beside petgraph with a short chain, and alone with a long one.
fn edges(arrival: Arrival) -> [Row; 2] {
    let insert = |n: usize| {
        let jobs = chain(arrival, n);
        worked(|| fill(jobs)) / n as f64
    };
    let reference = || worked(|| references::acyclic_chain(arrival, SHORT)) / SHORT as f64;
    let (aq, reference) = beside(5, || insert(SHORT), reference);
    let row = |n: usize, aq: f64, reference| Row {
        what: format!("an insert with an edge, chain of {n}, {arrival:?}").to_lowercase(),
        aq,
        reference,
        goal: Goal::Within(1_000.0),
    };
    let reference = ("an edge in `petgraph::acyclic`".to_owned(), reference);
    [row(SHORT, aq, Some(reference)), row(LONG, median(5, || insert(LONG)), None)]
}

fn explain() -> Row {
    let (mut queue, host) = fill(jobs((100_000, 2)));
    let plan = queue.plan(host, noon()).expect("the host is there");
    let last = id(99_999);
    let aq = median(1_000, || timed(|| queue.explain(&plan, &last)));
    Row { what: "why a job waits, 100,000 jobs".to_owned(), aq, reference: None, goal: Goal::None }
}

fn matching() -> [Row; 2] {
    const TIMES: usize = 1_000;
    let (hosts, requirement) = (hosts(100_000), requirement());
    let host = &hosts[7];
    let one = median(200, || {
        let matches = || (0..TIMES).filter(|_| black_box(host).satisfies(&requirement)).count();
        timed(matches) / TIMES as f64
    });
    let aq =
        median(20, || worked(|| hosts.iter().filter(|host| host.satisfies(&requirement)).count()));
    [("one host", one, 100.0), ("100,000 hosts", aq, 10e6)].map(|(hosts, aq, limit)| Row {
        what: format!("{hosts} for one requirement"),
        aq,
        reference: None,
        goal: Goal::Within(limit),
    })
}

fn job_file() -> Row {
    let yaml = references::front_matter(JOB_FILE);
    let (aq, reference) = beside(
        2_000,
        || timed(|| aq_manifest::parse(black_box(JOB_FILE))),
        || timed(|| references::saphyr(black_box(yaml))),
    );
    Row {
        what: "a job file of 20 keys, with places and checks".to_owned(),
        aq,
        reference: Some(("serde-saphyr alone".to_owned(), reference)),
        goal: Goal::Of(1.5),
    }
}

fn replayed() -> Row {
    let record = record(3);
    let (aq, reference) = beside(
        2_000,
        || {
            let id = id(7);
            timed(|| replay(&id, black_box(&record)))
        },
        || timed(|| references::lines(black_box(&record))),
    );
    Row {
        what: "a record of 3 attempts to a job".to_owned(),
        aq,
        reference: Some(("its lines in a `HashMap`".to_owned(), reference)),
        goal: Goal::None,
    }
}

/// Nanoseconds of one call. What it makes is dropped after that.
fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    let made = black_box(work());
    let took = start.elapsed();
    drop(made);
    took.as_nanos() as f64
}

/// The same in time of the processor, for calls beside which asking for that is nothing.
fn worked<T>(work: impl FnOnce() -> T) -> f64 {
    let now = || ClockId::CLOCK_THREAD_CPUTIME_ID.now().expect("every thread has this clock");
    let start = now();
    let made = black_box(work());
    let took = now() - start;
    drop(made);
    Duration::from(took).as_nanos() as f64
}

/// Medians of both sides, which take turns.
fn beside(
    rounds: usize,
    mut aq: impl FnMut() -> f64,
    mut reference: impl FnMut() -> f64,
) -> (f64, f64) {
    let (ours, theirs) = (0..rounds).map(|_| (aq(), reference())).unzip();
    (middle(ours), middle(theirs))
}

fn median(rounds: usize, work: impl FnMut() -> f64) -> f64 {
    middle(std::iter::repeat_with(work).take(rounds).collect())
}

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all[all.len() / 2]
}

impl Row {
    fn line(&self) -> String {
        let Self { what, aq, reference, goal } = self;
        let ratio = reference.as_ref().map(|(_, took)| aq / took);
        let (goal, reached) = match goal {
            Goal::Within(limit) => (time(*limit), Some(aq <= limit)),
            Goal::Of(limit) => (format!("ratio {limit}"), ratio.map(|ratio| ratio <= *limit)),
            Goal::None => (String::new(), None),
        };
        let reached = match reached {
            Some(true) => "reached",
            Some(false) => "**missed**",
            None => "",
        };
        let reference = reference
            .as_ref()
            .map_or(String::new(), |(name, took)| format!("{name}: {}", time(*took)));
        let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        format!("| {what} | {reference} | {} | {ratio} | {goal} | {reached} |", time(*aq))
    }
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.2} us", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}
