//! The cost of the scheduler's core, from one thousand to one million jobs.
//!
//! `cargo bench -p aq-benches --bench scheduler`; add a name, such as `event`, for one group.
//! `goals` alone prints a short table: each number beside its goal, and beside other people's
//! code that does the same in the same run, so that the ratios hold on any machine.

mod edges;
mod event;
mod explain;
mod goals;
mod matching;
mod reading;
mod references;
mod scratch;

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

/// From how many jobs before it a job's deps are, where an event is to touch the same number of
/// others in every queue.
const NEAR: usize = 500;

fn main() {
    divan::main();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let measures = words.iter().any(|word| word == "--bench");
    let mut wishes = words.iter().filter(|word| !word.starts_with('-')).peekable();
    if measures && (wishes.peek().is_none() || wishes.any(|wish| wish == "goals")) {
        goals::print();
    }
}
