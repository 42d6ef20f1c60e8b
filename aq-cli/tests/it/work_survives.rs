//! `kill -9` of loops, workers and agents at random moments, in a git repository: no job and no
//! work is lost, and the user's checkout is what it was.
//!
//! An agent that is killed has failed, so its attempt counts and its job may end in `failed/`; a
//! worker that is killed has not, and its job goes on. What "exact" means for attempts is written
//! in `chaos.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::dice::{Dice, seed};
use crate::sandbox::{Sandbox, kill_child, kill_hard};

/// Slots, and the slot files that the jobs fight over.
const MAX: usize = 4;

/// Jobs in one round: 300 in `./test --long`.
fn jobs() -> usize {
    std::env::var("AQ_CHAOS_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(60)
}

/// The ways of an agent with its work. Each `save` is on record outside the repository as soon as
/// it is in a file, and not before; the agent can be killed before, after and in between.
const AGENTS: [&str; 8] = [
    "save a.txt; nap",
    "save new.txt; nap; save other.txt",
    "mkdir -p deep/er; save deep/er/new.txt; nap; save deep/a.txt; nap",
    "save new.txt; git add -A; nap; save a.txt",
    "save own.txt; nap; commit; nap; save own.txt; commit",
    "save own.txt; commit; nap; save own.txt; save new.txt; nap",
    "try git checkout -q -B side-$AQ_JOB_ID-$AQ_ATTEMPT || exit 1
     save own.txt; commit; save new.txt; nap",
    "try git checkout -q --detach || exit 1; save own.txt; commit; nap; save a.txt; nap",
];

/// A job that was added.
struct Job {
    id: String,
    retries: bool,
    fails_first: bool,
    dep: Option<usize>,
}

/// The script of an agent. Kernel locks show what runs beside what, and end with its last process;
/// a `flock` that was killed says nothing, and ends the agent. What needs git is tried again: one
/// that was killed may have left a lock for a moment.
fn script(
    sandbox: &Sandbox,
    dice: &mut Dice,
    lock: Option<u64>,
    place: &str,
    does: &str,
) -> String {
    let out = sandbox.path("out");
    let out = out.display();
    let lock = lock.map_or(String::new(), |lock| {
        format!("exec 8>{out}/lock-{lock}; lock 8 || tell BAD lock {lock}\n")
    });
    let slots = (1..=MAX).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    let nap = dice.roll(40);
    format!(
        r#"tell() {{ echo "$*" >>{out}/trace; }}
lock() {{ flock -n $1; was=$?; [ $was -le 1 ] || exit 1; return $was; }}
save() {{
  echo "$AQ_JOB_ID-$AQ_ATTEMPT" >>"$1" &&
    tell wrote $AQ_JOB_ID "{place}$1" $AQ_JOB_ID-$AQ_ATTEMPT
}}
try() {{ for n in 1 2 3 4 5 6 7 8 9; do "$@" && return; sleep 0.2; done; return 1; }}
commit() {{ git add -A && try git commit -q --allow-empty -m "$AQ_ATTEMPT"; }}
nap() {{ sleep 0.{nap:03}; }}
exec 9>{out}/own-$AQ_JOB_ID; lock 9 || tell BAD twice $AQ_JOB_ID
{lock}free=no; for n in {slots}; do exec 7>{out}/slot-$n; if lock 7; then free=yes; break; fi; done
[ $free = yes ] || tell BAD max $AQ_JOB_ID
tell start $AQ_JOB_ID $AQ_ATTEMPT
{does}
"#
    )
}

fn add_jobs(sandbox: &Sandbox, dice: &mut Dice) -> Vec<Job> {
    let dir = sandbox.path("jobs");
    fs::create_dir(&dir).unwrap();
    let mut jobs_made = Vec::new();
    for n in 0..jobs() {
        let id = format!("job-{n:03}");
        let mut front = format!("idempotency-key: key-{n}\n");
        let fails_first = dice.roll(6) == 0;
        let retries = fails_first || dice.roll(2) == 0;
        if retries {
            front += "retry: {max: 60, backoff: 0s}\n";
        }
        let lock = (dice.roll(4) == 0).then(|| dice.roll(3));
        if let Some(lock) = lock {
            writeln!(front, "lock: lock-{lock}").unwrap();
        }
        let dep = (n > 0 && dice.roll(6) == 0).then(|| dice.index(n));
        if let Some(dep) = dep {
            writeln!(front, "deps: [key-{dep}]").unwrap();
        }
        if dice.roll(8) == 0 {
            front += "setup: echo x >by-setup; sleep 0.02\n";
        }
        if dice.roll(8) == 0 {
            front += "verify: echo x >by-verify; sleep 0.02\n";
        }
        let place = if dice.roll(5) == 0 { "sub/" } else { "" };
        if !place.is_empty() {
            front += "cwd: ../work/sub\n";
        }
        let does = AGENTS[dice.index(AGENTS.len())];
        let ends = if fails_first { "[ $AQ_ATTEMPT -ge 2 ]" } else { "true" };
        let body = script(sandbox, dice, lock, place, &format!("{does}\n{ends}"));
        fs::write(dir.join(format!("{id}.md")), crate::sandbox::job_text(&front, &body)).unwrap();
        jobs_made.push(Job { id, retries, fails_first, dep });
    }
    sandbox.ok(&["add".as_ref(), dir.as_os_str()]);
    jobs_made
}

/// The processes that were killed.
#[derive(Default)]
struct Killed {
    loops: usize,
    workers: usize,
    agents: usize,
    /// The jobs of which an agent, a `setup` or a `verify` was.
    hit: BTreeSet<String>,
}

/// Kills until the loop has come to its end by itself, or for as many times as there are jobs.
fn storm(sandbox: &Sandbox, dice: &mut Dice, run: &[&str]) -> (Child, Killed) {
    let mut killed = Killed::default();
    let mut current = sandbox.start_loop(run);
    for _ in 0..jobs() {
        let until = Instant::now() + Duration::from_millis(dice.roll(2) * 80 + dice.roll(80));
        while Instant::now() < until && current.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if current.try_wait().unwrap().is_some() {
            break;
        }
        let whom = dice.roll(6);
        let all = dice.roll(5) == 0;
        if matches!(whom, 0..=2) {
            let agents = sandbox.job_processes();
            let chosen = dice.index(agents.len());
            for (n, (agent, job)) in agents.into_iter().enumerate() {
                if all || n == chosen {
                    kill_hard(agent);
                    killed.agents += 1;
                    killed.hit.insert(job);
                }
            }
        }
        if matches!(whom, 2..=4) {
            let workers = sandbox.workers();
            let chosen = dice.index(workers.len());
            for (n, worker) in workers.into_iter().enumerate() {
                if all || n == chosen {
                    kill_hard(worker);
                    killed.workers += 1;
                }
            }
        }
        if matches!(whom, 4 | 5) {
            kill_child(&mut current);
            killed.loops += 1;
            current = sandbox.start_loop(run);
        }
    }
    (current, killed)
}

/// The words after a word, in each line of the trace that begins with it.
fn told<'a>(trace: &'a str, what: &str) -> impl Iterator<Item = Vec<&'a str>> {
    trace.lines().filter_map(move |line| {
        let mut words = line.split(' ');
        (words.next() == Some(what)).then(|| words.collect())
    })
}

