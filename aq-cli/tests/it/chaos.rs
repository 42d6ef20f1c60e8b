//! `kill -9` of loops and workers at random moments, with jobs that watch one another.
//!
//! What "exact" means for attempts here: a worker that wrote its name down has begun an attempt,
//! and each attempt begun is counted once, whether its agent had started yet or not. So no attempt
//! number is ever seen by two agents, `attempts` is at least the number of agents that started,
//! and it exceeds it by no more than the number of workers that were killed.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::dice::{Dice, seed};
use crate::sandbox::{Sandbox, kill_child, kill_hard, wait_child};

/// Jobs in one round.
const JOBS: usize = 150;

/// Slots, and the slot files that the jobs fight over.
const MAX: usize = 4;

/// Kills in one round.
const KILLS: usize = 40;

/// Takes a kernel lock for the job, one for its lock key and one of `MAX` slots; each ends with
/// the last process of the job. Whoever meets a taken one says so in the trace.
fn script(sleep_ms: u64, lock: Option<usize>, fails_first: bool) -> String {
    let lock = lock.map_or(String::new(), |lock| {
        format!("exec 8>lock-{lock}; flock -n 8 || echo \"BAD lock {lock} $AQ_JOB_ID\" >>trace\n")
    });
    let fails = if fails_first { "[ $AQ_ATTEMPT -ge 2 ]" } else { "true" };
    format!(
        "exec 9>own-$AQ_JOB_ID; flock -n 9 || echo \"BAD twice $AQ_JOB_ID\" >>trace\n\
         {lock}free=no; for n in $(seq {MAX}); do exec 7>slot-$n; if flock -n 7; then free=yes; \
         break; fi; done\n\
         [ $free = yes ] || echo \"BAD max $AQ_JOB_ID\" >>trace\n\
         echo \"start $AQ_JOB_ID $AQ_ATTEMPT\" >>trace\nsleep 0.{sleep_ms:03}\n{fails}\n"
    )
}

fn add_jobs(sandbox: &Sandbox, dice: &mut Dice) -> BTreeMap<String, bool> {
    let dir = sandbox.originals();
    let mut jobs = BTreeMap::new();
    for n in 0..JOBS {
        let id = format!("job-{n:03}");
        let mut front = format!("idempotency-key: key-{n}\n");
        let fails_first = dice.roll(6) == 0;
        if fails_first {
            front += "retry: {max: 60, backoff: 0s}\n";
        }
        let lock = (dice.roll(4) == 0).then(|| usize::try_from(dice.roll(3)).unwrap());
        if let Some(lock) = lock {
            front += &format!("lock: lock-{lock}\n");
        }
        if n > 0 && dice.roll(5) == 0 {
            front += &format!("deps: [key-{}]\n", dice.roll(n as u64));
        }
        if dice.roll(10) == 0 {
            front += "verify: sleep 0.01\n";
        }
        let body = script(dice.roll(30), lock, fails_first);
        fs::write(dir.join(format!("{id}.md")), crate::sandbox::job_text(&front, &body)).unwrap();
        jobs.insert(id, fails_first);
    }
    sandbox.ok(&["add".as_ref(), dir.as_os_str()]);
    jobs
}

#[test]
fn random_kills_lose_nothing_and_run_nothing_twice() {
    let seed = seed();
    let mut dice = Dice::new(seed);
    let sandbox = Sandbox::new();
    let jobs = add_jobs(&sandbox, &mut dice);
    let max = MAX.to_string();
    let run = ["--once", "--ship", "--max", &max];
    let (mut killed_loops, mut killed_workers) = (0, 0);
    let mut current = sandbox.start_loop(&run);
    for _ in 0..KILLS {
        let until = Instant::now() + Duration::from_millis(dice.roll(2) * 150 + dice.roll(150));
        while Instant::now() < until && current.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let whom = dice.roll(3);
        if whom != 0 {
            let workers = sandbox.workers();
            let all = dice.roll(4) == 0;
            let chosen = usize::try_from(dice.roll(workers.len().max(1) as u64)).unwrap();
            for (n, &worker) in workers.iter().enumerate() {
                if all || n == chosen {
                    kill_hard(worker);
                    killed_workers += 1;
                }
            }
        }
        if whom != 1 {
            kill_child(&mut current);
            killed_loops += 1;
            current = sandbox.start_loop(&run);
        }
    }
    // The last loop may have ended when its queue was drained; one more finds nothing or the rest.
    wait_child(&mut current);
    let (code, output) = sandbox.code(&["run", "--once", "--ship", "--max", &max]);
    assert_eq!(code, 0, "seed {seed}: {output}");

    let trace = fs::read_to_string(sandbox.work().join("trace")).unwrap();
    let bad: Vec<&str> = trace.lines().filter(|line| line.starts_with("BAD")).collect();
    assert!(bad.is_empty(), "seed {seed}: {bad:?}");
    let mut surplus = 0;
    for (id, fails_first) in jobs {
        let story = || format!("seed {seed}: {id}: {:?}\n{}", sandbox.meta(&id), sandbox.log(&id));
        assert_eq!(sandbox.folders(&id), ["shipped"], "{}", story());
        let mut starts: Vec<usize> = trace
            .lines()
            .filter_map(|line| line.strip_prefix("start ")?.split_once(' '))
            .filter(|(job, _)| *job == id)
            .map(|(_, attempt)| attempt.parse().unwrap())
            .collect();
        let attempts: usize = sandbox.meta_value(&id, "attempts").parse().unwrap();
        let count = starts.len();
        starts.sort_unstable();
        starts.dedup();
        assert_eq!(starts.len(), count, "an attempt began twice: {}", story());
        assert_eq!(starts.last(), Some(&attempts), "{}", story());
        assert!(!fails_first || attempts >= 2, "{}", story());
        surplus += attempts - count;
    }
    assert!(surplus <= killed_workers, "seed {seed}: {surplus} attempts too many");
    assert_eq!(sandbox.workers(), []);
    assert_eq!(sandbox.agents(), []);
    assert_eq!(sandbox.faults(&[]), "", "seed {seed}");
    println!(
        "killed {killed_loops} loops and {killed_workers} workers; {surplus} attempts ended \
        before their agent started"
    );
}
