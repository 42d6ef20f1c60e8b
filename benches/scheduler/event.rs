//! From something that happened to the next decision.

use std::cell::RefCell;

use aq_benches::inputs::{Turns, fill, id, jobs, noon};
use aq_scheduler::JobState;
use divan::Bencher;
use jiff::SignedDuration;

use crate::{NEAR, QUEUES};

/// A job ships, and the queue says what is next; so many wait for it as it has edges. That the next
/// one starts and a new one comes, so that the queue stays as long as it was, is not measured here.
#[divan::bench(args = QUEUES, sample_count = 1_000, sample_size = 1)]
fn end_to_decision(bencher: Bencher, shape: (usize, usize)) {
    let turns = RefCell::new(Turns::new(shape, NEAR));
    bencher
        .with_inputs(|| turns.borrow_mut().go_on())
        .bench_local_values(|()| turns.borrow_mut().end_and_decide());
}

/// A job of the middle gets a pause, or loses it, and the queue says what is next.
#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000], sample_count = 100, sample_size = 100)]
fn pause_to_decision(bencher: Bencher, n: usize) {
    let (mut queue, host) = fill(jobs((n, 0)));
    let later = Some(noon() + SignedDuration::from_hours(1));
    let middle = id(n / 2);
    let mut paused = false;
    bencher.bench_local(|| {
        paused = !paused;
        let not_before = later.filter(|_| paused);
        queue.set_state(&middle, JobState::Waiting { not_before }).expect("it waits");
        queue.plan(host, noon())
    });
}
