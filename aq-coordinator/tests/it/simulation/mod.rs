//! A fleet in virtual time: the real client against the real API, in one thread, with faults from a
//! seed. Requests are lost before or after they are done, come twice, come late; coordinators and
//! factories restart; disks are lost; the database's clock steps.
//!
//! What must stay true: a job is shipped by one factory under one epoch, nothing is written under
//! an epoch that is not the job's latest, and every job ends once the faults do.
//!
//! `AQ_SIMULATION=10000` tries so many seeds, and `AQ_SIMULATION_SEED=7` that one alone.

mod coordinator;
#[path = "../../../../aq-cli/tests/it/dice.rs"]
#[expect(dead_code, reason = "its seeds are those of other tests")]
mod dice;
mod factory;
mod network;
mod witness;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use witness::Counts;

/// Seeds that are tried unless somebody says how many: some seconds, for the code is not optimized.
const SEEDS: u64 = 100;

/// Seeds that found something: a claim repeated after the clock was put back.
const KEPT: [u64; 1] = [2204];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The story of a seed. One that goes wrong says how to repeat it.
#[expect(clippy::print_stdout, reason = "it is the test's own output")]
fn tell(seed: u64) -> Counts {
    catch_unwind(AssertUnwindSafe(|| world::run(seed))).unwrap_or_else(|why| {
        println!("AQ_SIMULATION_SEED={seed} repeats this");
        resume_unwind(why)
    })
}

/// The stories of all seeds below `many`, on all cores.
fn tell_all(many: u64) -> Counts {
    let next = AtomicU64::new(0);
    let some = || {
        let mut sum = Counts::default();
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= many {
                return sum;
            }
            sum += tell(seed);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let told: Vec<_> = (0..threads).map(|_| scope.spawn(some)).collect();
        let mut sum = Counts::default();
        for counts in told {
            sum += counts.join().unwrap_or_else(|why| resume_unwind(why));
        }
        sum
    })
}

#[test]
fn every_job_is_shipped_once_whatever_gets_lost() {
    if let Some(seed) = number("AQ_SIMULATION_SEED") {
        println!("{:?}", tell(seed));
        return;
    }
    for seed in KEPT {
        tell(seed);
    }
    let sum = tell_all(number("AQ_SIMULATION").unwrap_or(SEEDS));
    println!("{sum:?}");
    assert!(sum.fenced > 0 && sum.lapsed > 0 && sum.repeated > 0, "no fault did anything");
}

/// The same seed has the same story, or a seed would be of no use.
#[test]
fn a_seed_repeats_its_story() {
    assert_eq!(world::run(3), world::run(3));
}
