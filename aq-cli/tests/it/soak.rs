//! Many short jobs through one loop: it takes no more memory, descriptors and threads at the end
//! than after a tenth of them, and leaves nothing behind. `AQ_SOAK_JOBS` says how many; `./test
//! --long` runs 50,000.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::hostile::{of_status, peak_kib};
use crate::sandbox::{Sandbox, job_text, wait_child, wait_for};

/// Jobs that are added together, and half of what waits at most.
const BATCH: usize = 100;

/// Different locks.
const LOCKS: usize = 7;

/// The longest that nothing may move.
const STANDSTILL: Duration = Duration::from_secs(60);

/// The resources of a process.
#[derive(Clone, Copy, Debug)]
struct Sample {
    done: usize,
    /// Without pages of files.
    memory_kib: u64,
    descriptors: usize,
    threads: u64,
}

impl Sample {
    fn of(run: &Child, done: usize) -> Self {
        let pid = run.id();
        Self {
            done,
            memory_kib: of_status(pid, "RssAnon:"),
            descriptors: entries(Path::new(&format!("/proc/{pid}/fd"))),
            threads: of_status(pid, "Threads:"),
        }
    }
}

fn entries(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

fn total() -> usize {
    std::env::var("AQ_SOAK_JOBS").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

/// Every tenth fails at first, every fifth has a lock, every third waits for the one before it.
fn add_batch(sandbox: &Sandbox, from: usize, to: usize) {
    let dir = sandbox.path("batch");
    fs::create_dir(&dir).unwrap();
    for n in from..to {
        let mut front = format!("idempotency-key: key-{n}\n");
        if n % 10 == 3 {
            front += "retry: {max: 2, backoff: 0s}\n";
        }
        if n % 5 == 1 {
            front += &format!("lock: lock-{}\n", n % LOCKS);
        }
        if n % 3 == 2 {
            front += &format!("deps: [key-{}]\n", n - 1);
        }
        let body = if n % 10 == 3 { "[ $AQ_ATTEMPT = 2 ]" } else { "true" };
        fs::write(dir.join(format!("job-{n:06}.md")), job_text(&front, body)).unwrap();
    }
    sandbox.ok(&["add".as_ref(), dir.as_os_str()]);
    for entry in fs::read_dir(&dir).unwrap().flatten() {
        fs::rename(entry.path(), sandbox.originals().join(entry.file_name())).unwrap();
    }
    fs::remove_dir(dir).unwrap();
}

#[test]
fn loop_does_not_grow() {
    let sandbox = Sandbox::new();
    let total = total();
    let mut run = sandbox.start_loop(&["--ship", "--max", "4"]);
    let (mut added, mut done) = (0_usize, 0);
    let mut samples: Vec<Sample> = Vec::new();
    let begun = Instant::now();
    let mut moved = Instant::now();
    while done < total {
        // The inbox twice: a job that is tried again goes back there, and is not to be missed on
        // its way.
        let under_way: HashSet<OsString> = ["inbox", "building", "review", "testing", "inbox"]
            .iter()
            .flat_map(|stage| fs::read_dir(sandbox.queue(stage)).unwrap())
            .map(|entry| entry.unwrap().file_name())
            .collect();
        let under_way = under_way.len();
        if added.saturating_sub(under_way) > done {
            done = added.saturating_sub(under_way);
            moved = Instant::now();
        }
        assert!(run.try_wait().unwrap().is_none(), "the loop has ended");
        assert!(moved.elapsed() < STANDSTILL, "{done} of {total} are done");
        let due = [total / 10, total / 2, total][samples.len().min(2)];
        if done >= due && samples.len() < 3 {
            samples.push(Sample::of(&run, done));
        }
        if under_way < BATCH && added < total {
            let to = total.min(added + BATCH);
            add_batch(&sandbox, added, to);
            added = to;
        } else {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let took = begun.elapsed();
    samples.push(Sample::of(&run, done));
    for sample in &samples {
        let Sample { done, memory_kib, descriptors, threads } = sample;
        println!("after {done}: {memory_kib} KiB, {descriptors} descriptors, {threads} threads");
    }
    let rate = total as f64 / took.as_secs_f64();
    let peak = peak_kib(run.id());
    println!("{total} jobs in {took:.1?}: {rate:.0} a second; peak {peak} KiB");
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    assert!(last.memory_kib <= first.memory_kib + 2048, "{samples:?}");
    // Those of four workers come and go.
    assert!(last.descriptors <= first.descriptors + 8, "{samples:?}");
    assert!(last.threads <= first.threads + 4, "{samples:?}");
    sandbox.ok(&["stop"]);
    assert_eq!(wait_child(&mut run), 0);

    assert_eq!(sandbox.jobs("shipped").len(), total);
    for n in (3..total).step_by(10 * total.div_ceil(1000)) {
        assert_eq!(sandbox.meta_value(&format!("job-{n:06}"), "attempts"), "2", "{n}");
    }
    wait_for("the workers", || sandbox.workers().is_empty() && sandbox.agents().is_empty());
    assert_eq!(fs::read_dir(sandbox.queue(".state/tmp")).unwrap().count(), 0);
    // Empty directories for the next jobs.
    let left = sandbox.scratch();
    assert!(left.len() <= 8 && left.iter().all(|name| name.starts_with("spare-")), "{left:?}");
    // Their files stay, for whoever wants them next.
    let locks = fs::read_dir(sandbox.queue(".state/locks")).unwrap().flatten();
    let locks: Vec<_> = locks.map(|entry| fs::File::open(entry.path()).unwrap()).collect();
    assert_eq!(locks.len(), LOCKS);
    assert!(locks.iter().all(|lock| lock.try_lock().is_ok()), "a lock is held");
    assert!(!sandbox.queue("work").exists());
    assert_eq!(sandbox.faults(&[]), "");
}