#[test]
fn random_kills_lose_no_work() {
    let seed = seed();
    let mut dice = Dice::new(seed);
    let sandbox = Sandbox::with_repository();
    fs::create_dir(sandbox.path("out")).unwrap();
    fs::create_dir(sandbox.work().join("sub")).unwrap();
    sandbox.commit("sub/a.txt", "one\n");
    // A git that was killed leaves this repository-wide lock behind, for which every later one
    // waits a second. Its owner is unknown, so nobody but its user may remove it.
    sandbox.git(&["config", "core.packedRefsTimeout", "10"]);
    sandbox.leave_changes();
    let before = (sandbox.checkout(), sandbox.status(), sandbox.own_refs());
    let jobs = add_jobs(&sandbox, &mut dice);
    let max = MAX.to_string();
    let run = ["--once", "--ship", "--max", &max];
    let (mut last, killed) = storm(&sandbox, &mut dice, &run);
    kill_child(&mut last);
    assert!(killed.loops + killed.workers + killed.agents > jobs.len() / 10, "seed {seed}");
    let (code, output) = sandbox.code(&["run", "--once", "--ship", "--max", &max]);
    assert!(code <= 1, "seed {seed}: {output}");

    let trace = fs::read_to_string(sandbox.path("out/trace")).unwrap();
    let bad: Vec<&str> = trace.lines().filter(|line| line.starts_with("BAD")).collect();
    assert!(bad.is_empty(), "seed {seed}: {bad:?}");
    let mut starts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for words in told(&trace, "start") {
        starts.entry(words[0]).or_default().push(words[1].parse().unwrap());
    }
    let (mut shipped, mut surplus) = (BTreeSet::new(), 0);
    for (n, job) in jobs.iter().enumerate() {
        let id = &job.id;
        let story = || format!("seed {seed}: {id}: {:?}\n{}", sandbox.meta(id), sandbox.log(id));
        let result = sandbox.meta_value(id, "result");
        match sandbox.folders(id)[..] {
            ["shipped"] => assert!(shipped.insert(n)),
            // A killed `setup` is no attempt's end that a retry would follow.
            ["failed"] if !job.retries || result == "setup_failed" => {
                assert!(killed.hit.contains(id), "nobody killed its agent: {}", story());
            }
            ["inbox"] if job.dep.is_some_and(|dep| !shipped.contains(&dep)) => {}
            ref folders => panic!("in {folders:?}: {}", story()),
        }
        let mut begun = starts.remove(id.as_str()).unwrap_or_default();
        let attempts: usize = sandbox.meta_value(id, "attempts").parse().unwrap_or(0);
        let count = begun.len();
        begun.sort_unstable();
        begun.dedup();
        assert_eq!(begun.len(), count, "an attempt began twice: {}", story());
        let last = begun.last().copied().unwrap_or(0);
        assert!(last <= attempts, "{}", story());
        if shipped.contains(&n) {
            assert_eq!(last, attempts, "{}", story());
            assert!(!job.fails_first || attempts >= 2, "{}", story());
        }
        surplus += attempts - count;
    }
    let most = killed.workers + killed.agents;
    assert!(surplus <= most, "seed {seed}: {surplus} attempts too many");
    assert_eq!(sandbox.workers(), []);
    assert_eq!(sandbox.agents(), []);

    let saved = check_work(&sandbox, &trace, seed);
    sandbox.ok(&["clean", "--keep", "0"]);
    let waiting = sandbox.jobs("inbox").len();
    assert_eq!(check_work(&sandbox, &trace, seed), saved, "`aq clean` removed no work");
    let checkouts: Vec<_> = fs::read_dir(sandbox.queue("work")).unwrap().flatten().collect();
    assert!(checkouts.len() <= waiting, "seed {seed}: {checkouts:?}");
    assert_eq!((sandbox.checkout(), sandbox.status(), sandbox.own_refs()), before, "seed {seed}");
    println!(
        "killed {} loops, {} workers and {} agents; {} of {} jobs shipped, {waiting} wait; \
         {surplus} attempts ended before their agent started; {saved} pieces of work found",
        killed.loops,
        killed.workers,
        killed.agents,
        shipped.len(),
        jobs.len(),
    );
}

