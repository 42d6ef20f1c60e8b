//! The cost of a merge beside that of `git merge`, to be looked at:
//! `cargo nextest run --release -p aq-runner --run-ignored all speed --no-capture`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aq_runner::checkpoint::{JobBranch, OwnPlace};

use crate::lab::{Lab, write};

const FILES: usize = 10_000;
const JOBS: usize = 20;

/// A repository, and jobs that have each changed a file of their own and have no checkout any more.
fn prepared() -> (Lab, PathBuf, Vec<JobBranch>) {
    let lab = Lab::new();
    let repo = lab.path().join("repo");
    for n in 0..FILES {
        write(&repo.join(format!("dir-{}/file-{n}", n % 100)), &format!("{n}\n"));
    }
    lab.git(&repo, &["init", "-q", "-b", "main"]);
    lab.git(&repo, &["add", "-A"]);
    lab.git(&repo, &["commit", "-q", "-m", "first"]);
    let base = lab.rev(&repo, "main");
    let jobs = (0..JOBS).map(|n| {
        let name = format!("job-{n}");
        write(&repo.join(format!("dir-{n}/new-{n}")), "1\n");
        write(&repo.join(format!("dir-{n}/file-{n}")), "changed\n");
        lab.git(&repo, &["checkout", "-q", "-b", &format!("aq/wip/{name}")]);
        lab.git(&repo, &["add", "-A"]);
        lab.git(&repo, &["commit", "-q", "-m", &name]);
        lab.git(&repo, &["checkout", "-q", "main"]);
        let job = lab.job(&name, &repo);
        write(&job.base_file.with_extension("from"), "refs/heads/main\n");
        write(&job.base_file, &format!("{base}\n"));
        JobBranch::open(&job).unwrap().unwrap()
    });
    let jobs = jobs.collect();
    (lab, repo, jobs)
}

fn check(lab: &Lab, root: &Path) {
    lab.shell(root, "git ls-files | wc -l >/dev/null");
}

/// Time of the processor that ended children have used, in ticks of 10 ms.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(") ").next().unwrap().split(' ');
    fields.skip(13).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[test]
#[ignore = "it measures and promises nothing"]
fn merges_beside_bare_ones() {
    let (lab, repo, jobs) = prepared();
    let queue = lab.path().join("queue");
    let (work, state) = (queue.join("work"), queue.join(".state"));
    let place = OwnPlace::of_train(&work, &state, &repo.join(".git"), "refs/heads/main");
    let base = lab.rev(&repo, "main");
    // The checkout of the train is there by then.
    jobs[0].prepare_merge("aq: first", &[]).unwrap().check_out(&place).unwrap();
    let mut parts = [Duration::ZERO; 4];
    let (begun, before) = (Instant::now(), ticks());
    for wip in &jobs {
        let mut last = Instant::now();
        let mut lap = |part: &mut Duration| {
            *part += last.elapsed();
            last = Instant::now();
        };
        let merge = wip.prepare_merge("aq: merge", &[]).unwrap();
        lap(&mut parts[0]);
        let root = merge.check_out(&place).unwrap();
        lap(&mut parts[1]);
        check(&lab, &root);
        lap(&mut parts[2]);
        merge.land(&mut || Ok(())).unwrap();
        lap(&mut parts[3]);
    }
    let ours = begun.elapsed();
    let ours_ticks = ticks() - before;
    lab.git(&repo, &["reset", "-q", "--hard", &base]);
    let (begun, before) = (Instant::now(), ticks());
    for wip in &jobs {
        lab.git(&repo, &["merge", "-q", "--no-edit", wip.branch()]);
        check(&lab, &repo);
    }
    let bare = begun.elapsed();
    let bare_ticks = ticks() - before;
    let each = |time: Duration| time.as_secs_f64() * 1000.0 / JOBS as f64;
    println!(
        "aq {:.1} ms, bare {:.1} ms, {:.2} times",
        each(ours),
        each(bare),
        each(ours) / each(bare)
    );
    println!("ticks: aq {ours_ticks}, bare {bare_ticks}");
    println!("prepare, check out, check, land: {:?}", parts.map(each));
}