/// Every piece of work that an agent had on record is on its job's branch. Answers how many.
fn check_work(sandbox: &Sandbox, trace: &str, seed: u64) -> usize {
    let mut files: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for words in told(trace, "wrote") {
        files.entry((words[0], words[1])).or_default().push(words[2]);
    }
    let mut found = 0;
    for ((job, file), lines) in files {
        let story = || format!("seed {seed}: {job}: {:?}\n{}", sandbox.meta(job), sandbox.log(job));
        let (there, text) = sandbox.try_git(&["show", &format!("aq/wip/{job}:{file}")]);
        assert!(there, "{file} is not on the branch: {}", story());
        let mut kept: Vec<&str> = text.lines().collect();
        for line in lines {
            let at = kept.iter().position(|kept| *kept == line);
            let at = at.unwrap_or_else(|| panic!("{line} is not in {file}: {text}\n{}", story()));
            kept.remove(at);
            found += 1;
        }
    }
    found
}

impl Sandbox {
    /// Changes in the user's checkout, of every kind: staged, not staged, and of no file that git
    /// knows.
    fn leave_changes(&self) {
        fs::write(self.work().join("a.txt"), "staged\n").unwrap();
        self.git(&["add", "a.txt"]);
        fs::write(self.work().join("a.txt"), "edited\n").unwrap();
        fs::write(self.work().join("sub/new.txt"), "untracked\n").unwrap();
    }

    /// All branches and tags but those of jobs and agents.
    fn own_refs(&self) -> String {
        let refs = self.git(&["for-each-ref"]);
        let theirs = ["refs/heads/aq/wip/", "refs/heads/side-"];
        refs.lines().filter(|line| !theirs.iter().any(|name| line.contains(name))).collect()
    }

    fn status(&self) -> String {
        self.git(&["--no-optional-locks", "status", "--porcelain"])
    }
}
